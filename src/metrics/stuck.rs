//! Evaluations that do not end: `regate_stuck_threads` now, `regate_stuck_evaluations_total` ever.
//!
//! The first says how many threads a gate has lost, and falls when an evaluation ends after all; the second is what an
//! alert counts on, because what came and went between two scrapes is in it, too.

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use super::GateLabel;
use crate::gate::Gate;

/// Counts what is stuck by gate.
#[derive(Clone, Debug, Default)]
pub(super) struct Stuck {
    threads: Family<GateLabel, Gauge>,
    evaluations: Family<GateLabel, Counter>,
}

impl Stuck {
    pub(super) fn register(&self, registry: &mut Registry) {
        registry.register(
            "stuck_threads",
            "Threads whose evaluation goes on long after its deadline",
            self.threads.clone(),
        );
        registry.register(
            "stuck_evaluations",
            "Evaluations that went on long after their deadline",
            self.evaluations.clone(),
        );
    }

    pub(super) fn count(&self, gate: Gate) {
        let label = GateLabel { gate: gate.as_str() };
        self.evaluations.get_or_create(&label).inc();
    }

    pub(super) fn set_threads(&self, gate: Gate, threads: usize) {
        let label = GateLabel { gate: gate.as_str() };
        let threads = i64::try_from(threads).unwrap_or(i64::MAX);
        self.threads.get_or_create(&label).set(threads);
    }
}
