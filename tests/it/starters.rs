//! The built-in starter policies in our own engine, as the gates answer with them: what each refuses, in which words,
//! and what it lets pass.

use std::sync::LazyLock;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use regate::gate::Gate;
use regate::policy::PolicySet;
use regate::policy::files::Files;
use regate::policy::load::load;
use regate::review::{Settings, answer};
use serde_json::{Value, json};

static STARTERS: LazyLock<PolicySet> = LazyLock::new(|| load(&Files::builtin()).unwrap());

/// The answer, of a review that was decided by policies alone.
fn ask(gate: Gate, review: &Value) -> Value {
    let deadline = Instant::now() + Duration::from_secs(20);
    let body = review.to_string();
    let (answer, record) = answer(gate, body.as_bytes(), &STARTERS, &Settings::default(), deadline);
    assert_eq!(record.faults, [], "{review}");
    assert_eq!((answer.status, record.failure), (200, None), "{review}");
    serde_json::from_slice(&answer.body).unwrap()
}

fn admission(operation: &str, old: Option<&Value>, object: &Value) -> Value {
    let (group, version) = object["apiVersion"]
        .as_str()
        .unwrap()
        .split_once('/')
        .unwrap_or(("", "v1"));
    json!({
        "apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview",
        "request": {
            "uid": "u", "operation": operation, "userInfo": {"username": "jane"}, "namespace": "shop", "name": "web",
            "kind": {"group": group, "version": version, "kind": object["kind"]},
            "resource": {"group": group, "version": version, "resource": format!("{}s", object["kind"].as_str().unwrap().to_lowercase())},
            "object": object, "oldObject": old
        }
    })
}

/// A Pod spec that no starter policy refuses.
fn harmless() -> Value {
    json!({
        "containers": [
            {"name": "main", "image": "registry.k8s.io/pause:3.10", "resources": {"limits": {"cpu": "1", "memory": "1Gi"}}},
            {"name": "side", "image": "registry.k8s.io/pause:3.10", "resources": {"limits": {"cpu": "1", "memory": "1Gi"}}}
        ],
        "volumes": [{"name": "scratch", "emptyDir": {}}]
    })
}

/// The same with values set at JSON Pointers; the last key of each may be new.
fn with(mut spec: Value, changes: &[(&str, Value)]) -> Value {
    for (pointer, value) in changes {
        let (parent, key) = pointer.rsplit_once('/').unwrap();
        spec.pointer_mut(parent).unwrap()[key] = value.clone();
    }
    spec
}

fn pod(spec: &Value) -> Value {
    json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web", "namespace": "shop"}, "spec": spec})
}

fn deployment(spec: &Value) -> Value {
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web", "namespace": "shop"},
        "spec": {"template": {"spec": spec}}
    })
}

/// What puts a Pod spec into an object, and where it then is.
type Owner = (fn(&Value) -> Value, &'static str);

const OWNERS: [Owner; 2] = [(pod, "spec."), (deployment, "spec.template.spec.")];

/// One refusal: its text, and the field it names in the Pod spec.
type Refusal = (&'static str, &'static str);

/// A member of a Pod spec and what makes its value.
type Member = (&'static str, fn() -> Value);

/// What a policy refuses about a Pod spec.
struct Case {
    policy: &'static str,
    bad: &'static [Member],
    refusal: Refusal,
    /// What makes the bad one worse, and what is said of that alone.
    worse: &'static [Member],
    more: Refusal,
}

const CASES: &[Case] = &[
    Case {
        policy: "privileged",
        bad: &[("/containers/0/securityContext", || json!({"privileged": true}))],
        refusal: (
            r#"container "main" must not be privileged"#,
            "containers[0].securityContext.privileged",
        ),
        worse: &[("/containers/1/securityContext", || json!({"privileged": true}))],
        more: (
            r#"container "side" must not be privileged"#,
            "containers[1].securityContext.privileged",
        ),
    },
    Case {
        policy: "host_namespaces",
        bad: &[("/hostNetwork", || json!(true))],
        refusal: ("hostNetwork must not be true", "hostNetwork"),
        worse: &[("/hostPID", || json!(true))],
        more: ("hostPID must not be true", "hostPID"),
    },
    Case {
        policy: "host_path",
        bad: &[(
            "/volumes",
            || json!([{"name": "scratch"}, {"name": "etc", "hostPath": {"path": "/etc"}}]),
        )],
        refusal: (
            r#"volume "etc" must not be the host path "/etc""#,
            "volumes[1].hostPath",
        ),
        worse: &[(
            "/volumes",
            || json!([{"name": "etc", "hostPath": {"path": "/etc"}}, {"name": "run", "hostPath": {"path": "/run"}}]),
        )],
        more: (
            r#"volume "run" must not be the host path "/run""#,
            "volumes[1].hostPath",
        ),
    },
    Case {
        policy: "missing_limits",
        bad: &[("/containers/1/resources", || json!({"limits": {"cpu": "1"}}))],
        refusal: (
            r#"container "side" has no memory limit"#,
            "containers[1].resources.limits",
        ),
        worse: &[("/containers/1/resources", || json!({}))],
        more: (
            r#"container "side" has no cpu limit"#,
            "containers[1].resources.limits",
        ),
    },
];

fn changed(spec: Value, changes: &[Member]) -> Value {
    let changes: Vec<_> = changes
        .iter()
        .map(|(pointer, value)| (*pointer, value()))
        .collect();
    with(spec, &changes)
}

/// Asserts that a write is allowed, or denied for this and nothing else.
fn assert_validated(review: &Value, policy: &str, place: &str, expected: Option<Refusal>) {
    let response = &ask(Gate::Validate, review)["response"];
    let Some((text, field)) = expected else {
        assert_eq!(response, &json!({"uid": "u", "allowed": true}), "{review}");
        return;
    };
    let message = format!("[{policy}] {text}");
    assert_eq!(response["allowed"], false, "{review}");
    assert_eq!(response["status"]["code"], 403);
    assert_eq!(response["status"]["reason"], "Forbidden");
    assert_eq!(response["status"]["message"], message);
    let causes = response["status"]["details"]["causes"].as_array().unwrap();
    assert_eq!(causes.len(), 1, "{response}");
    assert_eq!(causes[0]["field"], format!("{place}{field}"));
}

#[test]
fn a_new_object_is_refused_in_the_words_of_the_policy() {
    for (case, (owner, place)) in CASES.iter().flat_map(|case| OWNERS.map(|owner| (case, owner))) {
        let harmless = admission("CREATE", None, &owner(&harmless()));
        assert_validated(&harmless, case.policy, place, None);
        let bad = changed(self::harmless(), case.bad);
        let bad = admission("CREATE", None, &owner(&bad));
        assert_validated(&bad, case.policy, place, Some(case.refusal));
    }
}

#[test]
fn an_update_is_refused_for_what_it_makes_worse_and_for_nothing_else() {
    for (case, (owner, place)) in CASES.iter().flat_map(|case| OWNERS.map(|owner| (case, owner))) {
        let bad = changed(harmless(), case.bad);
        let worse = changed(bad.clone(), case.worse);
        let (harmless, bad, worse) = (owner(&harmless()), owner(&bad), owner(&worse));
        let update = |old, new, expected| {
            assert_validated(&admission("UPDATE", Some(old), new), case.policy, place, expected);
        };
        update(&harmless, &bad, Some(case.refusal));
        update(&bad, &worse, Some(case.more));
        update(&bad, &bad, None);
        update(&worse, &bad, None);
        update(&bad, &harmless, None);
    }
}

#[test]
fn what_is_being_deleted_may_lose_its_finalizers() {
    for (case, (owner, place)) in CASES.iter().flat_map(|case| OWNERS.map(|owner| (case, owner))) {
        let deleted = |spec: &Value| {
            let now = json!("2026-01-02T03:04:05Z");
            with(owner(spec), &[("/metadata/deletionTimestamp", now)])
        };
        let (old, new) = (deleted(&harmless()), deleted(&changed(harmless(), case.bad)));
        assert_validated(&admission("UPDATE", Some(&old), &new), case.policy, place, None);
    }
}

/// The patch that the mutating gate answers, if there is one.
fn patch(review: &Value) -> Option<Value> {
    let response = &ask(Gate::Mutate, review)["response"];
    assert_eq!(response["allowed"], true, "{response}");
    let patch = STANDARD.decode(response.get("patch")?.as_str()?).unwrap();
    Some(serde_json::from_slice(&patch).unwrap())
}

/// The object with the patch that the mutating gate answers; there must be one.
fn mutated(mut object: Value) -> Value {
    let patch = patch(&admission("CREATE", None, &object)).unwrap();
    let patch: json_patch::Patch = serde_json::from_value(patch).unwrap();
    json_patch::patch(&mut object, &patch).unwrap();
    object
}

const LABELS: &str = "/metadata/labels";

#[test]
fn a_new_pod_gets_labels_and_a_safe_security_context_once() {
    let object = mutated(pod(&harmless()));
    let safe = json!({"allowPrivilegeEscalation": false});
    let spec = with(
        harmless(),
        &[
            (
                "/securityContext",
                json!({"seccompProfile": {"type": "RuntimeDefault"}}),
            ),
            ("/containers/0/securityContext", safe.clone()),
            ("/containers/1/securityContext", safe),
        ],
    );
    let labels = json!({"app.kubernetes.io/part-of": "unassigned", "team": "unassigned"});
    assert_eq!(object, with(pod(&spec), &[(LABELS, labels)]));
    assert_eq!(patch(&admission("CREATE", None, &object)), None);
}

#[test]
fn what_the_user_set_stays_and_only_what_lacks_is_added() {
    let labels = json!({"app.kubernetes.io/part-of": "", "team": "shop"});
    let escalates = json!({"allowPrivilegeEscalation": true});
    let spec = with(
        harmless(),
        &[
            (
                "/securityContext",
                json!({"seccompProfile": {"type": "Unconfined"}}),
            ),
            ("/containers/0/securityContext", escalates.clone()),
            ("/containers/1/securityContext", json!({"privileged": true})),
        ],
    );
    let set = with(pod(&spec), &[(LABELS, labels)]);
    assert_eq!(patch(&admission("CREATE", None, &set)), None);

    let some = with(set.clone(), &[(LABELS, json!({"team": ""}))]);
    let labels = json!({"app.kubernetes.io/part-of": "unassigned", "team": ""});
    assert_eq!(mutated(some), with(set, &[(LABELS, labels)]));
}

#[test]
fn nothing_but_a_new_pod_is_changed() {
    let (pod, deployment) = (pod(&harmless()), deployment(&harmless()));
    assert_eq!(patch(&admission("UPDATE", Some(&pod), &pod)), None);
    assert_eq!(patch(&admission("CREATE", None, &deployment)), None);
}

/// The status of an answer at authz.
fn access(groups: &[&str], verb: &str, resource: &str, subresource: &str, namespace: &str) -> Value {
    let review = json!({
        "apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview",
        "spec": {
            "user": "jane", "groups": groups,
            "resourceAttributes": {
                "verb": verb, "version": "v1", "resource": resource, "subresource": subresource, "namespace": namespace
            }
        }
    });
    ask(Gate::Authz, &review)["status"].take()
}

#[test]
fn getting_into_kube_system_is_denied_to_all_but_masters() {
    let denied = json!({
        "allowed": false, "denied": true,
        "reason": "[exec_kube_system] exec into pods of kube-system is not allowed"
    });
    assert_eq!(access(&["dev"], "create", "pods", "exec", "kube-system"), denied);
    assert_eq!(access(&["dev"], "get", "pods", "exec", ""), denied);
    let no_opinion = json!({"allowed": false});
    assert_eq!(
        access(&["system:masters"], "create", "pods", "exec", "kube-system"),
        no_opinion
    );
    assert_eq!(access(&["dev"], "create", "pods", "exec", "shop"), no_opinion);
}

#[test]
fn the_read_only_group_reads_what_is_no_secret() {
    assert_eq!(
        access(&["read-only"], "list", "pods", "", "shop"),
        json!({"allowed": true, "reason": "[readonly_group] read-only access to pods"})
    );
    let no_opinion = json!({"allowed": false});
    assert_eq!(access(&["read-only"], "list", "secrets", "", "shop"), no_opinion);
    assert_eq!(access(&["read-only"], "create", "pods", "", "shop"), no_opinion);
    assert_eq!(access(&["dev"], "list", "pods", "", "shop"), no_opinion);
}

#[test]
fn images_come_from_a_trusted_registry_and_name_a_version() {
    let status = |image: &str| {
        let review = json!({
            "apiVersion": "imagepolicy.k8s.io/v1alpha1", "kind": "ImageReview",
            "spec": {"containers": [{"image": image}], "namespace": "shop"}
        });
        ask(Gate::Image, &review)["status"].take()
    };
    let denied = |reason: &str| json!({"allowed": false, "reason": reason});
    for image in ["registry.k8s.io/pause:3.10", "nginx:1.29"] {
        assert_eq!(status(image), json!({"allowed": true}));
    }
    assert_eq!(
        status("registry.k8s.io/pause:latest"),
        denied(
            r#"[no_latest] image "registry.k8s.io/pause:latest" needs a tag other than latest, or a digest"#
        )
    );
    assert_eq!(
        status("quay.io/app:1"),
        denied(r#"[trusted_registries] image "quay.io/app:1" is not from a trusted registry"#)
    );
}

#[test]
fn tokens_on_the_list_are_users_and_revoked_ones_are_refused() {
    let status = |token: &str| {
        let review = json!({
            "apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview",
            "spec": {"token": token, "audiences": ["regate-demo"]}
        });
        ask(Gate::Authn, &review)["status"].take()
    };
    assert_eq!(
        status("regate-demo-token"),
        json!({"authenticated": true, "user": {"username": "demo-user"}, "audiences": ["regate-demo"]})
    );
    assert_eq!(
        status("regate-revoked-token"),
        json!({
            "authenticated": false, "audiences": ["regate-demo"],
            "error": "[tokens] the token is revoked: it was published"
        })
    );
    assert_eq!(status("another token"), json!({"authenticated": false}));
}

#[test]
fn every_starter_of_the_validate_gate_is_in_the_table() {
    let names: Vec<_> = STARTERS.of(Gate::Validate).map(|policy| &policy.name).collect();
    let mut cases: Vec<_> = CASES.iter().map(|case| case.policy).collect();
    cases.sort_unstable();
    assert_eq!(names, cases);
}
