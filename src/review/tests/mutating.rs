use super::*;

fn patch_of(answer: &Value) -> Option<Value> {
    let response = &answer["response"];
    assert_eq!(response["allowed"], true, "{answer}");
    assert_eq!(
        response.get("patchType").is_some(),
        response.get("patch").is_some()
    );
    let patch = response.get("patch")?.as_str().unwrap();
    assert_eq!(response["patchType"], "JSONPatch");
    Some(serde_json::from_slice(&STANDARD.decode(patch).unwrap()).unwrap())
}

const LABEL: &str = r#"package kubernetes.mutation.a_label
patch contains {"op": "add", "path": ["metadata", "labels", "example.com/team"], "value": "shop"} if not input.request.object.metadata.labels["example.com/team"]
"#;

const SEES_LABEL: &str = r#"package kubernetes.mutation.b_sees
mutated := object.union(input.request.object, {"spec": {"hostname": team}}) if team := input.request.object.metadata.labels["example.com/team"]
"#;

#[test]
fn mutations_are_joined_each_seeing_what_came_before() {
    let answer = ask(Gate::Mutate, &[LABEL, SEES_LABEL], &admission_review(pod()));
    assert_eq!(
        patch_of(&answer).unwrap(),
        json!([
            { "op": "add", "path": "/metadata/labels", "value": { "example.com/team": "shop" } },
            { "op": "add", "path": "/spec/hostname", "value": "shop" }
        ])
    );
    let mut done = pod();
    done["metadata"]["labels"] = json!({ "example.com/team": "shop" });
    done["spec"]["hostname"] = json!("shop");
    assert_eq!(
        patch_of(&ask(Gate::Mutate, &[LABEL, SEES_LABEL], &admission_review(done))),
        None
    );
}

#[test]
fn numbers_that_nobody_touched_keep_their_text() {
    let policy = "package kubernetes.mutation.p\nmutated := object.union(input.request.object, {\"x\": 1})\n";
    let mut review = admission_review(pod());
    review["request"]["object"]["spec"]["ratio"] = json!(1.0);
    review["request"]["object"]["spec"]["big"] = json!(9_007_199_254_740_993_i64);
    let patch = patch_of(&ask(Gate::Mutate, &[policy], &review)).unwrap();
    assert_eq!(patch, json!([{ "op": "add", "path": "/x", "value": 1 }]));
}

#[test]
fn mutations_that_are_not_idempotent_are_faults() {
    let append = r#"package kubernetes.mutation.append
patch := [{"op": "add", "path": "/spec/containers/-", "value": {"name": "sidecar"}}]
"#;
    let body = admission_review(pod()).to_string();
    let (answer, record) = ask_with(&Settings::default(), Gate::Mutate, &[append], body.as_bytes());
    let answer: Value = serde_json::from_slice(&answer.body).unwrap();
    assert_eq!(
        answer["response"],
        json!({ "uid": "u-1", "allowed": false, "status": { "status": "Failure", "code": 500,
            "reason": "InternalError", "message": "the policies could not be evaluated" } })
    );
    let detail = "not idempotent: applied to its own result it changes the object again".to_owned();
    assert_eq!(
        (
            record.faults[0].policy.as_str(),
            record.faults[0].reason,
            &record.faults[0].place
        ),
        ("append", "patch", &detail)
    );

    // Time and random values are those of the review in both runs.
    let random = r#"package kubernetes.mutation.random
patch := [{"op": "add", "path": "/metadata/labels", "value": {"at": format_int(time.now_ns(), 10), "id": uuid.rfc4122("x")}}]
"#;
    assert!(patch_of(&ask(Gate::Mutate, &[random], &admission_review(pod()))).is_some());
}

#[test]
fn what_identifies_an_object_cannot_be_changed() {
    let policy = r#"package kubernetes.mutation.rename
patch := [{"op": "replace", "path": "/metadata/name", "value": "other"}]
"#;
    let body = admission_review(pod()).to_string();
    let (answer, record) = ask_with(&Settings::default(), Gate::Mutate, &[policy], body.as_bytes());
    let answer: Value = serde_json::from_slice(&answer.body).unwrap();
    assert_eq!(
        (
            &answer["response"]["allowed"],
            &answer["response"]["status"]["code"]
        ),
        (&json!(false), &json!(500))
    );
    assert_eq!((record.faults.len(), record.faults[0].reason), (1, "patch"));
    assert!(
        record.faults[0].place.contains("metadata/name") || record.faults[0].place.contains("metadata.name"),
        "{record:?}"
    );

    let wanted = "package kubernetes.mutation.wanted\n\
        mutated := object.union(input.request.object, {\"metadata\": {\"name\": \"other\", \"labels\": {\"a\": \"b\"}}})\n";
    let patch = patch_of(&ask(Gate::Mutate, &[wanted], &admission_review(pod()))).unwrap();
    assert_eq!(
        patch,
        json!([{ "op": "add", "path": "/metadata/labels", "value": { "a": "b" } }])
    );
}

#[test]
fn nothing_is_patched_without_an_object_or_beside_a_denial() {
    let mut delete = admission_review(Value::Null);
    delete["request"]["operation"] = json!("DELETE");
    delete["request"]["oldObject"] = pod();
    let policy = r#"package kubernetes.mutation.p
patch := [{"op": "add", "path": "/metadata/labels", "value": {}}]
"#;
    assert_eq!(
        ask(Gate::Mutate, &[policy], &delete)["response"],
        json!({ "uid": "u-1", "allowed": true })
    );
    let denying = "package kubernetes.mutation.z\ndeny contains \"no\"\n";
    let response = &ask(Gate::Mutate, &[policy, denying], &admission_review(pod()))["response"];
    assert_eq!(
        (&response["allowed"], response.get("patch")),
        (&json!(false), None)
    );
    assert_eq!(response["status"]["message"], "[z] no");
}

#[test]
fn every_fault_of_a_mutation_counts() {
    let faulty = "package kubernetes.mutation.p\nwarn contains \"x\" if to_number(\"x\") == 1\n";
    let response = &ask(Gate::Mutate, &[faulty], &admission_review(pod()))["response"];
    assert_eq!(
        (&response["allowed"], &response["status"]["code"]),
        (&json!(false), &json!(500))
    );
}

#[test]
fn the_answer_has_the_version_of_the_question() {
    for version in ["admission.k8s.io/v1", "admission.k8s.io/v1beta1"] {
        let mut review = admission_review(pod());
        review["apiVersion"] = json!(version);
        assert_eq!(ask(Gate::Validate, &[ALLOWS], &review)["apiVersion"], version);
    }
    let mut review = token_review("good", &[]);
    review["apiVersion"] = json!("authentication.k8s.io/v1beta1");
    assert_eq!(
        ask(Gate::Authn, &[TOKENS], &review)["apiVersion"],
        "authentication.k8s.io/v1beta1"
    );
}

#[test]
fn a_deadline_is_told_as_such() {
    let slow = "package kubernetes.admission.slow\n\
        deny contains \"x\" if {\n some a in numbers.range(1, 5000)\n some b in numbers.range(1, 5000)\n a * b == 0\n}\n";
    let body = admission_review(pod()).to_string();
    let deadline = Instant::now() + Duration::from_millis(100);
    let (answer, record) = answer(
        Gate::Validate,
        body.as_bytes(),
        &set(&[slow]),
        &Settings::default(),
        deadline,
    );
    let answer: Value = serde_json::from_slice(&answer.body).unwrap();
    assert_eq!(answer["response"]["status"]["code"], 504);
    assert_eq!(answer["response"]["status"]["reason"], "Timeout");
    assert_eq!(
        answer["response"]["status"]["message"],
        "the policies did not answer in time"
    );
    assert_eq!(
        (record.failure, record.faults[0].reason),
        (Some("deadline"), "timeout")
    );
}
