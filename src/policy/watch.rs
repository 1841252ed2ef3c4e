//! Notices when the content of policy sources changes.
//!
//! One thread, woken by the file system and in any case every few seconds. It waits until the files rest, reads them
//! and tells the one who asked only if the content is another than the last that was seen, good or bad. The file system
//! is watched by directory, and anew before each reading: Kubernetes swaps directories, not files, and a watch on a
//! file or on a directory that was replaced sees nothing.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded, select};
use notify::event::{AccessKind, AccessMode, EventKind};
use notify::{RecommendedWatcher, RecursiveMode, Watcher as _};

use super::files::{Files, Places, Sources, places};
use super::finding::Finding;

/// What reading the sources gave.
pub type Read = Result<Files, Vec<Finding>>;

/// How patient the watcher is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
    /// The files are read when nothing has changed for so long: writers that truncate first need it.
    pub rest: Duration,
    /// The files are read after so long even if they do not rest.
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

impl Drop for Watcher {
    fn drop(&mut self) {
        self.stop.take();
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the policy watcher ended with a panic");
        }
    }
}

/// Watches sources from what the caller read of them last, and hands over each change, on the watcher's thread.
///
/// # Errors
/// When no thread can be started.
pub fn watch(
    sources: Sources,
    last: &Read,
    pace: Pace,
    on_change: impl FnMut(Read) + Send + 'static,
) -> std::io::Result<Watcher> {
    let (stop, stopped) = bounded(0);
    let watch = Watch {
        sources,
        pace,
        seen: Seen::new(last),
        stopped,
        warned: false,
        on_change,
    };
    let thread = std::thread::Builder::new()
        .name("policy-watch".to_owned())
        .spawn(move || watch.run())?;
    Ok(Watcher {
        stop: Some(stop),
        thread: Some(thread),
    })
}

struct Watch<F> {
    sources: Sources,
    pace: Pace,
    seen: Seen,
    /// Never receives anything: it is disconnected by the end of the [`Watcher`].
    stopped: Receiver<()>,
    warned: bool,
    on_change: F,
}

impl<F: FnMut(Read)> Watch<F> {
    fn run(mut self) {
        let mut rest = false;
        loop {
            // First the watch, then the reading: what changes in between is noticed.
            let signs = self.arm();
            let read = if rest {
                Some(Files::read(&self.sources))
            } else {
                self.settled()
            };
            let Some(read) = read else { return };
            self.tell(read);
            match self.wait(&signs) {
                Woken::BySigns => rest = true,
                Woken::ByTime => rest = false,
                Woken::ToEnd => return,
            }
        }
    }

    /// Asks the file system for signs of change. Where it gives none, the poll remains.
    fn arm(&mut self) -> Signs {
        let (signs, failure) = if self.pace.notify {
            Signs::of(places(&self.sources))
        } else {
            (Signs::none(), None)
        };
        if let Some(error) = failure
            && !std::mem::replace(&mut self.warned, true)
        {
            let poll = self.pace.poll;
            tracing::warn!(%error, ?poll, "the file system cannot be watched: changes of policies are found by polling");
        }
        signs
    }

    /// Reads without signs that could say whether the files rest: what is new has to be read twice alike. `None` when
    /// the watch is to end meanwhile.
    fn settled(&self) -> Option<Read> {
        let end = Instant::now() + self.pace.longest;
        let mut read = Files::read(&self.sources);
        while Seen::new(&read) != self.seen
            && let Some(left) = end.checked_duration_since(Instant::now())
        {
            if self.stopped.recv_timeout(left.min(self.pace.rest)) != Err(RecvTimeoutError::Timeout) {
                return None;
            }
            let again = Files::read(&self.sources);
            if Seen::new(&again) == Seen::new(&read) {
                break;
            }
            read = again;
        }
        Some(read)
    }

    /// Hands over what is another content than the last.
    fn tell(&mut self, read: Read) {
        let seen = Seen::new(&read);
        if seen == self.seen {
            return;
        }
        self.seen = seen;
        if catch_unwind(AssertUnwindSafe(|| (self.on_change)(read))).is_err() {
            tracing::error!("taking over changed policies ended with a panic");
        }
    }

    /// Waits for a sign or the poll, and after a sign until there are no more.
    fn wait(&self, signs: &Signs) -> Woken {
        select! {
            recv(self.stopped) -> _ => return Woken::ToEnd,
            recv(signs.receiver) -> _ => {}
            default(self.pace.poll) => return Woken::ByTime,
        }
        let end = Instant::now() + self.pace.longest;
        while let Some(left) = end.checked_duration_since(Instant::now()) {
            select! {
                recv(self.stopped) -> _ => return Woken::ToEnd,
                recv(signs.receiver) -> _ => {}
                default(left.min(self.pace.rest)) => break,
            }
        }
        Woken::BySigns
    }
}

/// Why a wait is over.
enum Woken {
    BySigns,
    ByTime,
    ToEnd,
}

/// Signs of change from the file system.
struct Signs {
    receiver: Receiver<()>,
    /// Held so that the receiver is never disconnected, and thus ready, when the watcher's own thread ends.
    _sender: Sender<()>,
    _watcher: Option<RecommendedWatcher>,
}

impl Signs {
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
        let watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
            if event.map_or(true, |event| is_change(&event, &places)) {
                let _ = signal.try_send(());
            }
        });
        let mut watcher = match watcher {
            Ok(watcher) => watcher,
            Err(error) => return (Self::none(), Some(error)),
        };
        let mut failure = None;
        for directory in directories {
            match watcher.watch(&directory, RecursiveMode::NonRecursive) {
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

/// What was read last, good or bad, as far as it has to be compared.
#[derive(PartialEq, Eq)]
struct Seen(Result<String, Vec<Finding>>);

impl Seen {
    fn new(read: &Read) -> Self {
        Self(
            read.as_ref()
                .map(|files| files.revision.clone())
                .map_err(Clone::clone),
        )
    }
}

#[cfg(test)]
mod tests;
