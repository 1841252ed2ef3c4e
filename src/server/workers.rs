//! The threads that evaluate, and the lines before them.
//!
//! Every gate has a [`Crew`] of its own: threads and a bounded line, so that one gate's load cannot starve another. A
//! review is one job; what goes wrong with it (too long a line, its deadline, a panic) is that review's answer and nobody
//! else's. One more thread tends the crews: it replaces threads whose evaluation does not end, and sees to it that those
//! which take long leave the other threads their turns.

mod cores;
mod crew;
mod line;
mod post;
mod pulse;

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::sync::oneshot;

use self::cores::Cores;
use self::crew::Crew;
use self::pulse::Pulse;
use super::decide::Decide;
use super::settings::Workers;
use crate::gate::Gate;
use crate::metrics::{Counted, Metrics};
use crate::review::{Answer, EnvelopeHint, Failure, Record};

/// How often the crews are looked after.
const ROUND: Duration = Duration::from_millis(100);

/// How often while evaluations are long: where one ended, the next one has begun.
const SHORT_ROUND: Duration = Duration::from_millis(20);

/// One review, on its way to a thread and back.
struct Job {
    body: Bytes,
    hint: EnvelopeHint,
    deadline: Instant,
    reply: oneshot::Sender<(Answer, Record)>,
    waits: Counted,
}

impl Job {
    /// Whether nobody waits for it any more: the caller is gone, or was answered when the deadline passed.
    fn is_over(&self, now: Instant) -> bool {
        self.deadline <= now || self.reply.is_closed()
    }
}

/// The evaluation threads of all served gates.
pub(super) struct Pools {
    crews: BTreeMap<Gate, Arc<Crew>>,
    decide: Arc<dyn Decide>,
    metrics: Arc<Metrics>,
    closed: Arc<AtomicBool>,
    keeper: Thread,
}

impl Pools {
    /// Starts the threads; they end when the pools are dropped and what they evaluate has ended. Nothing waits for them.
    pub(super) fn start(
        gates: impl IntoIterator<Item = Gate>,
        workers: Workers,
        decide: &Arc<dyn Decide>,
        metrics: &Arc<Metrics>,
    ) -> io::Result<Self> {
        let cores = Arc::new(Cores::new());
        let crew = |gate| (gate, Arc::new(Crew::new(gate, workers, decide, metrics, &cores)));
        let crews: BTreeMap<_, _> = gates.into_iter().map(crew).collect();
        for crew in crews.values() {
            crew.tend(Instant::now())?;
        }
        let closed = Arc::new(AtomicBool::new(false));
        let keeper = thread::Builder::new().name("eval-keeper".to_owned()).spawn({
            let crews: Vec<_> = crews.values().map(Arc::clone).collect();
            let closed = Arc::clone(&closed);
            move || keep(&crews, &cores, &closed)
        })?;
        Ok(Self {
            crews,
            decide: Arc::clone(decide),
            metrics: Arc::clone(metrics),
            closed,
            keeper: keeper.thread().clone(),
        })
    }

    /// Has a review decided, and answers it by its deadline whatever becomes of the evaluation.
    pub(super) async fn review(
        &self,
        gate: Gate,
        body: Bytes,
        hint: EnvelopeHint,
        deadline: Instant,
    ) -> (Answer, Record) {
        let (reply, decided) = oneshot::channel();
        let job = Job {
            body,
            hint: hint.clone(),
            deadline,
            reply,
            waits: self.metrics.queued(),
        };
        let crew = self.crews.get(&gate);
        if !crew.is_some_and(|crew| crew.line().join(job, Instant::now())) {
            return self.decide.refuse(gate, &hint, &Failure::Overload);
        }
        match tokio::time::timeout_at(tokio::time::Instant::from_std(deadline), decided).await {
            Ok(Ok(decided)) => decided,
            // Without a reply the deadline passed before a thread began.
            Ok(Err(_)) | Err(_) => self.decide.refuse(gate, &hint, &Failure::Deadline),
        }
    }

    /// The gates that have had no thread left for so long that only a new process helps.
    pub(super) fn lifeless(&self) -> Vec<Gate> {
        let now = Instant::now();
        let lifeless = self.crews.iter().filter(|(_, crew)| crew.is_lifeless(now));
        lifeless.map(|(gate, _)| *gate).collect()
    }
}

impl Drop for Pools {
    fn drop(&mut self) {
        for crew in self.crews.values() {
            crew.line().close();
        }
        self.closed.store(true, Ordering::Relaxed);
        self.keeper.unpark();
    }
}

/// Looks after the crews until the pools are gone.
fn keep(crews: &[Arc<Crew>], cores: &Cores, closed: &AtomicBool) {
    let mut pulse = Pulse::new(cores.slow());
    while !closed.load(Ordering::Relaxed) {
        let now = Instant::now();
        let long = crews.iter().map(|crew| crew.slow_down(now)).sum();
        let tended = crews.iter().map(|crew| crew.tend(now));
        for error in tended.chain([pulse.tend(long, now)]).filter_map(Result::err) {
            tracing::error!(target: "regate::server", event = "no_thread", %error, "the system gives no thread");
        }
        thread::park_timeout(match pulse.beats(now) {
            true => SHORT_ROUND,
            false => ROUND,
        });
    }
}

#[cfg(test)]
mod tests;
