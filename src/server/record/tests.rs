//! Records of real reviews, as they are counted.

use std::time::Instant;

use serde_json::{Value, json};

use super::*;
use crate::gate::Gate;
use crate::policy::files::Files;
use crate::policy::load::load;
use crate::review::{self, Settings};

/// A review for each gate that some starter policy has something to say about, of this namespace and name.
fn reviews(namespace: &str, name: &str) -> [(Gate, Value); 5] {
    let admission = json!({
        "kind": "AdmissionReview", "apiVersion": "admission.k8s.io/v1",
        "request": {
            "uid": name, "operation": "CREATE", "namespace": namespace, "userInfo": {"username": name},
            "kind": {"group": "", "version": "v1", "kind": "Pod"},
            "resource": {"group": "", "version": "v1", "resource": "pods"},
            "object": {
                "apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": namespace},
                "spec": {"hostNetwork": true, "containers": [
                    {"name": name, "image": name, "securityContext": {"privileged": true}}
                ]}
            }
        }
    });
    [
        (
            Gate::Authn,
            json!({"kind": "TokenReview", "apiVersion": "authentication.k8s.io/v1", "spec": {"token": name}}),
        ),
        (
            Gate::Authz,
            json!({"kind": "SubjectAccessReview", "apiVersion": "authorization.k8s.io/v1", "spec": {
                "user": name, "resourceAttributes": {
                    "verb": "create", "resource": "pods", "subresource": "exec", "namespace": namespace, "name": name
                }
            }}),
        ),
        (
            Gate::Image,
            json!({"kind": "ImageReview", "apiVersion": "imagepolicy.k8s.io/v1alpha1", "spec": {
                "namespace": namespace, "containers": [{"image": format!("registry.example/{name}:latest")}]
            }}),
        ),
        (Gate::Mutate, admission.clone()),
        (Gate::Validate, admission),
    ]
}

#[test]
fn ten_thousand_reviews_of_a_thousand_namespaces_leave_a_small_scrape() {
    let set = load(&Files::builtin()).unwrap();
    let metrics = Metrics::default();
    metrics.policies_accepted(&set.revision, set.policies().len());
    let settings = Settings::default();
    for round in 0..2_000 {
        let namespace = match round % 1_000 {
            0 => "kube-system".to_owned(),
            n => format!("namespace-{n}"),
        };
        for (gate, review) in reviews(&namespace, &format!("name-{round}")) {
            let deadline = Instant::now() + Duration::from_secs(60);
            let (_, record) = review::answer(gate, review.to_string().as_bytes(), &set, &settings, deadline);
            assert_eq!(record.faults, [], "{gate}");
            write(&record, Duration::from_micros(200), &metrics);
        }
    }
    let text = metrics.encode().unwrap();
    assert!(!text.contains("name-"), "{text}");
    let counted = |policy: &str| {
        text.contains(&format!(
            "policy=\"{policy}\",enforcement=\"deny\",outcome=\"deny\""
        ))
    };
    for policy in ["exec_kube_system", "privileged", "host_namespaces", "no_latest"] {
        assert!(counted(policy), "{policy}: {text}");
    }
    let series = text.lines().filter(|line| !line.starts_with('#')).count();
    assert!(series < 400, "{series}: {text}");
}

#[test]
fn a_text_is_one_line_of_at_most_1_kib() {
    assert_eq!(line("a\nb\u{1b}[31mc\td"), "a b [31mc d");
    let long = line(&format!("x{}", "é".repeat(1_000)));
    assert_eq!((long.len(), long.chars().last()), (1_023, Some('é')));
}

#[test]
fn a_fault_is_told_in_one_short_line_whatever_keys_it_quotes() {
    let mut record = Record::new(Gate::Mutate, "r");
    record.faults = vec![FaultRecord {
        policy: "p".into(),
        reason: "patch",
        place: format!("nothing is at `/a\n{}`", "k".repeat(100_000)),
        text: String::new(),
    }];
    let told = faults(&record).unwrap();
    assert!(told.starts_with("p: patch: nothing is at `/a k"), "{told:.100}");
    assert!(told.len() < 2 * TEXT, "{}", told.len());
}
