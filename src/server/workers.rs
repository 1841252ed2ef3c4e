//! The threads that evaluate, and the queues before them.
//!
//! Every gate has threads and a bounded queue of its own, so that one gate's load cannot starve another. A review is
//! one job; what goes wrong with it (a full queue, its deadline, a panic) is that review's answer and nobody else's.

use std::collections::BTreeMap;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread;
use std::time::Instant;

use bytes::Bytes;
use crossbeam_channel::{Receiver, Sender};
use tokio::sync::oneshot;

use super::decide::Decide;
use super::settings::Workers;
use crate::gate::Gate;
use crate::metrics::Metrics;
use crate::review::{Answer, EnvelopeHint, Failure, Record};

/// Evaluation recurses as deep as policies and reviews are nested; what overflows a stack ends the process.
const STACK: usize = 64 << 20;

/// One review, on its way to a thread and back.
struct Job {
    body: Bytes,
    hint: EnvelopeHint,
    deadline: Instant,
    reply: oneshot::Sender<(Answer, Record)>,
}

/// The evaluation threads of all served gates.
pub(super) struct Pools {
    queues: BTreeMap<Gate, Sender<Job>>,
    decide: Arc<dyn Decide>,
    metrics: Arc<Metrics>,
}

impl Pools {
    /// Starts the threads; they end when the pools are dropped and their queues are empty.
    pub(super) fn start(
        gates: impl IntoIterator<Item = Gate>,
        workers: Workers,
        decide: &Arc<dyn Decide>,
        metrics: &Arc<Metrics>,
    ) -> io::Result<Self> {
        let mut queues = BTreeMap::new();
        for gate in gates {
            let (sender, jobs) = crossbeam_channel::bounded(workers.queue);
            for _ in 0..workers.threads.max(1) {
                let worker = Worker {
                    gate,
                    jobs: jobs.clone(),
                    decide: Arc::clone(decide),
                    metrics: Arc::clone(metrics),
                };
                thread::Builder::new()
                    .name(format!("eval-{gate}"))
                    .stack_size(STACK)
                    .spawn(move || worker.run())?;
            }
            queues.insert(gate, sender);
        }
        Ok(Self {
            queues,
            decide: Arc::clone(decide),
            metrics: Arc::clone(metrics),
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
        };
        let queued = self
            .queues
            .get(&gate)
            .is_some_and(|queue| queue.try_send(job).is_ok());
        if !queued {
            return self.decide.refuse(gate, &hint, &Failure::Overload);
        }
        self.metrics.queued();
        match tokio::time::timeout_at(tokio::time::Instant::from_std(deadline), decided).await {
            Ok(Ok(decided)) => decided,
            // Without a reply the thread found the deadline passed before it began.
            Ok(Err(_)) | Err(_) => self.decide.refuse(gate, &hint, &Failure::Deadline),
        }
    }
}

struct Worker {
    gate: Gate,
    jobs: Receiver<Job>,
    decide: Arc<dyn Decide>,
    metrics: Arc<Metrics>,
}

impl Worker {
    fn run(self) {
        for job in &self.jobs {
            self.metrics.dequeued();
            // The caller is gone, or was answered when the deadline passed.
            if job.reply.is_closed() || job.deadline <= Instant::now() {
                continue;
            }
            let decided = catch_unwind(AssertUnwindSafe(|| {
                self.decide.decide(self.gate, &job.body, &job.hint, job.deadline)
            }))
            .unwrap_or_else(|_| self.decide.refuse(self.gate, &job.hint, &Failure::Panic));
            // Nobody waits any more when the deadline passed during the evaluation.
            let _ = job.reply.send(decided);
        }
    }
}
