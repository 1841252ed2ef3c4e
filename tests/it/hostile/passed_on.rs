//! What is odd and legal: it is passed on as it came, absent, null and empty told apart.

use serde_json::{Value, json};

use super::SERVED;
use crate::process::Process;
use crate::reviews::{KINDS, policies};

/// Tells what is there and what is not.
const SHAPES: &[(&str, &str)] = &[
    (
        "policies/validate.rego",
        r#"package kubernetes.admission.shape
keys := ["object", "oldObject", "options", "dryRun", "name", "namespace", "future", "Object"]
deny contains json.marshal([{k: object.get(input.request, k, "absent") | some k in keys},
    {k: object.get(input.request.userInfo, k, "absent") | some k in ["username", "groups", "extra", "future"]},
    object.get(input, "future", "absent")])
"#,
    ),
    (
        "policies/mutate.rego",
        "package kubernetes.mutation.shape\ndeny contains json.marshal(object.keys(input.request))\n",
    ),
];

#[test]
fn absent_null_and_empty_are_told_apart_and_unknown_members_are_passed_on() {
    let process = Process::start(SHAPES, SERVED);
    let mut client = process.client();
    let ask = &mut |changes: &[(&str, Value)], user: Value| {
        let mut review = json!({
            "kind": "AdmissionReview", "apiVersion": "admission.k8s.io/v1",
            "request": { "uid": "u", "kind": {"group": "", "version": "v1", "kind": "Pod"},
                "resource": {"group": "", "version": "v1", "resource": "pods"}, "operation": "CREATE",
                "userInfo": user, "object": {} }
        });
        for (key, value) in changes {
            review["request"][key] = value.clone();
        }
        review["future"] = json!({"a": [null]});
        let answer: Value =
            serde_json::from_str(&client.post("/v1/validate", review.to_string()).body).unwrap();
        assert_eq!(answer["response"]["allowed"], false, "{answer}");
        let message = answer["response"]["status"]["message"].as_str().unwrap();
        let told = message
            .strip_prefix("[shape] ")
            .unwrap_or_else(|| panic!("{message}"));
        serde_json::from_str::<Value>(told).unwrap()
    };
    let told = ask(&[], json!({}));
    let absent = "absent";
    assert_eq!(
        told,
        json!([
            {"object": {}, "oldObject": absent, "options": absent, "dryRun": absent, "name": absent,
             "namespace": absent, "future": absent, "Object": absent},
            {"username": absent, "groups": absent, "extra": absent, "future": absent},
            {"a": [null]}
        ])
    );
    let nulls = ["oldObject", "options", "dryRun", "name", "namespace"].map(|key| (key, Value::Null));
    let told = ask(&nulls, json!({"username": null, "groups": null, "extra": null}));
    for key in ["oldObject", "options", "dryRun", "name", "namespace"] {
        assert_eq!(told[0][key], Value::Null, "{key}");
    }
    assert_eq!(
        told[1],
        json!({"username": null, "groups": null, "extra": null, "future": absent})
    );
    let empty = [
        ("oldObject", json!({})),
        ("options", json!({})),
        ("dryRun", json!(false)),
        ("name", json!("")),
        ("future", json!([])),
        ("Object", json!({"a": 1})),
    ];
    let told = ask(
        &empty,
        json!({"username": "", "groups": [], "extra": {}, "future": 1}),
    );
    assert_eq!(told[0]["Object"], json!({"a": 1}));
    assert_eq!(told[0]["object"], json!({}));
    assert_eq!(
        (&told[0]["oldObject"], &told[0]["dryRun"]),
        (&json!({}), &json!(false))
    );
    assert_eq!(
        told[1],
        json!({"username": "", "groups": [], "extra": {}, "future": 1})
    );
    // What goes has no new object, and that is no error.
    let gone = [
        ("operation", json!("DELETE")),
        ("object", Value::Null),
        ("oldObject", json!({"a": 1})),
    ];
    let told = ask(&gone, json!({"username": "jane"}));
    assert_eq!(
        (&told[0]["object"], &told[0]["oldObject"]),
        (&Value::Null, &json!({"a": 1}))
    );
}

#[test]
fn a_dry_run_is_decided_like_any_other() {
    let process = Process::start(&policies(), SERVED);
    let mut client = process.client();
    for kind in &KINDS[5..] {
        for word in ["good", "no", "fault"] {
            let review = kind.review(word, "1");
            let dry = review.replace("\"dryRun\":false", "\"dryRun\":true");
            assert_ne!(review, dry);
            let (wet, dry) = (
                client.post(&kind.target(), review),
                client.post(&kind.target(), dry),
            );
            assert_eq!((wet.status, wet.body), (dry.status, dry.body));
        }
    }
}

#[test]
fn paths_and_selectors_are_passed_on_byte_by_byte() {
    const TELLING: &str = r#"package kubernetes.authorization.told
deny contains input.spec.nonResourceAttributes.path
deny contains json.marshal(input.spec.resourceAttributes.fieldSelector)
"#;
    let process = Process::start(&[("policies/authz.rego", TELLING)], SERVED);
    let mut client = process.client();
    for kind in &KINDS[2..4] {
        let attributes = r#""resourceAttributes":{"verb":"get",
                "resource":"secrets","namespace":"shop"}"#;
        let review = kind.review("x", "1");
        assert!(review.contains(attributes));
        for path in [
            "//api",
            "/a/../b",
            "/a/%2f/b",
            "/a/./b/",
            "/A?x=y#z",
            "/\u{202e}\u{e9}",
        ] {
            let other = format!(r#""nonResourceAttributes":{{"verb":"get","path":"{path}"}}"#);
            let response = client.post(&kind.target(), review.replace(attributes, &other));
            assert_eq!(response.body, kind.refusal("", 0, &format!("[told] {path}"), ""));
        }
        for selector in [
            r#"{"requirements":[{"key":"metadata.name","operator":"In","values":["x"]}]}"#,
            r#"{"rawSelector":"metadata.name=x,,=(!!"}"#,
        ] {
            let with = attributes.replace(
                "\"verb\":\"get\"",
                &format!("\"verb\":\"get\",\"fieldSelector\":{selector}"),
            );
            let response = client.post(&kind.target(), review.replace(attributes, &with));
            assert_eq!(
                response.body,
                kind.refusal("", 0, &format!("[told] {selector}"), "")
            );
        }
    }
}
