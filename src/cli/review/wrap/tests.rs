//! What reviews are made of manifests, of questions, and of reviews as they are.

use super::*;

/// Jane, in the namespace `shop`.
fn subject() -> Subject {
    Subject {
        operation: None,
        user: json!({"username": "jane", "groups": []}),
        cluster: None,
        namespace: "shop".into(),
        old: None,
        gate: None,
    }
}

fn at(gate: Gate) -> Subject {
    Subject {
        gate: Some(gate),
        ..subject()
    }
}

/// All that is made of a text.
fn made(text: &str, subject: &Subject) -> anyhow::Result<Vec<Item>> {
    items(Path::new("a.yaml"), text.to_owned(), subject)
}

/// The review of the one manifest.
fn review_of(text: &str, subject: &Subject) -> Value {
    match made(text, subject).unwrap().pop() {
        Some(Item::Manifest { review, .. }) => review,
        _ => panic!("a manifest is wrapped"),
    }
}

#[test]
fn what_is_in_no_namespace_is_wrapped_as_such() {
    let namespace = |api_version: &str, kind: &str| {
        let text = format!("apiVersion: {api_version}\nkind: {kind}\nmetadata: {{name: a}}\n");
        let review = review_of(&text, &subject());
        text_at(&review, "/request/namespace").map(str::to_owned)
    };
    for (api_version, kind) in [
        ("gateway.networking.k8s.io/v1", "GatewayClass"),
        ("networking.k8s.io/v1", "ServiceCIDR"),
        ("rbac.authorization.k8s.io/v1", "ClusterRole"),
        ("admissionregistration.k8s.io/v1", "MutatingAdmissionPolicy"),
    ] {
        assert_eq!(namespace(api_version, kind), None, "{kind}");
    }
    assert_eq!(namespace("v1", "Pod").as_deref(), Some("shop"));
    assert_eq!(namespace("v1", "Namespace").as_deref(), Some("a"));
}

#[test]
fn what_goes_away_is_the_old_object_and_there_is_no_new_one() {
    let subject = Subject {
        operation: Some(Operation::Delete),
        ..subject()
    };
    let review = review_of("apiVersion: v1\nkind: Pod\nmetadata: {name: a}\n", &subject);
    let request = &review["request"];
    assert_eq!(request["operation"], "DELETE");
    assert_eq!(request["object"], Value::Null);
    assert_eq!(request["oldObject"]["metadata"]["name"], "a");
}

#[test]
fn a_review_keeps_its_own_text_and_goes_to_the_gate_of_its_kind() {
    let text = "{\"kind\": \"AdmissionReview\",  \"n\": 1.0, \"n\": 1.0}";
    for (subject, expected) in [
        (subject(), Gate::Validate),
        (at(Gate::Validate), Gate::Validate),
        (at(Gate::Mutate), Gate::Mutate),
    ] {
        let items = made(text, &subject).unwrap();
        let [Item::Review { gate, body, .. }] = items.as_slice() else {
            panic!("a review is no manifest");
        };
        assert_eq!((*gate, body.as_str()), (expected, text));
    }
    let refused = made(text, &at(Gate::Authn)).err().unwrap();
    assert_eq!(
        refused.to_string(),
        "an AdmissionReview is for mutate or validate, not for authn"
    );
}

#[test]
fn documents_without_anything_are_none_and_the_old_object_is_one() {
    let pod = "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\n";
    let text = format!("---\n# nothing\n---\nnull\n---\n{pod}---\n");
    assert_eq!(made(&text, &subject()).unwrap().len(), 1);
    assert_eq!(manifest(Path::new("a.yaml"), &text).unwrap()["kind"], "Pod");
    for text in [format!("{pod}---\n{pod}"), String::new()] {
        let refused = manifest(Path::new("a.yaml"), &text).unwrap_err();
        assert_eq!(refused.to_string(), "a.yaml: one manifest is wanted here");
    }
}

#[test]
fn a_question_has_the_parts_of_its_resource_or_its_path() {
    let spec = |resource, path| -> anyhow::Result<Value> {
        let Item::Review { body, .. } = access("get", resource, path, &subject())? else {
            panic!("a question is a review");
        };
        Ok(serde_json::from_str::<Value>(&body)?["spec"].take())
    };
    assert_eq!(
        spec(Some("deployments.apps/scale"), None).unwrap()["resourceAttributes"],
        json!({"verb": "get", "group": "apps", "resource": "deployments", "subresource": "scale", "namespace": "shop"})
    );
    assert_eq!(
        spec(None, Some("/metrics")).unwrap(),
        json!({"user": "jane", "groups": [], "nonResourceAttributes": {"verb": "get", "path": "/metrics"}})
    );
    let refused = spec(None, None).unwrap_err();
    assert_eq!(refused.to_string(), "--verb needs --resource or --path");
}
