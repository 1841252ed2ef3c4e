//! Notices when the content of files changes.
//!
//! One thread for each [`Subject`], woken by the file system and in any case every few seconds. It waits until the files
//! rest, however long that takes: the subject is told of a content only if it was read twice alike, and if it is another
//! than the last that was seen, good or bad. So a writer may take its time, if not between two steps. The
//! file system is watched by directory, and anew before each reading: Kubernetes swaps directories, not files, and a
//! watch on a file or on a directory that was replaced sees nothing. Used for policies, certificates and the
//! configuration.

use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvError, RecvTimeoutError, Sender, bounded, select};
use notify::event::{AccessKind, AccessMode, EventKind};
use notify::{RecommendedWatcher, RecursiveMode};

mod files;
#[cfg(test)]
mod tests;

pub use files::{Content, Digest, digest, read};

/// What is watched, and who is told.
pub trait Subject: Send + 'static {
    /// What the files hold.
    type Read;
    /// As much of it as has to be compared.
    type Seen: PartialEq + Send;

    /// What the files hold is called that in the log.
    const NAME: &'static str;

    /// Where a change may change what is read, as it is now.
    fn places(&self) -> Places;

    /// Reads the files.
    fn read(&self) -> Self::Read;

    /// What to compare of it.
    fn seen(read: &Self::Read) -> Self::Seen;

    /// Takes over another content than the last.
    fn changed(&mut self, read: Self::Read);

    /// Called after each reading, changed or not: for what changes with time.
    fn rested(&mut self) {}
}

/// Where a change may change what is read, as absolute paths.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Places {
    /// Where any change counts: what is read, the directories that are searched, and those of files given by name or
    /// by a link.
    pub searched: BTreeSet<PathBuf>,
    /// Directories around, where a change counts only if it is one of the above that changed.
    pub parents: BTreeSet<PathBuf>,
}

impl Places {
    /// Those of single files, which need not be there.
    pub fn of_files<'a>(files: impl IntoIterator<Item = &'a Path>) -> Self {
        let mut places = Self::default();
        for file in files {
            let directory = parent(file);
            places.parents.insert(parent(&directory));
            places.searched.insert(directory);
            if let Ok(real) = std::fs::canonicalize(file) {
                places.searched.insert(parent(&real));
            }
        }
        places
    }
}

/// A path from the root, without looking whether it is there.
pub fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}

/// The directory that something is in.
pub fn parent(path: &Path) -> PathBuf {
    let path = absolute(path);
    path.parent().map(Path::to_owned).unwrap_or(path)
}

/// How patient the watcher is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
    /// For so long nothing may change before and between the two readings: writers that truncate first, or write one
    /// file after the other, need it.
    pub rest: Duration,
    /// After so long the files are read although signs of change still come: something else may go on beside them.
    pub longest: Duration,
    /// The files are read so often without any sign of a change: for file systems that give none.
    pub poll: Duration,
    /// Whether the file system is asked for signs at all.
    pub notify: bool,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            rest: Duration::from_millis(150),
            longest: Duration::from_secs(1),
            poll: Duration::from_secs(10),
            notify: true,
        }
    }
}

/// A running watch. It ends when this is dropped, after what it is doing at the moment.
#[derive(Debug)]
pub struct Watcher {
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Watcher {
    /// Ends the watch without waiting for what it is doing.
    pub fn abandon(mut self) {
        self.thread = None;
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        self.stop.take();
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("a watch of files ended with a panic");
        }
    }
}

/// Watches a subject from what the caller read of it last; it is told on the watch's own thread.
///
/// # Errors
/// When no thread can be started.
pub fn watch<S: Subject>(subject: S, last: S::Seen, pace: Pace) -> std::io::Result<Watcher> {
    let (stop, stopped) = bounded(0);
    let watch = Watch {
        subject,
        pace,
        seen: last,
        stopped,
        warned: false,
    };
    let thread = std::thread::Builder::new()
        // The system cuts names of threads after 15 bytes.
        .name("watch".to_owned())
        .spawn(move || watch.run())?;
    Ok(Watcher {
        stop: Some(stop),
        thread: Some(thread),
    })
}

struct Watch<S: Subject> {
    subject: S,
    pace: Pace,
    seen: S::Seen,
    /// Never receives anything: it is disconnected by the end of the [`Watcher`].
    stopped: Receiver<()>,
    warned: bool,
}

impl<S: Subject> Watch<S> {
    fn run(mut self) {
        loop {
            // First the watch, then the reading: what changes in between is noticed.
            let signs = self.arm();
            let Some(read) = self.settled() else { return };
            self.tell(read);
            if self.wait(&signs).is_err() {
                return;
            }
        }
    }

    /// Asks the file system for signs of change. Where it gives none, the poll remains.
    fn arm(&mut self) -> Signs {
        let (signs, failure) = if self.pace.notify {
            Signs::of(self.subject.places())
        } else {
            (Signs::none(), None)
        };
        if let Some(error) = failure
            && !std::mem::replace(&mut self.warned, true)
        {
            let (poll, what) = (self.pace.poll, S::NAME);
            tracing::warn!(%error, ?poll, "the file system cannot be watched: changes of {what} are found by polling");
        }
        signs
    }

    /// Reads until what is new has been read twice alike: a writer may have begun again when the signs of its last
    /// change had ended. `None` when the watch is to end meanwhile.
    fn settled(&self) -> Option<S::Read> {
        let begin = Instant::now();
        let (mut read, mut told) = (self.subject.read(), false);
        while S::seen(&read) != self.seen {
            if self.stopped.recv_timeout(self.pace.rest) != Err(RecvTimeoutError::Timeout) {
                return None;
            }
            let again = self.subject.read();
            if S::seen(&again) == S::seen(&read) {
                break;
            }
            read = again;
            if begin.elapsed() > self.pace.longest && !std::mem::replace(&mut told, true) {
                let (rest, what) = (self.pace.rest, S::NAME);
                tracing::warn!(?rest, "{what} keep changing: they are taken over once they rest");
            }
        }
        Some(read)
    }

    /// Hands over what is another content than the last.
    fn tell(&mut self, read: S::Read) {
        let seen = S::seen(&read);
        let is_new = seen != self.seen;
        self.seen = seen;
        let subject = &mut self.subject;
        let told = catch_unwind(AssertUnwindSafe(|| {
            if is_new {
                subject.changed(read);
            }
            subject.rested();
        }));
        if told.is_err() {
            tracing::error!("taking over changed {} ended with a panic", S::NAME);
        }
    }

    /// Waits for a sign or the poll, and after a sign until there are no more; in vain where something else goes on
    /// beside the files. An error when the watch is to end.
    fn wait(&self, signs: &Signs) -> Result<(), RecvError> {
        select! {
            recv(self.stopped) -> end => return end,
            recv(signs.receiver) -> _ => {}
            default(self.pace.poll) => return Ok(()),
        }
        let end = Instant::now() + self.pace.longest;
        while Instant::now() < end {
            select! {
                recv(self.stopped) -> end => return end,
                recv(signs.receiver) -> _ => {}
                default(self.pace.rest) => break,
            }
        }
        Ok(())
    }
}

/// Signs of change from the file system.
struct Signs<W: notify::Watcher = RecommendedWatcher> {
    receiver: Receiver<()>,
    /// Held so that the receiver is never disconnected, and thus ready, when the watcher's own thread ends.
    _sender: Sender<()>,
    _watcher: Option<Held<W>>,
}

impl<W: notify::Watcher> Signs<W> {
    fn none() -> Self {
        let (sender, receiver) = bounded(1);
        Self {
            receiver,
            _sender: sender,
            _watcher: None,
        }
    }

    /// Watches all that can be watched, and gives the first error.
    fn of(places: Places) -> (Self, Option<notify::Error>) {
        // One place is enough: a sign says only that there is something to see.
        let (sender, receiver) = bounded(1);
        let signal = sender.clone();
        let directories: Vec<_> = places.searched.union(&places.parents).cloned().collect();
        let handler = move |event: notify::Result<notify::Event>| {
            if event.map_or(true, |event| is_change(&event, &places)) {
                let _ = signal.try_send(());
            }
        };
        let mut watcher = match Held::new(handler) {
            Ok(watcher) => watcher,
            Err(error) => return (Self::none(), Some(error)),
        };
        let mut failure = None;
        for directory in directories {
            match watcher.watch(&directory) {
                // It went away since it was listed: its parent tells.
                Err(error) if matches!(error.kind, notify::ErrorKind::PathNotFound) => {}
                Err(error) => failure = failure.or(Some(error)),
                Ok(()) => {}
            }
        }
        (
            Self {
                receiver,
                _sender: sender,
                _watcher: Some(watcher),
            },
            failure,
        )
    }
}

/// A watcher of the library, which has a thread of its own. Where the system gives no thread the library says nothing,
/// panics when it is asked to watch something, and panics again when it is dropped: the process would end.
struct Held<W: notify::Watcher>(Option<W>);

impl<W: notify::Watcher> Held<W> {
    fn new(handler: impl notify::EventHandler) -> notify::Result<Self> {
        let mut held = Self(Some(W::new(handler, notify::Config::default())?));
        // The one question that is answered with an error by a watcher without a thread.
        if let Some(watcher) = &mut held.0 {
            watcher.configure(notify::Config::default())?;
        }
        Ok(held)
    }

    fn watch(&mut self, directory: &Path) -> notify::Result<()> {
        match &mut self.0 {
            Some(watcher) => watcher.watch(directory, RecursiveMode::NonRecursive),
            None => Ok(()),
        }
    }
}

impl<W: notify::Watcher> Drop for Held<W> {
    fn drop(&mut self) {
        let watcher = self.0.take();
        // The panic was logged where it happened, and there is nothing left to do.
        let _ = catch_unwind(AssertUnwindSafe(|| drop(watcher)));
    }
}

/// Whether an event is in one of the places, and more than reading: our own would wake us for ever.
fn is_change(event: &notify::Event, places: &Places) -> bool {
    let is_read = match event.kind {
        EventKind::Access(access) => access != AccessKind::Close(AccessMode::Write),
        _ => false,
    };
    let counts = |path: &Path| {
        places.searched.contains(path)
            || path
                .parent()
                .is_some_and(|parent| places.searched.contains(parent))
    };
    !is_read && (event.paths.is_empty() || event.paths.iter().any(|path| counts(path)))
}
