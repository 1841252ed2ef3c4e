//! One log line and the metrics of every answer: what was decided and why, never what was asked.

use std::time::Duration;

use tracing::Level;

use crate::metrics::Metrics;
use crate::review::Record;

/// A uid is 36 characters; a longer one is somebody's attempt to fill the log.
const UID: usize = 64;

/// Counts and logs an answer that took `duration` since the first byte of its request.
pub(super) fn write(record: &Record, duration: Duration, metrics: &Metrics) {
    metrics.answered(record.gate, record.decision, record.code, duration);
    // Only a review that a policy set was asked about has spent time in it.
    if !record.revision.is_empty() {
        metrics.evaluated(record.gate, record.evaluation);
    }
    for (_, reason, _) in &record.faults {
        metrics.fault(reason);
    }
    match level(record) {
        Level::WARN => log!(WARN, record, duration, faults = faults(record).as_str()),
        Level::INFO => log!(INFO, record, duration),
        _ => log!(DEBUG, record, duration),
    }
}

/// Faults and answers without a decision are the operator's business, denials somebody's question of tomorrow.
fn level(record: &Record) -> Level {
    if !record.faults.is_empty() || record.code >= 500 {
        Level::WARN
    } else if matches!(record.decision, "allow" | "no_opinion") {
        Level::DEBUG
    } else {
        Level::INFO
    }
}

fn faults(record: &Record) -> String {
    let lines = record
        .faults
        .iter()
        .map(|(policy, reason, detail)| format!("{policy}: {reason}: {detail}"));
    lines.collect::<Vec<_>>().join("; ")
}

macro_rules! log {
    ($level:ident, $record:expr, $duration:expr $(, $field:ident = $value:expr)?) => {
        tracing::event!(
            target: "regate::decision",
            Level::$level,
            event = "review",
            gate = $record.gate.as_str(),
            uid = $record.uid.chars().take(UID).collect::<String>(),
            decision = $record.decision,
            code = $record.code,
            policies = $record.policies.join(","),
            revision = $record.revision.as_str(),
            duration_us = u64::try_from($duration.as_micros()).unwrap_or(u64::MAX),
            $($field = $value,)?
        )
    };
}
use log;
