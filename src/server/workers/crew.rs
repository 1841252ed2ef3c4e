//! The threads of one gate: hired, given up and replaced.
//!
//! An evaluation that goes on long after its deadline holds its thread, and nothing can end it. Such a thread is stuck:
//! it is counted, told with the policy that holds it, and replaced by a new one. There are at most twice as many threads
//! as the gate should have, stuck ones included, because a policy that takes every thread it gets would take the whole
//! machine. A gate without a thread refuses reviews as overload until one comes back.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Instant;

use super::cores::Cores;
use super::line::Line;
use super::post::{Case, Post, Worker};
use crate::gate::Gate;
use crate::metrics::Metrics;
use crate::server::decide::Decide;
use crate::server::record;
use crate::server::settings::Workers;

/// Evaluation recurses as deep as policies and reviews are nested; what overflows a stack ends the process.
const STACK: usize = 64 << 20;

/// A gate's threads and the line before them.
pub(super) struct Crew {
    gate: Gate,
    workers: Workers,
    line: Arc<Line>,
    decide: Arc<dyn Decide>,
    metrics: Arc<Metrics>,
    cores: Arc<Cores>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// One for each thread, which holds the other half.
    posts: Vec<Arc<Post>>,
    /// Since when all threads are stuck.
    alone_since: Option<Instant>,
}

impl Crew {
    /// A crew without threads; [`Crew::tend`] hires them.
    pub(super) fn new(
        gate: Gate,
        workers: Workers,
        decide: &Arc<dyn Decide>,
        metrics: &Arc<Metrics>,
        cores: &Arc<Cores>,
    ) -> Self {
        Self {
            gate,
            workers,
            line: Arc::new(Line::new(workers.queue)),
            decide: Arc::clone(decide),
            metrics: Arc::clone(metrics),
            cores: Arc::clone(cores),
            state: Mutex::default(),
        }
    }

    /// The line before the threads.
    pub(super) fn line(&self) -> &Line {
        &self.line
    }

    /// Whether all threads have been stuck for so long that none is likely to come back.
    pub(super) fn is_lifeless(&self, now: Instant) -> bool {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let alone = state
            .alone_since
            .map(|since| now.saturating_duration_since(since));
        alone.is_some_and(|alone| alone >= self.workers.lifeless_after)
    }

    /// Keeps threads whose evaluation takes long to their cores; how many there are.
    pub(super) fn slow_down(&self, now: Instant) -> usize {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let long = state.posts.iter().filter(|post| post.slow_down(now));
        long.count()
    }

    /// Gives up the threads that are stuck, and hires what is missing.
    pub(super) fn tend(&self, now: Instant) -> io::Result<()> {
        self.line.forget(now);
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.posts.retain(|post| !has_ended(post));
        let overdue = now.checked_sub(self.workers.stuck_after);
        for post in &state.posts {
            if let Some(case) = overdue.and_then(|then| post.give_up(then)) {
                self.tell(&case);
            }
        }
        let stuck = state.posts.iter().filter(|post| post.is_given_up()).count();
        let wanted = self.workers.threads.max(1);
        let mut hired = Ok(());
        while hired.is_ok() && state.posts.len() < (stuck + wanted).min(2 * wanted) {
            hired = self.hire().map(|post| state.posts.push(post));
        }
        let threads = state.posts.len() - stuck;
        state.alone_since = if threads == 0 {
            state.alone_since.or(Some(now))
        } else {
            None
        };
        self.line.staff(threads);
        self.metrics.stuck_threads(self.gate, stuck);
        hired
    }

    fn hire(&self) -> io::Result<Arc<Post>> {
        let post = Arc::new(Post::new(Arc::clone(&self.cores)));
        let worker = Worker {
            gate: self.gate,
            line: Arc::clone(&self.line),
            post: Arc::clone(&post),
            decide: Arc::clone(&self.decide),
        };
        thread::Builder::new()
            .name(format!("eval-{}", self.gate))
            .stack_size(STACK)
            .spawn(move || worker.run())?;
        Ok(post)
    }

    /// Counts and logs an evaluation that does not end, and notes it in the conduct of its policy.
    fn tell(&self, case: &Case) {
        self.metrics.stuck(self.gate);
        let evaluating = case.slot.evaluating();
        if let Some(evaluating) = &evaluating {
            evaluating.conduct.note_stuck();
        }
        tracing::error!(
            target: "regate::server",
            event = "stuck",
            gate = self.gate.as_str(),
            policy = evaluating.as_ref().map(|evaluating| evaluating.policy.as_str()),
            uid = record::short(&case.uid),
            "an evaluation goes on long after its deadline; its thread is replaced"
        );
    }
}

/// A thread drops its half when it ends, however it ends.
fn has_ended(post: &Arc<Post>) -> bool {
    Arc::strong_count(post) == 1
}
