//! When a server is ready, what it waits for and what not; and that one revision decides all of a review.

use super::*;
use crate::policy::PolicySet;
use crate::policy::files::{Files, RegoFile};
use crate::policy::load::load;
use crate::policy::namespaces::Namespaces;
use crate::review::Settings;

const PLAIN: &str = "package kubernetes.admission.a\ndeny contains \"a\" if input.a\n";
const USING: &str =
    "package kubernetes.admission.a\ndeny contains \"a\" if input.regate.namespace.labels.a\n";

fn set(text: &str) -> Arc<PolicySet> {
    let files = Files {
        modules: vec![RegoFile {
            path: "a.rego".into(),
            text: text.into(),
            is_test: false,
            v0: false,
        }],
        ..Files::default()
    };
    Arc::new(load(&files).unwrap())
}

fn server(namespaces: &Arc<Namespaces>) -> Policies {
    let settings = Settings {
        namespaces: Arc::clone(namespaces),
        ..Settings::default()
    };
    Policies::new(Served::default(), settings)
}

#[test]
fn namespaces_are_waited_for_only_while_a_policy_uses_them() {
    let namespaces = Arc::new(Namespaces::unsynced());
    let server = server(&namespaces);
    assert_eq!(server.checks(), [("policies", false)]);
    server.served.store(Some(set(USING)));
    assert_eq!(server.checks(), [("policies", true), ("namespaces", false)]);
    server.served.store(Some(set(PLAIN)));
    assert_eq!(server.checks(), [("policies", true)]);
}

#[test]
fn a_server_that_was_ready_does_not_go_away_when_new_policies_use_namespaces() {
    let namespaces = Arc::new(Namespaces::unsynced());
    let server = server(&namespaces);
    server.served.store(Some(set(PLAIN)));
    assert_eq!(server.checks(), [("policies", true)]);
    server.served.store(Some(set(USING)));
    assert_eq!(server.checks(), [("policies", true)]);
    namespaces.replace_all([]);
    assert_eq!(server.checks(), [("policies", true), ("namespaces", true)]);
}

/// Two policies that say which set they are of, the first one after some work.
fn pair(word: &str) -> Arc<PolicySet> {
    let module = |name: &str, body: &str| RegoFile {
        path: format!("{name}.rego"),
        text: format!("package kubernetes.admission.{name}\ndeny contains \"{word}\" if {body}\n"),
        is_test: false,
        v0: false,
    };
    let files = Files {
        modules: vec![
            module("a", "count([x | some x in numbers.range(1, 500)]) == 500"),
            module("b", "true"),
        ],
        revision: word.into(),
        ..Files::default()
    };
    Arc::new(load(&files).unwrap())
}

#[test]
fn one_revision_decides_all_of_a_review_whatever_is_swapped_in_meanwhile() {
    let server = server(&Arc::default());
    let sets = [pair("one"), pair("two")];
    server.served.store(Some(Arc::clone(&sets[0])));
    let body =
        serde_json::json!({ "kind": "AdmissionReview", "apiVersion": "admission.k8s.io/v1", "request": {
        "uid": "u", "operation": "CREATE", "userInfo": {}, "object": {}, "oldObject": null,
        "kind": { "version": "v1", "kind": "Pod" }, "resource": { "version": "v1", "resource": "pods" } } })
        .to_string();
    let hint = EnvelopeHint::read(body.as_bytes()).unwrap();
    let done = std::sync::atomic::AtomicBool::new(false);
    let seen = std::thread::scope(|scope| {
        scope.spawn(|| {
            for at in (0..2).cycle() {
                if done.load(std::sync::atomic::Ordering::Relaxed) {
                    break;
                }
                server.served.store(Some(Arc::clone(&sets[at])));
            }
        });
        let deadline = Instant::now() + std::time::Duration::from_secs(20);
        let mut seen = std::collections::BTreeSet::new();
        for _ in 0..400 {
            let (answer, record) = server.decide(Gate::Validate, body.as_bytes(), &hint, deadline);
            let answer: serde_json::Value = serde_json::from_slice(&answer.body).unwrap();
            let message = answer["response"]["status"]["message"]
                .as_str()
                .unwrap_or_default();
            seen.insert((message.to_owned(), record.revision));
        }
        done.store(true, std::sync::atomic::Ordering::Relaxed);
        seen
    });
    let whole = |word: &str, set: &PolicySet| (format!("[a] {word}; [b] {word}"), set.revision.clone());
    let possible = [whole("one", &sets[0]), whole("two", &sets[1])];
    assert!(
        !seen.is_empty() && seen.iter().all(|one| possible.contains(one)),
        "{seen:?}"
    );
}
