//! What policies may give, over the wire: only the boolean `true` allows, and what cannot be sent is never sent.

use serde_json::{Value, json};

use crate::process::Process;
use crate::reviews::{KINDS, Kind, UID};
use crate::serving::Client;

const SERVED: &[&str] = &["--policy", "policies"];
const FAULT: &str = "the policies could not be evaluated";

/// What a rule may come to by a review's word; two values for `conflict`, none for anything else.
const VALUES: (&str, &str) = (
    "policies/values.rego",
    r#"package values
of := {"yes": true, "no": false, "text": "true", "one": 1, "null": null, "object": {}, "list": [true]}
"#,
);

const ALLOWING: &[(&str, &str)] = &[
    VALUES,
    (
        "policies/authz.rego",
        r#"package kubernetes.authorization.results
allow := data.values.of[input.spec.user]
allow := true if input.spec.user == "conflict"
allow := false if input.spec.user == "conflict"
"#,
    ),
    (
        "policies/image.rego",
        r#"package kubernetes.image.results
word := input.spec.containers[0].image
allow := data.values.of[word]
allow := true if word == "conflict"
allow := false if word == "conflict"
"#,
    ),
    (
        "policies/authn.rego",
        r#"package kubernetes.authentication.results
user := data.values.of[input.spec.token]
user := {"username": "jane"} if input.spec.token == "conflict"
user := {"username": "john"} if input.spec.token == "conflict"
"#,
    ),
    (
        "policies/mutate.rego",
        r#"package kubernetes.mutation.results
deny := data.values.of[input.request.name]
deny := [] if input.request.name == "conflict"
deny := ["x"] if input.request.name == "conflict"
"#,
    ),
    (
        "policies/validate.rego",
        r#"package kubernetes.admission.results
deny := data.values.of[input.request.name]
deny := [] if input.request.name == "conflict"
deny := ["x"] if input.request.name == "conflict"
"#,
    ),
];

#[test]
fn only_true_allows() {
    let process = Process::start(ALLOWING, SERVED);
    let mut client = process.client();
    for kind in &KINDS {
        for word in [
            "yes", "no", "text", "one", "null", "object", "list", "conflict", "nothing",
        ] {
            let response = client.post(&kind.target(), kind.review(word, "1"));
            let fault = (200, kind.refusal(UID, 500, FAULT, ""));
            let expected = match (kind.gate, word) {
                ("authz" | "image", "yes") => (200, kind.allowed()),
                // A policy that can only allow has nothing to say where it fails.
                ("authz", _) => (200, kind.answer(r#"{"allowed":false}"#)),
                ("image", "no" | "nothing") => {
                    (200, kind.refusal(UID, 0, "no policy allows these images", ""))
                }
                ("authn", "nothing") => (200, kind.answer(r#"{"authenticated":false}"#)),
                ("authn", "object") => (200, kind.refusal(UID, 0, "[results] the username is empty", "")),
                ("authn", _) => (503, format!("{FAULT}\n")),
                ("mutate" | "validate", "nothing") => (200, kind.allowed()),
                _ => fault,
            };
            assert_eq!(
                (response.status, response.body),
                expected,
                "{} {word}",
                kind.api_version
            );
        }
    }
}

#[test]
fn a_denial_stands_against_an_allow() {
    let files = [
        (
            "policies/a.rego",
            "package kubernetes.authorization.a\nallow if input.spec.user\n",
        ),
        (
            "policies/b.rego",
            "package kubernetes.authorization.b\ndeny contains \"no\" if input.spec.user\nallow if true\n",
        ),
        (
            "policies/c.rego",
            "package kubernetes.image.c\nallow if input.spec\n",
        ),
        (
            "policies/d.rego",
            "package kubernetes.image.d\ndeny contains \"no\" if input.spec\n",
        ),
    ];
    let process = Process::start(&files, SERVED);
    let mut client = process.client();
    for (kind, policy) in [(KINDS[2], "b"), (KINDS[3], "b"), (KINDS[4], "d")] {
        let response = client.post(&kind.target(), kind.review("x", "1"));
        assert_eq!(response.body, kind.refusal(UID, 0, &format!("[{policy}] no"), ""));
    }
}

/// Patches by a Pod's name.
const PATCHING: &[(&str, &str)] = &[(
    "policies/mutate.rego",
    r#"package kubernetes.mutation.patching
patches := {
    "no-list": {"op": "add"}, "text": "[]", "no-operation": ["add"], "unknown": [{"op": "merge", "path": "/a", "value": 1}],
    "no-slash": [{"op": "add", "path": "spec/a", "value": 1}], "nothing-there": [{"op": "remove", "path": "/spec/nothing"}],
    "root": [{"op": "replace", "path": "", "value": {}}], "no-value": [{"op": "add", "path": "/spec/a"}],
    "failing-test": [{"op": "test", "path": "/kind", "value": "Node"}],
    "kind": [{"op": "replace", "path": "/kind", "value": "Node"}],
    "name": [{"op": "replace", "path": "/metadata/name", "value": "x"}],
    "uid": [{"op": "add", "path": "/metadata/uid", "value": "x"}],
    "status": [{"op": "add", "path": "/status", "value": {}}],
    "growing": [{"op": "add", "path": "/spec/containers/-", "value": {"name": "x"}}],
    "good": [{"op": "add", "path": "/metadata/labels", "value": {"a": "b"}}],
    "denied": [{"op": "add", "path": "/metadata/labels", "value": {"a": "b"}}],
}
patch := patches[input.request.name]
deny contains "no" if input.request.name == "denied"
"#,
)];

#[test]
fn a_patch_that_cannot_be_sent_is_a_denial() {
    let process = Process::start(PATCHING, SERVED);
    let mut client = process.client();
    for kind in &KINDS[5..7] {
        for word in [
            "no-list",
            "text",
            "no-operation",
            "unknown",
            "no-slash",
            "nothing-there",
            "root",
            "no-value",
            "failing-test",
            "kind",
            "name",
            "uid",
            "status",
            "growing",
        ] {
            let response = client.post(&kind.target(), kind.review(word, "1"));
            assert_eq!(
                (response.status, response.body),
                (200, kind.refusal(UID, 500, FAULT, "")),
                "{word}"
            );
        }
    }
}

#[test]
fn no_patch_is_sent_where_none_belongs() {
    let process = Process::start(PATCHING, SERVED);
    let mut client = process.client();
    for kind in &KINDS[5..7] {
        let response = client.post(&kind.target(), kind.review("denied", "1"));
        assert_eq!(response.body, kind.refusal(UID, 403, "[patching] no", ""));
        // What goes has nothing to patch.
        let gone = kind
            .review("good", "1")
            .replace("\"oldObject\":null", "\"oldObject\":{}")
            .replace("\"operation\":\"CREATE\"", "\"operation\":\"DELETE\"");
        let (before, rest) = gone.split_once("\"object\":{").unwrap();
        let (_, after) = rest.split_once("\"oldObject\"").unwrap();
        let gone = format!("{before}\"object\":null,\"oldObject\"{after}");
        assert_eq!(client.post(&kind.target(), gone).body, kind.allowed());
        let answer: Value =
            serde_json::from_str(&client.post(&kind.target(), kind.review("good", "1")).body).unwrap();
        assert_eq!(
            (&answer["response"]["allowed"], &answer["response"]["patchType"]),
            (&json!(true), &json!("JSONPatch"))
        );
    }
}

#[test]
fn texts_of_policies_come_out_clean() {
    const TALKING: &str = r#"package kubernetes.admission.talking
deny contains "line\nNUL\u0000 ESC\u001b[31m tab\t end" if input.request.name == "odd"
deny contains concat("", ["x" | some _ in numbers.range(1, 20000)]) if input.request.name == "long"
warn contains sprintf("warning %d\n%s", [n, concat("", ["y" | some _ in numbers.range(1, 400)])]) if {
    input.request.name == "warned"
    some n in numbers.range(10, 40)
}
audit_annotations := {"a b": {"n": [1]}, "/": "x", "ok": "text", "n": 1} if input.request.name == "warned"
"#;
    let process = Process::start(&[("policies/talking.rego", TALKING)], SERVED);
    let mut client = process.client();
    let ask = |client: &mut Client, kind: &Kind, word: &str| -> Value {
        let response = client.post(&kind.target(), kind.review(word, "1"));
        assert_eq!(response.status, 200);
        serde_json::from_str::<Value>(&response.body).unwrap()["response"].clone()
    };
    for kind in &KINDS[7..] {
        let odd = ask(&mut client, kind, "odd");
        assert_eq!(odd["status"]["message"], "[talking] line NUL  ESC [31m tab  end");
        let long = ask(&mut client, kind, "long");
        let message = long["status"]["message"].as_str().unwrap();
        assert!(
            message.len() <= 4096 && message.ends_with("xx…"),
            "{}",
            message.len()
        );
        let warned = ask(&mut client, kind, "warned");
        assert_eq!(warned["allowed"], true);
        let warnings: Vec<_> = warned["warnings"]
            .as_array()
            .unwrap()
            .iter()
            .map(|text| text.as_str().unwrap())
            .collect();
        assert_eq!((warnings.len(), warnings[12]), (13, "… 19 more"));
        assert!(
            warnings[0].starts_with("[talking] warning 10 yyy") && warnings[0].chars().count() == 256,
            "{}",
            warnings[0]
        );
        assert_eq!(
            warned["auditAnnotations"],
            json!({"talking.a_b": "{\"n\":[1]}", "talking.n": "1", "talking.ok": "text", "talking": "x"})
        );
    }
}

#[test]
fn identities_that_must_not_be_given_out_are_refused() {
    const GIVING: &str = r#"package kubernetes.authentication.giving
identities := {
    "empty": {"username": ""}, "blank": {"username": " \t"}, "spaced": {"username": " jane"}, "control": {"username": "ja\u0000ne"},
    "line": {"username": "jane\nroot"}, "system": {"username": "system:admin"}, "upper": {"username": "SYSTEM:admin"},
    "node": {"username": "system:node:a", "groups": ["system:nodes"]},
    "account": {"username": "system:serviceaccount:kube-system:x"},
    "masters": {"username": "jane", "groups": ["system:masters"]}, "odd-masters": {"username": "jane", "groups": ["System:Masters"]},
    "extra": {"username": "jane", "extra": {"authentication.kubernetes.io/pod-name": ["x"]}},
    "key": {"username": "jane", "extra": {"Team": ["x"]}},
    "fine": {"username": "jane", "groups": ["system:authenticated", "dev"]},
}
user := identities[input.spec.token]
"#;
    let process = Process::start(&[("policies/giving.rego", GIVING)], SERVED);
    let mut client = process.client();
    let system = "beginning with `system:` that --allow-identity does not list";
    let spaces = "with white space around it or control characters in it";
    for kind in &KINDS[..2] {
        for (word, problem) in [
            ("empty", "the username is empty".to_owned()),
            ("blank", "the username is empty".to_owned()),
            ("spaced", format!("a username {spaces}")),
            ("control", format!("a username {spaces}")),
            ("line", format!("a username {spaces}")),
            ("system", format!("a username {system}")),
            ("upper", format!("a username {system}")),
            ("node", format!("a username {system}")),
            ("account", format!("a username {system}")),
            ("masters", format!("a group {system}")),
            ("odd-masters", format!("a group {system}")),
            (
                "extra",
                "an extra key of a domain that belongs to Kubernetes".to_owned(),
            ),
            ("key", "an extra key that is not lower-case".to_owned()),
        ] {
            let response = client.post(&kind.target(), kind.review(word, "1"));
            let refused = kind.refusal("", 0, &format!("[giving] {problem}"), "");
            assert_eq!((response.status, response.body), (200, refused), "{word}");
            // With its audiences, or the API server would lose the error.
            let asked = kind
                .review(word, "1")
                .replace("\"free\":1", "\"audiences\":[\"api\"]");
            let answer: Value = serde_json::from_str(&client.post(&kind.target(), asked).body).unwrap();
            assert_eq!(answer["status"]["audiences"], json!(["api"]), "{word}");
        }
        let response = client.post(&kind.target(), kind.review("fine", "1"));
        let user = r#"{"authenticated":true,"user":{"groups":["dev"],"username":"jane"}}"#;
        assert_eq!(response.body, kind.answer(user));
    }
}
