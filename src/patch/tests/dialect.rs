//! A model of how the API server applies a patch (evanphx/json-patch v4), as far as the recorded operations go.
//!
//! It is laxer than RFC 6902 in some places and stricter in others; what is sent has to mean the same in both. Every
//! laxness that the model meets is a panic: nothing recorded may depend on it.

use serde_json::Value;

use crate::patch::{Mutation, same};

/// Applies the encoded patch in both dialects, and gives the operations.
pub(super) fn checked(original: &Value, mutation: &Mutation) -> Value {
    let Some(text) = mutation.encode().unwrap() else {
        assert!(same(original, mutation.object()));
        return Value::Array(Vec::new());
    };
    // Not read back from the text: serde_json reads fewer levels than it writes.
    let operations = serde_json::to_value(mutation.operations()).unwrap();
    assert_eq!(text, operations.to_string().into_bytes());
    let mut by_rfc = original.clone();
    json_patch::patch(&mut by_rfc, mutation.operations()).unwrap();
    assert!(same(&by_rfc, mutation.object()), "{operations}");
    let mut by_server = original.clone();
    apply(&mut by_server, &operations);
    assert_eq!(by_server, by_rfc, "{operations}");
    operations
}

/// Applies operations the API server's way, and panics where that is an error there or is not the RFC's way.
fn apply(document: &mut Value, operations: &Value) {
    for operation in operations.as_array().unwrap() {
        let path = operation["path"].as_str().unwrap();
        let mut keys: Vec<String> = path
            .split('/')
            .map(|key| key.replace("~1", "/").replace("~0", "~"))
            .collect();
        assert!(
            keys.len() >= 2 && keys[0].is_empty(),
            "the server drops what is before the first slash: {path}"
        );
        let last = keys.pop().unwrap();
        let parent = keys.iter().skip(1).fold(&mut *document, |node, key| match node {
            Value::Object(members) => members
                .get_mut(key)
                .unwrap_or_else(|| panic!("missing path: {path}")),
            Value::Array(items) => {
                let index = index(key, items.len(), path);
                &mut items[index]
            }
            _ => panic!("not a container: {path}"),
        });
        let value = || {
            operation
                .get("value")
                .unwrap_or_else(|| panic!("the server adds null: {operation}"))
                .clone()
        };
        match (operation["op"].as_str().unwrap(), parent) {
            ("add", Value::Object(members)) => drop(members.insert(last, value())),
            ("add", Value::Array(items)) if last == "-" => items.push(value()),
            ("add", Value::Array(items)) => items.insert(index(&last, items.len() + 1, path), value()),
            ("replace", Value::Object(members)) => {
                assert!(
                    members.insert(last, value()).is_some(),
                    "the server sets what is missing: {path}"
                );
            }
            ("replace", Value::Array(items)) => {
                let index = index(&last, items.len(), path);
                items[index] = value();
            }
            ("remove", Value::Object(members)) => assert!(members.remove(&last).is_some(), "missing: {path}"),
            ("remove", Value::Array(items)) => drop(items.remove(index(&last, items.len(), path))),
            (op, _) => panic!("{op} is not in the common subset, or has no container: {operation}"),
        }
    }
}

/// The server reads an index with a sign, with leading zeros, and negative ones from the end.
fn index(key: &str, length: usize, path: &str) -> usize {
    let index: usize = key.parse().unwrap_or_else(|_| panic!("invalid index: {path}"));
    assert_eq!(index.to_string(), key, "only the server takes this index: {path}");
    assert!(index < length, "invalid index: {path}");
    index
}
