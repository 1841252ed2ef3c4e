//! What has to become of a case, and how it differs from what did.

use serde_json::{Map, Value, json};

use super::super::difference;
use super::asked::Asked;
use super::came::Came;
use super::reader::Reader;
use crate::gate::Gate;
use crate::policy::metadata::Node;

/// The decisions, as they are written.
const DECISIONS: [&str; 4] = ["allow", "deny", "no opinion", "error"];

/// What a key of `expect` holds.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    Decision,
    Code,
    Texts,
    /// Names of policies.
    Policies,
    Object,
    Any,
}

use Form::{Any, Code, Decision, Object, Policies, Texts};
use Gate::{Authn, Image, Mutate, Validate};

/// A key of `expect`, what it holds, and the gates whose answers have it.
const KEYS: [(&str, Form, &[Gate]); 16] = [
    ("decision", Decision, &Gate::ALL),
    ("by", Policies, &Gate::ALL),
    ("messages", Texts, &Gate::ALL),
    ("messagesContain", Texts, &Gate::ALL),
    ("code", Code, &[Mutate, Validate]),
    ("warnings", Texts, &[Mutate, Validate]),
    ("warningsContain", Texts, &[Mutate, Validate]),
    ("auditAnnotations", Object, &[Image, Mutate, Validate]),
    ("object", Object, &[Mutate]),
    ("objectContains", Object, &[Mutate]),
    ("patch", Any, &[Mutate]),
    ("user", Object, &[Authn]),
    ("audiences", Texts, &[Authn]),
    ("faults", Policies, &Gate::ALL),
    ("excepted", Policies, &Gate::ALL),
    ("wouldDeny", Policies, &Gate::ALL),
];

/// What has to become of a case: keys of `expect`, with what they have to be.
pub(super) struct Expected(Map<String, Value>);

/// Reads what a case expects; nothing where that is not to be understood.
pub(super) fn read(reader: &mut Reader<'_>, case: &Node, asked: &Asked) -> Option<Expected> {
    let Some(expect) = case.get("expect") else {
        reader.wrong(case, "a case says what to `expect`");
        return None;
    };
    let gates = asked.question.gates();
    reader.keys(expect, "`expect`", &KEYS.map(|(key, _, _)| key));
    if expect.get("decision").is_none() {
        reader.wrong(
            expect,
            format!("`expect` has a `decision`: {}", DECISIONS.join(", ")),
        );
        return None;
    }
    // A fault that nobody expects is one that nobody looks for.
    let mut expected = Map::from_iter([("faults".to_owned(), json!([]))]);
    for (key, form, at) in KEYS {
        let Some(node) = expect.get(key) else { continue };
        if !gates.iter().any(|gate| at.contains(gate)) {
            let asked: Vec<_> = gates.iter().map(|gate| gate.as_str()).collect();
            reader.wrong(
                node,
                format!("an answer of {} has no `{key}`", asked.join(" and ")),
            );
            return None;
        }
        let value = value(reader, node, key, form, &gates)?;
        if key.ends_with("Contain") && says_nothing(&value) {
            reader.wrong(node, format!("`{key}` holds of everything: name a text"));
            return None;
        }
        expected.insert(key.to_owned(), value);
    }
    Some(Expected(expected))
}

/// Whether one of these texts is in every other one, or there is none.
fn says_nothing(texts: &Value) -> bool {
    let texts = texts.as_array().map(Vec::as_slice).unwrap_or_default();
    texts.is_empty() || texts.iter().any(|text| text == "")
}

fn value(reader: &mut Reader<'_>, node: &Node, key: &str, form: Form, gates: &[Gate]) -> Option<Value> {
    Some(match form {
        Texts => json!(reader.texts(node, key)?),
        Policies => {
            let mut names = reader.texts(node, key)?;
            reader.policies(node, &names, gates);
            names.sort();
            json!(names)
        }
        Object => reader.object(node, key)?,
        Any => node.to_json()?,
        Decision => {
            let decision = reader.text(node, key)?.replace('_', " ");
            if !DECISIONS.contains(&decision.as_str()) {
                reader.wrong(node, format!("`decision` is one of {}", DECISIONS.join(", ")));
                return None;
            }
            json!(decision)
        }
        Code => {
            let code = node.to_json()?;
            if code.as_u64().is_none_or(|code| !(100..600).contains(&code)) {
                reader.wrong(node, "`code` is an HTTP status");
                return None;
            }
            code
        }
    })
}

impl Expected {
    /// How what came differs from what is expected, if it does.
    pub(super) fn differs(&self, came: &Came) -> Option<String> {
        let mut actual = Map::new();
        for (key, expected) in &self.0 {
            actual.insert(key.clone(), of(key, expected, came));
        }
        if actual == self.0 {
            return None;
        }
        let (mut expected, mut actual) = (self.0.clone(), actual);
        // Only where it is to be seen.
        for map in [&mut expected, &mut actual] {
            map.retain(|key, value| key != "faults" || *value != json!([]) || !came.faults.is_empty());
        }
        let yaml = |map: &Map<String, Value>| serde_saphyr::to_string(map).unwrap_or_default();
        let mut text = difference::of("expected", &yaml(&expected), "actual", &yaml(&actual));
        for fault in &came.faults {
            text.push_str(&format!(
                "fault of {} ({}): {}\n",
                fault.policy, fault.reason, fault.text
            ));
            if fault.reason == "namespace" {
                text.push_str("give the case a `namespace` with its `name` and `labels`\n");
            }
        }
        if let Some(problem) = &came.problem {
            text.push_str(&format!("not decided by policies: {problem}\n"));
        }
        Some(text)
    }
}

/// What a key came to; what has to be contained only, and is, counts as it was expected.
fn of(key: &str, expected: &Value, came: &Came) -> Value {
    let policies = |names: &[String]| {
        let mut names = names.to_vec();
        names.sort();
        names.dedup();
        json!(names)
    };
    match key {
        "decision" => json!(came.decision),
        "by" => policies(&came.by),
        "messages" => messages(expected, came),
        "messagesContain" => {
            let message = came.message.as_deref().unwrap_or_default();
            contained(expected, &split(message), &|part| message.contains(part))
        }
        "code" => json!(came.code),
        "warnings" => json!(came.warnings),
        "warningsContain" => contained(expected, &came.warnings, &|part| {
            came.warnings.iter().any(|warning| warning.contains(part))
        }),
        "auditAnnotations" => Value::Object(came.annotations.clone()),
        "object" => came.object.clone(),
        "objectContains" => shown(expected, &came.object),
        "patch" => came.patch.clone(),
        "user" => came.user.clone(),
        "audiences" => came.audiences.clone(),
        "faults" => policies(
            &came
                .faults
                .iter()
                .map(|fault| fault.policy.clone())
                .collect::<Vec<_>>(),
        ),
        "excepted" => policies(&came.excepted),
        "wouldDeny" => policies(&came.would_deny),
        _ => Value::Null,
    }
}

/// The messages, one by one. Clients are told them in one text, which is what has to be the same.
fn messages(expected: &Value, came: &Came) -> Value {
    let message = came.message.as_deref().unwrap_or_default();
    let texts = expected
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str);
    if texts.collect::<Vec<_>>().join("; ") == message {
        return expected.clone();
    }
    json!(split(message))
}

/// The messages of a text as far as it can be told where each begins.
fn split(message: &str) -> Vec<String> {
    let mut messages: Vec<String> = Vec::new();
    for part in message.split("; ") {
        match messages.last_mut() {
            Some(last) if !part.starts_with('[') => {
                last.push_str("; ");
                last.push_str(part);
            }
            _ if part.is_empty() => {}
            _ => messages.push(part.to_owned()),
        }
    }
    messages
}

fn contained(expected: &Value, actual: &[String], is_there: &dyn Fn(&str) -> bool) -> Value {
    let mut parts = expected
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str);
    if parts.all(is_there) {
        expected.clone()
    } else {
        json!(actual)
    }
}

/// As much of a value as the expected one has.
fn shown(expected: &Value, actual: &Value) -> Value {
    match (expected, actual) {
        (Value::Object(expected), Value::Object(actual)) => {
            let both = expected
                .iter()
                .filter_map(|(key, expected)| Some((key.clone(), shown(expected, actual.get(key)?))));
            Value::Object(both.collect())
        }
        (Value::Array(expected), Value::Array(actual)) if expected.len() == actual.len() => {
            let both = expected.iter().zip(actual);
            both.map(|(expected, actual)| shown(expected, actual)).collect()
        }
        (_, actual) => actual.clone(),
    }
}
