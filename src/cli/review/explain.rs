//! What `regate review` says of a decision to people: one line with the decision, then what led to it, indented.
//!
//! What the answer says comes from the answer itself, so that nothing is explained that a client would not be told;
//! faults, problems, exceptions and dry runs, which clients are not told, come from the record.

use std::io::Write;

use serde_json::Value;

use super::why::{self, Why};
use super::{patch_of, text_at};
use crate::gate::Gate;
use crate::review::{Answer, Record};

/// Writes it all; `name` says what was reviewed, `why` why it was decided so.
pub(super) fn write(
    out: &mut impl Write,
    name: &str,
    gate: Gate,
    answer: &Answer,
    record: &Record,
    why: Option<&Why>,
) -> anyhow::Result<()> {
    decision(out, name, gate, record)?;
    // What is no review is a problem, and the record has told it.
    let Ok(review) = serde_json::from_slice::<Value>(&answer.body) else {
        return Ok(());
    };
    if record.problem.is_none() {
        messages(out, &review)?;
    }
    warnings(out, &review)?;
    silent(out, record, why.is_some())?;
    if let Some(user) = review.pointer("/status/user") {
        writeln!(out, "  user: {user}")?;
    }
    match why {
        Some(why) => why::write(out, why)?,
        None => operations(out, patch_of(answer)?.as_ref())?,
    }
    Ok(())
}

/// The decision, by whom, and what went wrong on the way.
fn decision(out: &mut impl Write, name: &str, gate: Gate, record: &Record) -> std::io::Result<()> {
    let warned = record.outcomes.iter().filter(|one| one.outcome == "warn");
    let by = |verb: &str, policies: &[String]| match policies {
        [] => String::new(),
        names => format!("{verb} by {}", names.join(", ")),
    };
    writeln!(
        out,
        "{name}: {gate}: {}{}{}",
        record.decision.replace('_', " "),
        by("", &record.policies),
        by(
            "; warned",
            &warned.map(|one| one.policy.clone()).collect::<Vec<_>>()
        )
    )?;
    if let Some(problem) = &record.problem {
        writeln!(out, "  {problem}")?;
    }
    for fault in &record.faults {
        writeln!(
            out,
            "  fault of {} ({}): {}",
            fault.policy, fault.reason, fault.text
        )?;
    }
    Ok(())
}

/// Why, in the policies' words, wherever the kind of review has them.
fn messages(out: &mut impl Write, review: &Value) -> std::io::Result<()> {
    let places = ["/response/status/message", "/status/reason", "/status/error"];
    for text in places.iter().filter_map(|pointer| text_at(review, pointer)) {
        writeln!(out, "  {text}")?;
    }
    Ok(())
}

fn warnings(out: &mut impl Write, review: &Value) -> std::io::Result<()> {
    let warnings = review.pointer("/response/warnings").and_then(Value::as_array);
    for warning in warnings.into_iter().flatten().filter_map(Value::as_str) {
        writeln!(out, "  warning: {warning}")?;
    }
    Ok(())
}

/// What had no effect, so that no client learns of it: dry runs that would have denied, and exceptions.
fn silent(out: &mut impl Write, record: &Record, explained: bool) -> std::io::Result<()> {
    for rehearsed in &record.would_deny {
        writeln!(out, "  would deny: {}", rehearsed.text)?;
    }
    // An explanation tells of all that were not asked.
    for excepted in record.excepted.iter().filter(|_| !explained) {
        writeln!(
            out,
            "  not asked, by an exception: [{}] {}",
            excepted.policy, excepted.reason
        )?;
    }
    Ok(())
}

/// The operations of a patch, a line each: `add /metadata/labels/team "none"`.
fn operations(out: &mut impl Write, patch: Option<&Value>) -> std::io::Result<()> {
    for operation in patch.and_then(Value::as_array).into_iter().flatten() {
        let part = |key: &str| operation.get(key).and_then(Value::as_str).unwrap_or_default();
        write!(out, "  {} {}", part("op"), part("path"))?;
        match operation.get("value") {
            Some(value) => writeln!(out, " {value}")?,
            None => writeln!(out)?,
        }
    }
    Ok(())
}
