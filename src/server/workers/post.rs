//! One thread of a gate: it takes reviews from the line and has them decided, one after the other.
//!
//! Its [`Post`] is shared with whoever tends the crew, and says what the thread is at. A thread whose evaluation went on
//! for too long is given up: it ends when that evaluation does, and takes no other review.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use super::Job;
use super::cores::{Cores, LONG, Thread, this_thread};
use super::line::Line;
use crate::gate::Gate;
use crate::policy::evaluating::Slot;
use crate::review::Failure;
use crate::server::decide::Decide;

/// What a thread is at.
#[derive(Debug)]
pub(super) struct Post {
    cores: Arc<Cores>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    at: At,
    /// Whether the thread is kept to the cores of long evaluations, as one review may leave it to the next.
    is_slow: bool,
}

#[derive(Debug, Default)]
enum At {
    /// It waits for a review.
    #[default]
    Free,
    /// It has a review decided.
    Busy(Case),
    /// Nobody counts on it any more.
    GivenUp,
}

/// A review that is being decided.
#[derive(Clone, Debug)]
pub(super) struct Case {
    /// Who has it decided.
    pub(super) thread: Thread,
    /// When it took it.
    pub(super) begun: Instant,
    /// When it has to be answered.
    pub(super) deadline: Instant,
    /// The review's uid; empty where it has none.
    pub(super) uid: String,
    /// What the thread evaluates.
    pub(super) slot: Slot,
}

impl Case {
    fn is_long(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.begun) >= LONG
    }
}

impl Post {
    /// That of a thread which may have these cores.
    pub(super) fn new(cores: Arc<Cores>) -> Self {
        let state = Mutex::default();
        Self { cores, state }
    }

    /// Gives the thread up if it is still at a review that had to be answered before `then`: that one.
    pub(super) fn give_up(&self, then: Instant) -> Option<Case> {
        let mut state = self.lock();
        let case = match &state.at {
            At::Busy(case) if case.deadline < then => case.clone(),
            At::Busy(_) | At::Free | At::GivenUp => return None,
        };
        state.at = At::GivenUp;
        Some(case)
    }

    /// Keeps the thread to the cores of long evaluations if it is at one; whether it is.
    pub(super) fn slow_down(&self, now: Instant) -> bool {
        let mut state = self.lock();
        match &state.at {
            At::Busy(case) if case.is_long(now) => {
                if !state.is_slow {
                    self.cores.slow_down(case.thread);
                    state.is_slow = true;
                }
                true
            }
            At::GivenUp => true,
            At::Busy(_) | At::Free => false,
        }
    }

    /// Whether nobody counts on the thread any more.
    pub(super) fn is_given_up(&self) -> bool {
        matches!(self.lock().at, At::GivenUp)
    }

    fn begin(&self, case: Case) {
        self.lock().at = At::Busy(case);
    }

    /// The review is decided; whether the thread goes on. Who was long stays where it is kept until one was not: where a
    /// policy runs away, the next review most likely makes it do so again.
    fn end(&self, now: Instant) -> bool {
        let mut state = self.lock();
        match &state.at {
            At::GivenUp => return false,
            At::Busy(case) if state.is_slow && !case.is_long(now) => {
                self.cores.free();
                state.is_slow = false;
            }
            At::Busy(_) | At::Free => {}
        }
        state.at = At::Free;
        true
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a thread needs.
pub(super) struct Worker {
    pub(super) gate: Gate,
    pub(super) line: Arc<Line>,
    pub(super) post: Arc<Post>,
    pub(super) decide: Arc<dyn Decide>,
}

impl Worker {
    /// Decides reviews until the line is closed or the thread is given up.
    pub(super) fn run(&self) {
        let thread = this_thread();
        while let Some(job) = self.line.take() {
            let Job {
                body,
                hint,
                deadline,
                reply,
                waits,
            } = job;
            drop(waits);
            self.post.begin(Case {
                thread,
                begun: Instant::now(),
                deadline,
                uid: hint.uid.clone().unwrap_or_default(),
                slot: Slot::of_this_thread(),
            });
            let decided = catch_unwind(AssertUnwindSafe(|| {
                self.decide.decide(self.gate, &body, &hint, deadline)
            }))
            .unwrap_or_else(|_| self.decide.refuse(self.gate, &hint, &Failure::Panic));
            // Nobody waits any more when the deadline passed during the evaluation.
            let _ = reply.send(decided);
            if !self.post.end(Instant::now()) {
                return;
            }
        }
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::super::cores::allowed;
    use super::*;

    /// A thread whose last evaluation was long begins the next one where it is, and is free once one was not.
    #[test]
    fn a_thread_is_kept_until_an_evaluation_was_not_long() {
        let cores = Arc::new(Cores::new());
        let post = Post::new(Arc::clone(&cores));
        let begun = Instant::now();
        let begin = || {
            post.begin(Case {
                thread: this_thread(),
                begun,
                deadline: begun,
                uid: String::new(),
                slot: Slot::of_this_thread(),
            });
        };
        let short = begun + LONG / 2;
        let free = allowed();
        begin();
        assert!(!post.slow_down(short));
        assert_eq!(allowed(), free);
        assert!(post.slow_down(begun + LONG));
        let kept = allowed();
        assert_eq!(kept.len(), cores.slow().len());
        assert!(post.end(begun + LONG));
        assert_eq!(allowed(), kept);
        begin();
        assert!(!post.slow_down(short));
        assert_eq!(allowed(), kept);
        assert!(post.end(begun + LONG));
        begin();
        assert!(post.end(short));
        assert_eq!(allowed(), free);
    }
}
