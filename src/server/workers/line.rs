//! The line of reviews before a gate's threads: bounded in length and in the time that it takes.
//!
//! Whether a review gets in is decided when it arrives, and told at once: one that waits and is refused afterwards has
//! lost time that its caller could have used. What the wait will be is told by the pace at which this line has moved
//! since a thread was last free. Nothing older is remembered: where a thread is free, everybody gets in, whatever
//! happened before.
//!
//! A burst may use a quarter of its reviews' time: the time since it began, and the wait. Threads that have had no pause
//! for longer have no burst before them but an overload: more patience would not answer more reviews, only all of them
//! later. Then a review gets in only where its turn comes within [`SOON`].

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::Job;

/// A wait that nobody is refused for.
const SOON: Duration = Duration::from_millis(25);

/// The pace of the last second or two is what counts in a line that does not end.
const RECENTLY: Duration = Duration::from_secs(1);

/// Reviews in the order of their arrival.
pub(super) struct Line {
    length: usize,
    state: Mutex<State>,
    arrived: Condvar,
}

struct State {
    jobs: VecDeque<Job>,
    /// Threads that take jobs.
    threads: usize,
    /// Those of them that wait for one.
    free: usize,
    /// When the last thread that was free got something to do.
    busy_since: Instant,
    /// Since when is counted how many jobs were taken.
    counted_since: Instant,
    taken: u32,
    closed: bool,
}

impl Line {
    /// A line for at most `length` reviews, before no threads yet.
    pub(super) fn new(length: usize) -> Self {
        let now = Instant::now();
        Self {
            length,
            state: Mutex::new(State {
                jobs: VecDeque::new(),
                threads: 0,
                free: 0,
                busy_since: now,
                counted_since: now,
                taken: 0,
                closed: false,
            }),
            arrived: Condvar::new(),
        }
    }

    /// Puts a review at the end of the line, unless it would have to wait for too long.
    pub(super) fn join(&self, job: Job, now: Instant) -> bool {
        let mut state = self.lock();
        state.forget(now);
        let is_full = state.jobs.len() >= self.length || state.threads == 0 || state.closed;
        if is_full || !state.is_worth_it(job.deadline, now) {
            return false;
        }
        if state.jobs.len() < state.free {
            state.busy_since = now;
            state.counted_since = now;
            state.taken = 0;
        }
        state.jobs.push_back(job);
        drop(state);
        self.arrived.notify_one();
        true
    }

    /// Takes the next review, waiting for one; `None` when the line is closed.
    pub(super) fn take(&self) -> Option<Job> {
        let mut state = self.lock();
        loop {
            if state.closed {
                return None;
            }
            if let Some(job) = state.next(Instant::now()) {
                return Some(job);
            }
            state.free += 1;
            state = self.arrived.wait(state).unwrap_or_else(PoisonError::into_inner);
            state.free -= 1;
        }
    }

    /// Says how many threads take reviews from now on. Without any, nobody gets in.
    pub(super) fn staff(&self, threads: usize) {
        self.lock().threads = threads;
    }

    /// Drops the first reviews that nobody waits for any more, and their bodies with them.
    pub(super) fn forget(&self, now: Instant) {
        self.lock().forget(now);
    }

    /// Sends all threads home that wait, and those that do not when they come back.
    pub(super) fn close(&self) {
        let mut state = self.lock();
        state.closed = true;
        state.jobs.clear();
        drop(state);
        self.arrived.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn forget(&mut self, now: Instant) {
        while self.jobs.front().is_some_and(|job| job.is_over(now)) {
            self.jobs.pop_front();
        }
    }

    fn next(&mut self, now: Instant) -> Option<Job> {
        self.forget(now);
        let job = self.jobs.pop_front()?;
        self.taken = self.taken.saturating_add(1);
        Some(job)
    }

    /// Whether a review that has to be answered by `deadline` should wait for its turn.
    fn is_worth_it(&mut self, deadline: Instant, now: Instant) -> bool {
        let Ok(ahead) = u32::try_from(self.jobs.len()) else {
            return false;
        };
        if ahead == 0 || self.jobs.len() < self.free {
            return true;
        }
        let mut counted = now.saturating_duration_since(self.counted_since);
        if counted > RECENTLY {
            counted /= 2;
            self.counted_since += counted;
            self.taken /= 2;
        }
        // Until each thread has come back once, the pace is not known; as if all of them came back now.
        let turns = u32::try_from(self.threads).unwrap_or(u32::MAX);
        let wait = counted.saturating_mul(ahead) / self.taken.max(turns).max(1);
        let busy = now.saturating_duration_since(self.busy_since);
        wait <= SOON || busy + wait <= deadline.saturating_duration_since(now) / 4
    }
}

#[cfg(test)]
mod tests;
