//! conftest: `package main` is asked about the plain object, and answers with `deny`, `violation` and `warn`, each alone
//! or with a name behind it (`deny_root`); `exception` lists the names whose messages do not count.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{pairs, present, request, wrong};
use crate::policy::engine::Document;
use crate::policy::{Fault, Message, Outcome};

/// The rule that excuses others.
pub(crate) const EXCEPTION: &str = "exception";

/// What a rule of `package main` is worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Severity {
    /// `deny`, `violation`
    Failure,
    /// `warn`
    Warning,
    /// `exception`
    Exception,
}

/// What a rule of this name is worth, and the name that an exception has for it; `None` for a rule that is a helper.
pub(crate) fn severity(rule: &str) -> Option<(Severity, &str)> {
    if rule == EXCEPTION {
        return Some((Severity::Exception, ""));
    }
    let kinds = [
        ("deny", Severity::Failure),
        ("violation", Severity::Failure),
        ("warn", Severity::Warning),
    ];
    kinds.into_iter().find_map(|(prefix, severity)| {
        let rest = rule.strip_prefix(prefix)?;
        let name = match rest.strip_prefix('_') {
            Some(name) => name,
            None if rest.is_empty() => "",
            None => return None,
        };
        Some((severity, name))
    })
}

/// The object itself, as it lies in a file; what is deleted, where nothing else is there. What is connected to has options,
/// no object.
pub(super) fn input(review: &Document) -> Option<Document> {
    let request = request(review);
    let connects = request
        .get("operation")
        .is_some_and(|operation| operation.as_str() == Some("CONNECT"));
    let object = present(&request, "object").or_else(|| present(&request, "oldObject"));
    object.filter(|_| !connects)
}

/// The messages of all rules but those that are excused.
pub(super) fn outcome(values: &Document) -> Result<Outcome, Fault> {
    let pairs = pairs(values)?;
    let excused = excused(&pairs)?;
    let mut outcome = Outcome::default();
    for (rule, value) in &pairs {
        let (to, label, name) = match severity(rule) {
            Some((Severity::Failure, name)) => (&mut outcome.deny, "deny", name),
            Some((Severity::Warning, name)) => (&mut outcome.warn, "warn", name),
            Some((Severity::Exception, _)) | None => continue,
        };
        let items = value
            .items()
            .ok_or_else(|| wrong(label, "a set or an array of messages", value))?;
        let messages: Vec<Message> = items
            .iter()
            .map(|item| message(label, item))
            .collect::<Result<_, _>>()?;
        match excused.contains(name) {
            true if messages.is_empty() => {}
            true => outcome.excused.push(rule.clone()),
            false => to.extend(messages),
        }
    }
    for messages in [&mut outcome.deny, &mut outcome.warn] {
        messages.sort_by(|one, other| one.msg.cmp(&other.msg));
    }
    Ok(outcome)
}

/// The names that exceptions list.
fn excused(pairs: &[(String, Document)]) -> Result<BTreeSet<String>, Fault> {
    const LISTS: &str = "a set of lists of rules' names";
    let mut names = BTreeSet::new();
    for (_, value) in pairs.iter().filter(|(rule, _)| rule == EXCEPTION) {
        for list in value.items().ok_or_else(|| wrong(EXCEPTION, LISTS, value))? {
            for name in list.items().ok_or_else(|| wrong(EXCEPTION, LISTS, &list))? {
                let text = name.as_str().ok_or_else(|| wrong(EXCEPTION, LISTS, &name))?;
                names.insert(text.to_owned());
            }
        }
    }
    Ok(names)
}

/// A string, or an object with `msg`; whatever else it has goes to the log.
fn message(rule: &'static str, value: &Document) -> Result<Message, Fault> {
    let text = value
        .as_str()
        .map(str::to_owned)
        .or_else(|| value.get("msg")?.as_str().map(str::to_owned));
    let msg = text.ok_or_else(|| wrong(rule, "a string, or an object with the string `msg`,", value))?;
    let others = match value.to_json() {
        Ok(Value::Object(mut members)) => {
            members.remove("msg");
            (!members.is_empty()).then_some(Value::Object(members))
        }
        _ => None,
    };
    Ok(Message {
        msg,
        details: others,
        ..Message::default()
    })
}
