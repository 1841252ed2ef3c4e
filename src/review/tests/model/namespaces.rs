//! What policies know of a review's Namespace, and what a review for all of them is.

use super::*;

fn shop(env: &str) -> Settings {
    with_namespaces(vec![Namespace {
        name: "shop".into(),
        labels: [("env".to_owned(), env.to_owned())].into(),
        ..Namespace::default()
    }])
}

#[test]
fn namespaces_are_selected_and_read_by_their_labels() {
    let selecting = with(
        "match: {namespaceSelector: {matchLabels: {env: prod}}}",
        "admission.a",
        NO,
    );
    let reading = with(
        "order: 0",
        "admission.b",
        "deny contains \"prod\" if input.regate.namespace.labels.env == \"prod\"",
    );
    for (env, message) in [("prod", json!("[a] no; [b] prod")), ("dev", Value::Null)] {
        let (answer, _) = asked(
            &shop(env),
            Gate::Validate,
            &[selecting.clone(), reading.clone()],
            &review_of(Gate::Validate),
        );
        assert_eq!(answer["response"]["status"]["message"], message, "{env}");
    }
    let (answer, _) = asked(
        &shop("prod"),
        Gate::Image,
        &[with(
            "match: {namespaceSelector: {matchLabels: {env: prod}}}",
            "image.a",
            NO,
        )],
        &json!({ "kind": "ImageReview", "apiVersion": "imagepolicy.k8s.io/v1alpha1", "spec": { "namespace": "shop", "containers": [] } }),
    );
    assert_eq!(answer["status"]["reason"], "[a] no");
}

#[test]
fn a_namespace_under_review_is_as_the_review_has_it() {
    let policy = with(
        "order: 0",
        "admission.a",
        "deny contains input.regate.namespace.labels.env",
    );
    let mut review =
        admission_review(json!({ "metadata": { "name": "shop", "labels": { "env": "new", "n": 1 } } }));
    review["request"]["kind"] = json!({ "group": "", "version": "v1", "kind": "Namespace" });
    review["request"]["resource"] = json!({ "group": "", "version": "v1", "resource": "namespaces" });
    let (answer, _) = asked(&Settings::default(), Gate::Validate, &[policy], &review);
    assert_eq!(answer["response"]["status"]["message"], "[a] new");
}

#[test]
fn a_namespace_that_is_not_known_is_a_fault_of_whoever_needs_it() {
    let selecting = with(
        "match: {namespaceSelector: {matchLabels: {env: prod}}}",
        "admission.a",
        NO,
    );
    let reading = with(
        "order: 0",
        "admission.b",
        "deny contains \"x\" if input.regate.namespace.labels.env == \"prod\"",
    );
    let indifferent = with(
        "order: 0",
        "admission.c",
        "deny contains \"x\" if input.regate.gate == \"other\"",
    );
    let unsynced = Settings {
        namespaces: Arc::new(Namespaces::unsynced()),
        ..Settings::default()
    };
    for settings in [Settings::default(), unsynced, with_namespaces(Vec::new())] {
        for policy in [&selecting, &reading] {
            let policies = [policy.clone(), indifferent.clone()];
            let (answer, record) = asked(&settings, Gate::Validate, &policies, &review_of(Gate::Validate));
            assert_eq!(answer["response"]["status"]["code"], 500, "{answer}");
            assert_eq!(record.faults[0].reason, "namespace");
        }
        let (answer, _) = asked(
            &settings,
            Gate::Validate,
            std::slice::from_ref(&indifferent),
            &review_of(Gate::Validate),
        );
        assert_eq!(answer["response"]["allowed"], true);
    }
}

#[test]
fn a_request_for_all_namespaces_is_judged_by_denials_and_permitted_by_nobody_who_lists_some() {
    let denies = with(
        "match: {namespaces: ['', vault], resources: [secrets]}",
        "authorization.a",
        "deny contains \"not all of them\" if input.spec.resourceAttributes.namespace == \"\"",
    );
    let allows = with("match: {namespaces: ['*']}", "authorization.b", "allow := true");
    let ask = |policy: &String, namespace: &str| {
        let policies = std::slice::from_ref(policy);
        let review = access_review(namespace);
        asked(&Settings::default(), Gate::Authz, policies, &review).0["status"].clone()
    };
    assert_eq!(ask(&denies, "")["reason"], "[a] not all of them");
    assert_eq!(ask(&denies, "vault"), json!({ "allowed": false }));
    assert_eq!(ask(&allows, ""), json!({ "allowed": false }));
    assert_eq!(ask(&allows, "vault")["allowed"], true);
}

#[test]
fn at_authz_nobody_waits_for_a_namespace_that_anyone_can_make_up() {
    let policy = with(
        "order: 0",
        "authorization.a",
        "deny contains \"x\" if input.regate.namespace.labels.env == \"prod\"",
    );
    let started = Instant::now();
    let (answer, record) = asked(
        &with_namespaces(Vec::new()),
        Gate::Authz,
        &[policy],
        &review_of(Gate::Authz),
    );
    assert_eq!(answer["status"]["denied"], true, "{answer}");
    assert_eq!(record.faults[0].reason, "namespace");
    assert!(
        record.evaluation < Duration::from_millis(400),
        "waited {:?} of {:?}",
        record.evaluation,
        started.elapsed()
    );
}
