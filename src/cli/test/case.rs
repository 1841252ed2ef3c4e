//! One thing to try, whatever it is written in, and running many of them.
//!
//! Whoever knows a way to write tests gives [`Case`]s; everything behind is the same for all. Results come in the order of
//! the cases, however many run at a time. A case that does not end with its time, as a builtin may, does not keep the
//! others from being reported.

use std::num::NonZeroUsize;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::time::{Duration, Instant};

use anyhow::Context;

use crate::policy::trials::Reached;

/// Stacks as deep as the server's: policies recurse over what they read.
const STACK: usize = 64 << 20;

/// How long after its time a case is waited for.
const GRACE: Duration = Duration::from_secs(5);

/// Does the work of a case until a deadline.
pub(super) type Work = Box<dyn Fn(Instant) -> Tried + Send + Sync>;

/// One thing to try.
pub(super) struct Case {
    /// What it belongs to: a package of tests, or a suite.
    pub(super) group: String,
    /// What it is called there.
    pub(super) name: String,
    /// What it is called by itself, and chosen by.
    pub(super) label: String,
    /// Where it is written.
    pub(super) place: Place,
    /// What is to be done; nothing for one that is skipped.
    pub(super) work: Option<Work>,
}

/// A place in a file.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    pub(super) file: String,
    pub(super) line: u32,
}

/// What trying a case gave.
#[derive(Default)]
pub(super) struct Tried {
    /// Why it did not pass.
    pub(super) failure: Option<Failure>,
    /// What policies printed meanwhile.
    pub(super) prints: Vec<String>,
    /// The lines that were reached.
    pub(super) reached: Reached,
    /// How long it took, without telling why it failed.
    pub(super) took: Duration,
}

/// Why a case did not pass.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Failure {
    /// Whether it could not be tried to its end.
    pub(super) is_error: bool,
    /// Where it failed.
    pub(super) place: Place,
    /// What is wrong: a line, and more where there is more to say.
    pub(super) text: String,
}

/// A case that was tried, or skipped.
pub(super) struct Done {
    pub(super) group: String,
    pub(super) name: String,
    pub(super) label: String,
    pub(super) place: Place,
    pub(super) is_skipped: bool,
    pub(super) tried: Tried,
}

impl Tried {
    /// One that did not pass.
    pub(super) fn failed(failure: Failure) -> Self {
        Tried {
            failure: Some(failure),
            ..Tried::default()
        }
    }
}

impl Failure {
    /// Something kept a case from being tried to its end.
    pub(super) fn error(place: &Place, text: impl Into<String>) -> Self {
        Failure {
            is_error: true,
            place: place.clone(),
            text: text.into(),
        }
    }
}

/// How many cases run at a time, and for how long each.
pub(super) struct Bounds {
    pub(super) parallel: Option<NonZeroUsize>,
    pub(super) timeout: Duration,
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}", self.file, self.line)
    }
}

/// Runs all cases.
///
/// # Errors
/// When there are no threads for them.
pub(super) fn run_all(cases: Vec<Case>, bounds: &Bounds) -> anyhow::Result<Vec<Done>> {
    let count = cases.len();
    let shared = Arc::new((cases, AtomicUsize::new(0)));
    let (results, arrived) = channel();
    let threads = bounds.parallel.map_or(1, NonZeroUsize::get).min(count);
    for _ in 0..threads {
        let (shared, results, timeout) = (Arc::clone(&shared), results.clone(), bounds.timeout);
        std::thread::Builder::new()
            .name("test".to_owned())
            .stack_size(STACK)
            .spawn(move || work(&shared.0, &shared.1, timeout, &results))
            .context("no thread to run tests on")?;
    }
    drop(results);
    let mut tried: Vec<Option<Tried>> = (0..count).map(|_| None).collect();
    // The channel ends with the threads; where nothing arrives for too long, they do not.
    while let Ok((at, result)) = arrived.recv_timeout(bounds.timeout.saturating_add(GRACE)) {
        if let Some(slot) = tried.get_mut(at) {
            *slot = Some(result);
        }
    }
    let begun = shared.1.load(Ordering::Relaxed);
    let done = shared
        .0
        .iter()
        .zip(tried)
        .enumerate()
        .map(|(at, (case, tried))| Done {
            group: case.group.clone(),
            name: case.name.clone(),
            label: case.label.clone(),
            place: case.place.clone(),
            is_skipped: case.work.is_none(),
            tried: tried.unwrap_or_else(|| unfinished(&case.place, at < begun)),
        });
    Ok(done.collect())
}

fn unfinished(place: &Place, begun: bool) -> Tried {
    let text = if begun {
        "it did not end, long after its time"
    } else {
        "it was not run: tests before it did not end"
    };
    Tried::failed(Failure::error(place, text))
}

type Arrival = (usize, Tried);

/// Takes one case after the other.
fn work(cases: &[Case], next: &AtomicUsize, timeout: Duration, results: &Sender<Arrival>) {
    loop {
        let at = next.fetch_add(1, Ordering::Relaxed);
        let Some(case) = cases.get(at) else { return };
        let tried = match &case.work {
            None => Tried::default(),
            Some(work) => catch_unwind(AssertUnwindSafe(|| work(Instant::now() + timeout)))
                .unwrap_or_else(|_| Tried::failed(Failure::error(&case.place, "the evaluation panicked"))),
        };
        // Nobody waits any more when it is too late.
        if results.send((at, tried)).is_err() {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;
    use std::sync::mpsc::Receiver;

    use super::*;

    /// Far longer than anything here takes, on the busiest of machines.
    const PATIENCE: Duration = Duration::from_secs(20);

    fn case(name: &str, work: impl Fn() -> Tried + Send + Sync + 'static) -> Case {
        Case {
            group: "t".to_owned(),
            name: name.to_owned(),
            label: format!("t.{name}"),
            place: Place::default(),
            work: Some(Box::new(move |_| work())),
        }
    }

    /// Runs cases so many at a time; each that did not pass, and why.
    fn failures(cases: Vec<Case>, parallel: usize, timeout: Duration) -> Vec<(String, String)> {
        let bounds = Bounds {
            parallel: NonZeroUsize::new(parallel),
            timeout,
        };
        let done = run_all(cases, &bounds).unwrap().into_iter();
        let failed = done.filter_map(|done| done.tried.failure.map(|failure| (done.name, failure)));
        failed
            .inspect(|(name, failure)| assert!(failure.is_error, "{name}"))
            .map(|(name, failure)| (name, failure.text))
            .collect()
    }

    fn pair(name: &str, text: &str) -> (String, String) {
        (name.to_owned(), text.to_owned())
    }

    #[test]
    fn a_case_that_panics_is_an_error_and_the_next_is_run() {
        let cases = vec![
            case("bad", || panic!("of the case")),
            case("good", Tried::default),
        ];
        assert_eq!(
            failures(cases, 1, PATIENCE),
            [pair("bad", "the evaluation panicked")]
        );
    }

    #[test]
    fn a_case_that_does_not_end_is_given_up_and_so_are_those_behind_it() {
        // Nothing is ever sent: the case ends when the test does.
        let (end, endless) = channel::<()>();
        let endless = Mutex::new(endless);
        let cases = vec![
            case("quick", Tried::default),
            case("endless", move || {
                let _ = endless.lock().unwrap().recv_timeout(PATIENCE);
                Tried::default()
            }),
            case("behind", Tried::default),
        ];
        assert_eq!(
            failures(cases, 1, Duration::ZERO),
            [
                pair("endless", "it did not end, long after its time"),
                pair("behind", "it was not run: tests before it did not end"),
            ]
        );
        drop(end);
    }

    #[test]
    fn as_many_cases_run_at_a_time_as_are_asked_for() {
        let (to_second, second) = channel();
        let (to_first, first) = channel();
        // Each waits until the other has begun.
        let meets = |name, other: Sender<()>, own: Receiver<()>| {
            let own = Mutex::new(own);
            case(name, move || {
                let _ = other.send(());
                match own.lock().unwrap().recv_timeout(PATIENCE) {
                    Ok(()) => Tried::default(),
                    Err(_) => Tried::failed(Failure::error(&Place::default(), "it was alone")),
                }
            })
        };
        let cases = vec![
            meets("first", to_second, first),
            meets("second", to_first, second),
        ];
        assert_eq!(failures(cases, 2, PATIENCE), []);
    }
}
