//! One log line and the metrics of every answer: what was decided and why, never what was asked. What policies in
//! dry-run would have denied, and policies that were excepted, are lines of their own: they decided nothing.

use std::time::Duration;

use tracing::Level;

use crate::metrics::Metrics;
use crate::review::{Excepted, FaultRecord, Record, Rehearsed};

/// A uid is 36 characters; a longer one is somebody's attempt to fill the log.
const UID: usize = 64;

/// A log line is no place for documents: bytes of a text in it.
const TEXT: usize = 1024;

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
    for outcome in &record.outcomes {
        let enforcement = outcome.enforcement.as_str();
        metrics.policy_came_to(record.gate, &outcome.policy, enforcement, outcome.outcome);
    }
    told_apart(record);
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
    let told = |fault: &FaultRecord| format!("{}: {}: {}", fault.policy, fault.reason, line(&fault.place));
    let lines: Vec<_> = record.faults.iter().map(told).collect();
    (!lines.is_empty()).then(|| lines.join("; "))
}

/// What the policies' authors want in the log.
fn details(record: &Record) -> Option<String> {
    (!record.details.is_empty()).then(|| line(&record.details.join(" ")))
}

/// What had no effect, a line each. A dry-run denial is what whoever rehearses a policy waits for. An exception is used by
/// every review that it matches, whether or not the policy would have minded: like an allow it is for who looks closer,
/// and the metric has the number.
fn told_apart(record: &Record) {
    let (gate, uid, revision) = (record.gate.as_str(), uid(record), record.revision.as_str());
    for Rehearsed { policy, text } in &record.would_deny {
        tracing::info!(target: "regate::decision", event = "would_deny", gate, uid, policy, text = line(text), revision);
    }
    for Excepted { policy, reason } in &record.excepted {
        tracing::debug!(target: "regate::decision", event = "excepted", gate, uid, policy, reason = line(reason), revision);
    }
}

fn uid(record: &Record) -> String {
    short(&record.uid)
}

/// A uid as it is logged.
pub(super) fn short(uid: &str) -> String {
    uid.chars().take(UID).collect()
}

/// A text on one line, cut.
fn line(text: &str) -> String {
    let end = text.floor_char_boundary(TEXT);
    let kept = text.get(..end).unwrap_or_default();
    kept.chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect()
}

/// The line; a macro because the level of an event is part of its call site.
macro_rules! log {
    ($level:expr, $record:ident, $duration:ident) => {
        tracing::event!(
            target: "regate::decision",
            $level,
            event = "review",
            gate = $record.gate.as_str(),
            uid = uid($record),
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

#[cfg(test)]
mod tests;
