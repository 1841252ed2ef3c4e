//! One log line and the metrics of every answer: what was decided and why, never what was asked.

use std::time::Duration;

use tracing::Level;

use crate::metrics::Metrics;
use crate::review::{FaultRecord, Record};

/// A uid is 36 characters; a longer one is somebody's attempt to fill the log.
const UID: usize = 64;

/// Counts and logs an answer that took `duration` since the first byte of its request.
pub(super) fn write(record: &Record, duration: Duration, metrics: &Metrics) {
    metrics.answered(record.gate, record.decision, record.code, duration);
    // Only a review that a policy set was asked about has spent time in it.
    if !record.revision.is_empty() {
        metrics.evaluated(record.gate, record.evaluation);
    }
    for fault in &record.faults {
        metrics.fault(fault.reason);
    }
    match level(record) {
        Level::WARN => log!(Level::WARN, record, duration),
        Level::INFO => log!(Level::INFO, record, duration),
        _ => log!(Level::DEBUG, record, duration),
    }
}

/// What went wrong here is the operator's business, a denial somebody's question of tomorrow, an allow nobody's.
fn level(record: &Record) -> Level {
    if !record.faults.is_empty() || record.code >= 500 || record.code == 429 {
        Level::WARN
    } else if matches!(record.decision, "allow" | "no_opinion") {
        Level::DEBUG
    } else {
        Level::INFO
    }
}

fn faults(record: &Record) -> Option<String> {
    let line = |fault: &FaultRecord| format!("{}: {}: {}", fault.policy, fault.reason, fault.place);
    let lines: Vec<_> = record.faults.iter().map(line).collect();
    (!lines.is_empty()).then(|| lines.join("; "))
}

/// What the policies' authors want in the log, cut: a log line is no place for documents.
fn details(record: &Record) -> Option<String> {
    const LIMIT: usize = 1024;
    let all = record.details.join(" ");
    (!all.is_empty()).then(|| all.chars().take(LIMIT).collect())
}

/// The line; a macro because the level of an event is part of its call site.
macro_rules! log {
    ($level:expr, $record:ident, $duration:ident) => {
        tracing::event!(
            target: "regate::decision",
            $level,
            event = "review",
            gate = $record.gate.as_str(),
            uid = $record.uid.chars().take(UID).collect::<String>(),
            decision = $record.decision,
            code = $record.code,
            policies = $record.policies.join(","),
            revision = $record.revision.as_str(),
            duration_us = u64::try_from($duration.as_micros()).unwrap_or(u64::MAX),
            failure = $record.failure,
            problem = $record.problem.as_deref(),
            faults = faults($record),
            details = details($record),
        )
    };
}
use log;
