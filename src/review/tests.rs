//! Each gate on the wire: review and policies in, exact answer out.

mod envelope;
mod image;
mod model;
mod mutating;
mod subject_access;
mod token;
mod validating;

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::*;
use crate::policy::files::{Files, RegoFile};
use crate::policy::load::load;
use crate::policy::namespaces::Namespace;

fn set(policies: &[&str]) -> PolicySet {
    let module = |(number, text): (usize, &&str)| RegoFile {
        path: format!("{number}.rego"),
        text: (*text).to_owned(),
        is_test: false,
        v0: false,
    };
    let modules = policies.iter().enumerate().map(module).collect();
    load(&Files {
        modules,
        revision: "r1".into(),
        ..Files::default()
    })
    .unwrap()
}

fn ask_with(settings: &Settings, gate: Gate, policies: &[&str], body: &[u8]) -> (Answer, Record) {
    let deadline = Instant::now() + Duration::from_secs(20);
    answer(gate, body, &set(policies), settings, deadline)
}

fn with_namespaces(namespaces: Vec<Namespace>) -> Settings {
    Settings {
        namespaces: Arc::new(Namespaces::fixed(namespaces)),
        ..Settings::default()
    }
}

fn ask(gate: Gate, policies: &[&str], review: &Value) -> Value {
    let (answer, _) = ask_with(
        &Settings::default(),
        gate,
        policies,
        review.to_string().as_bytes(),
    );
    assert_eq!(
        (answer.status, answer.content_type),
        (200, "application/json"),
        "{answer:?}"
    );
    serde_json::from_slice(&answer.body).unwrap()
}

fn http(gate: Gate, policies: &[&str], body: &[u8]) -> (u16, String) {
    let (answer, _) = ask_with(&Settings::default(), gate, policies, body);
    (answer.status, String::from_utf8(answer.body.to_vec()).unwrap())
}

fn token_review(token: &str, audiences: &[&str]) -> Value {
    json!({
        "kind": "TokenReview", "apiVersion": "authentication.k8s.io/v1", "metadata": {},
        "spec": { "token": token, "audiences": audiences }, "status": { "user": {} }
    })
}

const TOKENS: &str = r#"package kubernetes.authentication.tokens
user := {"username": "jane", "uid": "42", "groups": ["dev", "system:authenticated"], "extra": {"example.com/team": ["a"]}} if input.spec.token == "good"
user := {"username": "system:admin"} if input.spec.token == "system"
audiences := ["api", "other"] if input.spec.token == "good"
deny contains "the token was revoked" if input.spec.token == "revoked"
"#;

const FAULTY: &str = "deny contains \"x\" if to_number(\"x\") == 1\n";

fn access_review(namespace: &str) -> Value {
    json!({
        "kind": "SubjectAccessReview", "apiVersion": "authorization.k8s.io/v1", "metadata": {},
        "spec": { "user": "jane", "groups": ["dev"], "resourceAttributes": {
            "verb": "list", "resource": "secrets", "namespace": namespace } },
        "status": { "allowed": false }
    })
}

const ALLOW: &str = r#"package kubernetes.authorization.readers
allow if { input.spec.resourceAttributes.namespace == "open"; "dev" in input.spec.groups }
reason := "developers read"
"#;

const DENY: &str = r#"package kubernetes.authorization.vault
deny contains "no secrets from the vault" if input.spec.resourceAttributes.namespace in {"vault", "both"}
allow if input.spec.resourceAttributes.namespace == "both"
reason := "ask the vault's owners" if true
"#;

fn image_review(images: &[&str]) -> Value {
    let containers: Vec<_> = images.iter().map(|image| json!({ "image": image })).collect();
    json!({ "kind": "ImageReview", "apiVersion": "imagepolicy.k8s.io/v1alpha1", "metadata": {},
        "spec": { "containers": containers, "namespace": "t" }, "status": { "allowed": false } })
}

fn admission_review(object: Value) -> Value {
    json!({
        "kind": "AdmissionReview", "apiVersion": "admission.k8s.io/v1",
        "request": {
            "uid": "u-1", "kind": { "group": "", "version": "v1", "kind": "Pod" },
            "resource": { "group": "", "version": "v1", "resource": "pods" },
            "name": "web", "namespace": "shop", "operation": "CREATE",
            "userInfo": { "username": "jane", "groups": ["dev"] },
            "object": object, "oldObject": null, "dryRun": false, "options": null
        }
    })
}

fn pod() -> Value {
    json!({ "apiVersion": "v1", "kind": "Pod", "metadata": { "name": "web", "namespace": "shop" },
        "spec": { "containers": [{ "name": "c", "image": "a" }] } })
}

const ALLOWS: &str = "package kubernetes.admission.p\ndeny contains \"x\" if false\n";

const NO_LATEST: &str = r#"package kubernetes.image.no_latest
deny contains sprintf("%v has no fixed tag", [c.image]) if { some c in input.spec.containers; endswith(c.image, ":latest") }
audit_annotations := {"count": count(input.spec.containers)}
"#;
