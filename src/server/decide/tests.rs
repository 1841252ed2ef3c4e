//! When a server is ready: what it waits for, and what it does not.

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
