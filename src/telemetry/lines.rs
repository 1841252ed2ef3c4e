//! Log lines on their way to standard error: whoever logs never waits for whoever reads.
//!
//! A pipe that nobody empties blocks its writer, and decisions are logged on the threads that answer. So a thread of its
//! own writes, out of a bounded queue; what does not fit is dropped and counted. Order is kept. When [`Flush`] is
//! dropped, what was logged until then is written, if somebody still reads.

use std::io::{self, Write};
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, SyncSender};
use std::thread;
use std::time::Duration;

use tracing_subscriber::fmt::MakeWriter;

/// Lines that may wait: some seconds of a busy server.
const QUEUE: usize = 2_048;

/// How long the end of the process waits for its last lines.
const LAST: Duration = Duration::from_secs(1);

enum Entry {
    Line(Vec<u8>),
    /// Everything before it was written once the sender is dropped.
    Mark(SyncSender<()>),
}

/// Where lines are put.
#[derive(Clone)]
pub(super) struct Lines {
    queue: SyncSender<Entry>,
    lost: Arc<dyn Fn() + Send + Sync>,
}

/// Writes what waits when it is dropped.
#[derive(Debug)]
pub struct Flush {
    queue: SyncSender<Entry>,
}

impl std::fmt::Debug for Entry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Entry")
    }
}

/// Writes lines to `out` from now on; `lost` is called for each that does not fit.
pub(super) fn start(
    out: impl Write + Send + 'static,
    lost: impl Fn() + Send + Sync + 'static,
) -> io::Result<(Lines, Flush)> {
    let (queue, entries) = mpsc::sync_channel(QUEUE);
    thread::Builder::new()
        .name("log".to_owned())
        .spawn(move || write(out, &entries))?;
    let lines = Lines {
        queue: queue.clone(),
        lost: Arc::new(lost),
    };
    Ok((lines, Flush { queue }))
}

fn write(mut out: impl Write, entries: &Receiver<Entry>) {
    for entry in entries {
        match entry {
            // There is nobody to tell of an error: this is the log.
            Entry::Line(line) => drop(out.write_all(&line)),
            Entry::Mark(written) => {
                drop(out.flush());
                drop(written);
            }
        }
    }
}

/// One line: the subscriber writes an event at once.
pub(super) struct Line<'a>(&'a Lines);

impl Write for Line<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.0.queue.try_send(Entry::Line(bytes.to_vec())).is_err() {
            (self.0.lost)();
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Lines {
    type Writer = Line<'a>;

    fn make_writer(&'a self) -> Line<'a> {
        Line(self)
    }
}

impl Drop for Flush {
    fn drop(&mut self) {
        let (mark, written) = mpsc::sync_channel(0);
        // A full queue means that nobody reads: there is nothing to wait for.
        if self.queue.try_send(Entry::Mark(mark)).is_ok() {
            // Ends when the mark is dropped, or when it takes too long.
            let _ = written.recv_timeout(LAST);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    /// Writes nothing until it may.
    struct Blocked {
        may: Receiver<()>,
        written: Arc<Mutex<Vec<u8>>>,
    }

    impl Write for Blocked {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            // Once the sender is gone everything may.
            let _ = self.may.recv();
            self.written.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn what_a_blocked_reader_does_not_take_is_dropped_and_counted_and_the_rest_is_written_in_order() {
        let (unblock, may) = mpsc::channel();
        let written = Arc::default();
        let lost = Arc::new(AtomicUsize::new(0));
        let out = Blocked {
            may,
            written: Arc::clone(&written),
        };
        let counter = Arc::clone(&lost);
        let (lines, flush) = start(out, move || {
            counter.fetch_add(1, Ordering::Relaxed);
        })
        .unwrap();
        let logged = QUEUE + 100;
        for number in 0..logged {
            lines
                .make_writer()
                .write_all(format!("{number}\n").as_bytes())
                .unwrap();
        }
        let lost = lost.load(Ordering::Relaxed);
        // One may be in the writer's hand.
        assert!((99..=100).contains(&lost), "{lost}");
        drop(unblock);
        // The queue is emptied first, so that there is room for the mark.
        while lines.queue.try_send(Entry::Line(Vec::new())).is_err() {
            thread::yield_now();
        }
        drop(flush);
        let written = String::from_utf8(written.lock().unwrap().clone()).unwrap();
        let expected: String = (0..logged - lost).map(|number| format!("{number}\n")).collect();
        assert_eq!(written, expected);
    }
}
