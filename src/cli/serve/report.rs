//! What is told of a served set: each policy's terms as they are written, and nothing of what it was given.

use serde_json::{Map, Value, json};

use crate::policy::matching::selector::{Operator, Requirement, Selector};
use crate::policy::matching::{Match, NAMESPACE_SELECTOR};
use crate::policy::{Policy, PolicySet};
use crate::server::status::{PolicyLine, ServedSet, Source};

/// The set, served since then.
pub(super) fn served(set: &PolicySet, source: Source, loaded: String) -> ServedSet {
    ServedSet {
        revision: set.revision.clone(),
        loaded,
        source,
        warnings: set.warnings.clone(),
        policies: set.policies().iter().map(policy).collect(),
    }
}

/// Where a set comes from, in a word.
pub(super) fn origin(source: &Source) -> &'static str {
    match source {
        Source::BuiltIn => "built_in",
        Source::LastGood { .. } => "last_good",
        Source::Paths { .. } => "paths",
    }
}

fn policy(policy: &Policy) -> PolicyLine {
    PolicyLine {
        gate: policy.gate.to_string(),
        name: policy.name.clone(),
        enforcement: policy.enforcement.to_string(),
        order: policy.order,
        matching: policy
            .matching
            .iter()
            .filter(|matching| !matching.is_empty())
            .map(written)
            .collect(),
        exceptions: policy.exceptions.len(),
    }
}

/// A `match` with the keys that authors write.
fn written(matching: &Match) -> Value {
    let lists = matching.lists.iter();
    let mut keys: Map<String, Value> = lists
        .map(|(key, patterns)| (key.to_string(), json!(patterns)))
        .collect();
    if let Some(Selector { requirements }) = &matching.selector {
        let expressions: Vec<_> = requirements.iter().map(expression).collect();
        keys.insert(
            NAMESPACE_SELECTOR.to_owned(),
            json!({ "matchExpressions": expressions }),
        );
    }
    Value::Object(keys)
}

/// `matchLabels` is a short form of this one.
fn expression(Requirement { key, operator }: &Requirement) -> Value {
    match operator {
        Operator::In(values) => json!({ "key": key, "operator": "In", "values": values }),
        Operator::NotIn(values) => json!({ "key": key, "operator": "NotIn", "values": values }),
        Operator::Exists => json!({ "key": key, "operator": "Exists" }),
        Operator::DoesNotExist => json!({ "key": key, "operator": "DoesNotExist" }),
    }
}
