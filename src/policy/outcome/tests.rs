use super::*;
use serde_json::json;

fn read(rule: &str, value: serde_json::Value) -> Result<Outcome, Fault> {
    Outcome::read(&Document::from_json(&json!([[rule, value]])))
}

fn problem(rule: &str, value: serde_json::Value) -> String {
    read(rule, value).unwrap_err().to_string()
}

#[test]
fn only_a_boolean_allows() {
    assert_eq!(read("allow", json!(true)).unwrap().allow, Some(true));
    assert_eq!(read("allow", json!(false)).unwrap().allow, Some(false));
    assert_eq!(
        Outcome::read(&Document::from_json(&json!([]))).unwrap().allow,
        None
    );
    assert_eq!(
        problem("allow", json!("true")),
        "allow: a boolean expected, it is of type string"
    );
    assert_eq!(
        problem("allow", json!(1)),
        "allow: a boolean expected, it is of type number"
    );
    assert_eq!(
        problem("allow", json!({})),
        "allow: a boolean expected, it is of type object"
    );
}

#[test]
fn messages_are_texts_or_objects_sorted_by_text() {
    let outcome = read(
        "deny",
        json!(["b", {"msg": "a", "code": 422, "field": "/spec", "details": {"x": 1}}]),
    )
    .unwrap();
    assert_eq!(
        outcome.deny,
        [
            Message {
                msg: "a".into(),
                code: Some(422),
                field: Some("/spec".into()),
                details: Some(json!({"x": 1}))
            },
            Message {
                msg: "b".into(),
                ..Message::default()
            }
        ]
    );
    assert_eq!(
        problem("deny", json!(true)),
        "deny: a set or an array of messages expected, it is of type boolean"
    );
    assert_eq!(
        problem("deny", json!("no")),
        "deny: a set or an array of messages expected, it is of type string"
    );
    assert_eq!(
        problem("warn", json!([{"code": 403}])),
        "warn: a message object needs `msg`"
    );
    assert_eq!(
        problem("deny", json!([{"msg": "x", "code": 404}])),
        "deny: `code` of a message is one of 400, 403, 405, 406, 412, 413, 415, 422, 451"
    );
    assert_eq!(
        problem("deny", json!([{"msg": "x", "kode": 403}])),
        "deny: a message has other members than msg, code, field, details"
    );
    assert!(problem("deny", json!([1])).contains("of type number"));
}

#[test]
fn users_are_read_whole_or_refused() {
    let user = read(
        "user",
        json!({"username": "jane", "groups": ["dev"], "extra": {"a.b/c": ["d"]}}),
    )
    .unwrap()
    .user;
    let user = user.unwrap();
    assert_eq!(
        (
            user.username.as_str(),
            user.groups.len(),
            user.extra["a.b/c"].len()
        ),
        ("jane", 1, 1)
    );
    assert_eq!(
        problem("user", json!({"username": "jane", "gruops": []})),
        "user: a user has other members than username, uid, groups, extra"
    );
    assert_eq!(
        problem("user", json!("jane")),
        "user: an object expected, it is of type string"
    );
    assert_eq!(
        problem("user", json!({"username": 1})),
        "user: a string expected, it is of type number"
    );
}

#[test]
fn annotations_that_are_no_strings_become_json() {
    let outcome = read("audit_annotations", json!({"a": "x", "b": {"c": 1}})).unwrap();
    assert_eq!(
        outcome.audit_annotations,
        [("a".into(), "x".into()), ("b".into(), r#"{"c":1}"#.into())]
    );
    assert_eq!(
        problem("audit_annotations", json!([])),
        "audit_annotations: an object expected, it is of type array"
    );
}

#[test]
fn patch_and_mutated_together_are_a_fault() {
    let both = json!([["patch", []], ["mutated", {}]]);
    let fault = Outcome::read(&Document::from_json(&both)).unwrap_err();
    assert_eq!(fault.to_string(), "patch: both patch and mutated are defined");
    assert_eq!(
        problem("patch", json!({})),
        "patch: an array or a set of operations expected, it is of type object"
    );
    assert_eq!(
        problem("mutated", json!([])),
        "mutated: an object expected, it is of type array"
    );
}
