use super::*;

#[test]
fn validate_denies_with_all_messages_in_one_answer() {
    let policies = [
        "package kubernetes.admission.owner\ndeny contains \"no owner\\nlabel\"\nwarn contains \"old\"\n",
        "package kubernetes.admission.limits\ndeny contains {\"msg\": \"no limits\", \"field\": \"/spec/containers/0\"}\n\
         audit_annotations := {\"n\": 1}\n",
    ];
    assert_eq!(
        ask(Gate::Validate, &policies, &admission_review(pod())),
        json!({ "apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "response": {
            "uid": "u-1", "allowed": false, "warnings": ["[owner] old"], "auditAnnotations": { "limits.n": "1" },
            "status": { "status": "Failure", "code": 403, "reason": "Forbidden",
                "message": "[limits] no limits; [owner] no owner label",
                "details": { "name": "web", "kind": "Pod", "causes": [
                    { "reason": "FieldValueForbidden", "message": "[limits] no limits", "field": "spec.containers[0]" }] } } } })
    );
    let allowed = ask(
        Gate::Validate,
        &["package kubernetes.admission.p\nwarn contains \"w\"\n"],
        &admission_review(pod()),
    );
    assert_eq!(
        allowed["response"],
        json!({ "uid": "u-1", "allowed": true, "warnings": ["[p] w"] })
    );
}

#[test]
fn validate_takes_the_highest_code_and_makes_every_message_a_cause_of_invalid() {
    let policy = "package kubernetes.admission.p\ndeny contains {\"msg\": \"a\", \"code\": 400}\n\
                  deny contains {\"msg\": \"b\", \"code\": 422, \"field\": \"/spec\"}\ndeny contains \"c\"\n";
    let response = &ask(Gate::Validate, &[policy], &admission_review(pod()))["response"];
    assert_eq!(
        (&response["status"]["code"], &response["status"]["reason"]),
        (&json!(422), &json!("Invalid"))
    );
    let causes = response["status"]["details"]["causes"].as_array().unwrap();
    let messages: Vec<_> = causes
        .iter()
        .map(|cause| cause["message"].as_str().unwrap())
        .collect();
    assert_eq!(messages, ["[p] a", "[p] b", "[p] c"]);
}

#[test]
fn validate_faults_refuse_but_leave_denials_standing() {
    let faulty = format!("package kubernetes.admission.faulty\n{FAULTY}");
    let warning = "package kubernetes.admission.warning\nwarn contains \"x\" if to_number(\"x\") == 1\n";
    let denying = "package kubernetes.admission.denying\ndeny contains {\"msg\": \"no\", \"code\": 422}\n";
    let review = admission_review(pod());
    let response = |policies: &[&str]| ask(Gate::Validate, policies, &review)["response"].clone();
    assert_eq!(
        response(&[&faulty]),
        json!({ "uid": "u-1", "allowed": false, "status": { "status": "Failure", "code": 500,
            "reason": "InternalError", "message": "the policies could not be evaluated" } })
    );
    assert_eq!(response(&[&faulty, denying])["status"]["code"], json!(422));
    assert_eq!(response(&[warning]), json!({ "uid": "u-1", "allowed": true }));
    let defer = Settings {
        on_fault_validate: OnFault::Defer,
        ..Settings::default()
    };
    let (answer, record) = ask_with(&defer, Gate::Validate, &[&faulty], review.to_string().as_bytes());
    assert_eq!(
        (answer.status, record.decision, record.failure),
        (503, "error", Some("fault"))
    );
    let (answer, _) = ask_with(
        &defer,
        Gate::Validate,
        &[&faulty, denying],
        review.to_string().as_bytes(),
    );
    assert_eq!(answer.status, 200);
}

#[test]
fn the_input_is_the_review_as_received_with_the_additions() {
    let policy = r#"# METADATA
# custom: {parameters: {limit: 3}}
package kubernetes.admission.echo
deny contains json.marshal({"r": input.regate, "p": input.parameters, "future": input.request.future, "n": input.request.object.n})
"#;
    let mut review = admission_review(json!({ "n": 9_007_199_254_740_993_i64 }));
    review["request"]["future"] = json!({ "field": [1] });
    let settings = with_namespaces(vec![Namespace {
        name: "shop".into(),
        labels: [("env".to_owned(), "prod".to_owned())].into(),
        annotations: [("owner".to_owned(), "a".to_owned())].into(),
    }]);
    let (answer, _) = ask_with(
        &settings,
        Gate::Validate,
        &[policy],
        review.to_string().as_bytes(),
    );
    let answer: Value = serde_json::from_slice(&answer.body).unwrap();
    let message = answer["response"]["status"]["message"].clone();
    let want = json!({ "future": { "field": [1] }, "n": 9_007_199_254_740_993_i64, "p": { "limit": 3 },
        "r": { "gate": "validate", "policy": "echo", "revision": "r1",
            "namespace": { "name": "shop", "labels": { "env": "prod" }, "annotations": { "owner": "a" } } } });
    let text = message.as_str().unwrap().strip_prefix("[echo] ").unwrap();
    assert_eq!(serde_json::from_str::<Value>(text).unwrap(), want);
}

#[test]
fn records_say_what_was_decided_and_by_whom() {
    let policies = [
        "package kubernetes.admission.a\ndeny contains \"x\"\n",
        "package kubernetes.admission.b\ndeny contains \"y\"\n",
    ];
    let body = admission_review(pod()).to_string();
    let (_, record) = ask_with(&Settings::default(), Gate::Validate, &policies, body.as_bytes());
    assert_eq!(
        (
            record.uid.as_str(),
            record.decision,
            record.code,
            record.revision.as_str(),
            record.policies
        ),
        ("u-1", "deny", 403, "r1", vec!["a".to_owned(), "b".to_owned()])
    );
}
