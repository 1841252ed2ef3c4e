//! The explanation for programs: one JSON document per decision, with the answer as the server would send it.

use serde_json::{Value, json};

use super::{Asked, Why};
use crate::gate::Gate;
use crate::policy::Document;
use crate::policy::explain::{Definition, Example, OperandValue, Place, Verdict};
use crate::review::{Answer, Record};

/// All of it; `name` says what was reviewed.
pub(in crate::cli::review) fn document(
    name: &str,
    gate: Gate,
    answer: &Answer,
    record: &Record,
    why: &Why,
) -> Value {
    let text = || Value::from(String::from_utf8_lossy(&answer.body).trim_end());
    let excepted = why
        .excepted
        .iter()
        .map(|one| json!({ "policy": one.policy, "exception": one.reason }));
    let misfits = why.not_asked.iter().map(|(policy, misfit)| {
        json!({ "policy": policy, "key": misfit.key, "wanted": misfit.wanted, "found": misfit.found })
    });
    json!({
        "name": name,
        "gate": gate.as_str(),
        "decision": record.decision,
        "policies": record.policies,
        "answer": serde_json::from_slice(&answer.body).unwrap_or_else(|_| text()),
        "asked": why.asked.iter().map(asked).collect::<Vec<_>>(),
        "notAsked": excepted.chain(misfits).collect::<Vec<_>>(),
        "diff": why.diff,
    })
}

fn asked(asked: &Asked) -> Value {
    let rules = asked.rules.iter();
    let definitions =
        rules.flat_map(|(rule, definitions)| definitions.iter().map(move |one| definition(rule, one)));
    json!({
        "policy": asked.policy,
        "enforcement": asked.enforcement.as_str(),
        "microseconds": u64::try_from(asked.took.as_micros()).unwrap_or(u64::MAX),
        "fault": asked.fault.as_ref().map(ToString::to_string),
        "definitions": definitions.collect::<Vec<_>>(),
        "prints": asked.prints,
    })
}

fn definition(rule: &str, definition: &Definition) -> Value {
    let mut members = json!({ "rule": rule, "head": definition.head, "place": place(&definition.place) });
    let (result, more) = match &definition.verdict {
        Verdict::Fired { values, count } => (
            "fired",
            json!({ "values": values.iter().map(value).collect::<Vec<_>>(), "count": count }),
        ),
        Verdict::Failed(failed) => (
            "failed",
            json!({ "expression": {
                "place": place(&failed.place),
                "text": failed.text,
                "error": failed.error,
                "ways": failed.ways,
                "examples": failed.examples.iter().map(example).collect::<Vec<_>>(),
                "because": failed.because.iter().flat_map(|named| {
                    named.definitions.iter().map(|one| self::definition(&named.rule, one))
                }).collect::<Vec<_>>(),
            } }),
        ),
        Verdict::NotReached => ("not_reached", json!({})),
        Verdict::Unknown(why) => ("unknown", json!({ "why": why })),
    };
    if let (Some(members), Value::Object(more)) = (members.as_object_mut(), more) {
        members.insert("result".to_owned(), Value::from(result));
        members.extend(more);
    }
    members
}

fn place(place: &Place) -> Value {
    json!({ "file": place.file, "line": place.line, "column": place.column })
}

/// A value as JSON, or in Rego's notation where it has no such form.
fn value(value: &Document) -> Value {
    value.to_json().unwrap_or_else(|_| Value::from(value.lines()))
}

fn example(example: &Example) -> Value {
    let operands = example.operands.iter().map(|operand| match &operand.value {
        OperandValue::One(value) => json!({ "text": operand.text, "value": value }),
        OperandValue::Several(values, count) => {
            json!({ "text": operand.text, "values": values, "count": count })
        }
        OperandValue::Undefined(defined) => json!({
            "text": operand.text,
            "undefined": true,
            "definedUpTo": defined.as_ref().map(|(text, value)| json!({ "text": text, "value": value })),
        }),
    });
    let variables = example.variables.iter();
    json!({
        "variables": variables.map(|(name, value)| (name.clone(), Value::from(value.as_str())))
            .collect::<serde_json::Map<_, _>>(),
        "operands": operands.collect::<Vec<_>>(),
    })
}
