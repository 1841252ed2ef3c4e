//! The fields that no mutation may change: what identifies the object, and what the API server keeps itself.
//!
//! Judged by the value before and after, so that no way around a path (replacing a parent, moving it away) helps.

use serde_json::{Map, Value};

use super::{Reason, same, type_of};

const TOP: [&str; 2] = ["apiVersion", "kind"];
const METADATA: [&str; 11] = [
    "name",
    "generateName",
    "namespace",
    "uid",
    // Removing it undoes the detection of conflicts.
    "resourceVersion",
    "generation",
    "creationTimestamp",
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
    "managedFields",
    "selfLink",
];
const STATUS: &str = "status";

fn top(status_is_writable: bool) -> impl Iterator<Item = &'static str> {
    TOP.into_iter().chain((!status_is_writable).then_some(STATUS))
}

/// The first field that differs, as a JSON Pointer.
pub(super) fn changed(before: &Value, after: &Value, status_is_writable: bool) -> Option<String> {
    let differs = |before: Option<&Value>, after: Option<&Value>| match (before, after) {
        (Some(before), Some(after)) => !same(before, after),
        (before, after) => before.is_some() != after.is_some(),
    };
    let at_top = top(status_is_writable).find(|name| differs(before.get(name), after.get(name)));
    let in_metadata = || {
        METADATA
            .into_iter()
            .find(|name| differs(metadata(before, name), metadata(after, name)))
    };
    at_top
        .map(|name| format!("/{name}"))
        .or_else(|| in_metadata().map(|name| format!("/metadata/{name}")))
}

fn metadata<'a>(document: &'a Value, name: &str) -> Option<&'a Value> {
    document.get("metadata")?.get(name)
}

/// Gives a wanted object the fields of the object before: those that were there with their values, the others not.
pub(super) fn restore(before: &Value, wanted: &mut Value, status_is_writable: bool) -> Result<(), Reason> {
    let found = type_of(wanted);
    let Value::Object(members) = wanted else {
        return Err(Reason::NotAnObject { what: "it", found });
    };
    for name in top(status_is_writable) {
        set(members, name, before.get(name));
    }
    if METADATA.iter().any(|name| metadata(before, name).is_some()) {
        members
            .entry("metadata")
            .or_insert_with(|| Value::Object(Map::new()));
    }
    match members.get_mut("metadata") {
        Some(Value::Object(wanted)) => {
            for name in METADATA {
                set(wanted, name, metadata(before, name));
            }
            Ok(())
        }
        Some(other) => Err(Reason::NotAnObject {
            what: "`metadata`",
            found: type_of(other),
        }),
        None => Ok(()),
    }
}

fn set(members: &mut Map<String, Value>, name: &str, value: Option<&Value>) {
    match value {
        Some(value) => members.insert(name.to_owned(), value.clone()),
        None => members.remove(name),
    };
}
