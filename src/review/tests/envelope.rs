use super::*;

#[test]
fn an_unreadable_envelope_is_400() {
    let line = |gate, body: &str| {
        let policies: &[&str] = if gate == Gate::Validate {
            &[ALLOWS]
        } else {
            &[ALLOW]
        };
        http(gate, policies, body.as_bytes())
    };
    let bad = |text: &str| (400, format!("{text}\n"));
    for (body, text) in [
        ("", "not valid JSON (at byte 0)"),
        ("[]", "`kind` must be AdmissionReview"),
        ("{}", "`kind` must be AdmissionReview"),
        (
            r#"{"kind":"AdmissionReview"}"#,
            "`apiVersion` must be admission.k8s.io/v1 or admission.k8s.io/v1beta1",
        ),
        (
            r#"{"kind":"AdmissionReview","apiVersion":"admission.k8s.io/v2","request":{"uid":"u"}}"#,
            "`apiVersion` must be admission.k8s.io/v1 or admission.k8s.io/v1beta1",
        ),
        (
            r#"{"kind":"AdmissionReview","apiVersion":"admission.k8s.io/v1"}"#,
            "`request.uid` must be a string that is not empty",
        ),
        (
            r#"{"kind":"AdmissionReview","apiVersion":"admission.k8s.io/v1","request":{"uid":""}}"#,
            "`request.uid` must be a string that is not empty",
        ),
        (
            r#"{"kind":"AdmissionReview","apiVersion":"admission.k8s.io/v1","request":{"uid":7}}"#,
            "`request.uid` must be a string that is not empty",
        ),
        (
            r#"{"kind":"AdmissionReview","kind":"AdmissionReview","apiVersion":"admission.k8s.io/v1","request":{"uid":"u"}}"#,
            "an object has the same key twice (at byte 33)",
        ),
        (
            r#"{"kind":"AdmissionReview"} x"#,
            "text after the JSON document (at byte 27)",
        ),
    ] {
        assert_eq!(line(Gate::Validate, body), bad(text), "{body}");
    }
    assert_eq!(
        line(Gate::Authz, &admission_review(pod()).to_string()),
        bad("`kind` must be SubjectAccessReview")
    );
}

#[test]
fn unreadable_content_is_a_review_that_refuses() {
    let refused = |object: &str| {
        let body = admission_review(json!("OBJECT"))
            .to_string()
            .replace("\"OBJECT\"", object);
        let (answer, record) = ask_with(&Settings::default(), Gate::Validate, &[ALLOWS], body.as_bytes());
        assert_eq!(
            (answer.status, record.failure),
            (200, Some("content")),
            "{object:.40}"
        );
        let answer: Value = serde_json::from_slice(&answer.body).unwrap();
        assert_eq!(answer["response"]["uid"], "u-1");
        assert_eq!(answer["response"]["allowed"], false);
        assert_eq!(answer["response"]["status"]["code"], 400);
        assert_eq!(answer["response"]["status"]["reason"], "BadRequest");
        answer["response"]["status"]["message"]
            .as_str()
            .unwrap()
            .to_owned()
    };
    let deep = format!("{}{}", "[".repeat(9_000), "]".repeat(9_000));
    for (object, problem) in [
        (deep.as_str(), "nested more than 128 levels deep"),
        (r#"{"a":1,"a":2}"#, "the same key twice"),
        ("{\"a\":18446744073709551616}", "a number out of range"),
        ("{\"a\":1e400}", "a number out of range"),
        (r#"{"a":"\ud800"}"#, "not Unicode"),
        ("[]", "`object` must be an object, it is of type array"),
        ("7", "`object` must be an object, it is of type number"),
    ] {
        let message = refused(object);
        assert!(
            message.starts_with("the review cannot be read: ") && message.contains(problem),
            "{message}"
        );
    }
    let mut review = admission_review(pod());
    review["request"]["operation"] = json!("PATCH");
    let response = &ask(Gate::Validate, &[ALLOWS], &review)["response"];
    assert_eq!(
        response["status"]["message"],
        "the review cannot be read: `operation` must be CREATE, UPDATE, DELETE or CONNECT"
    );
    // A hundred levels get a real decision.
    let legal = format!("{{\"a\":{}{}}}", "[".repeat(100), "]".repeat(100));
    let body = admission_review(json!("OBJECT"))
        .to_string()
        .replace("\"OBJECT\"", &legal);
    let (answer, _) = ask_with(&Settings::default(), Gate::Validate, &[ALLOWS], body.as_bytes());
    assert!(String::from_utf8_lossy(&answer.body).contains(r#""allowed":true"#));
}

#[test]
fn failures_are_answered_from_the_envelope_alone() {
    let hint = EnvelopeHint::scan(admission_review(pod()).to_string().as_bytes());
    let (answer, record) = refuse(
        Gate::Validate,
        &hint,
        &Failure::Overload,
        &Settings::default(),
        None,
    );
    let response: Value = serde_json::from_slice(&answer.body).unwrap();
    assert_eq!(
        (answer.status, record.code, &response["response"]["uid"]),
        (200, 429, &json!("u-1"))
    );
    let seconds = response["response"]["status"]["details"]["retryAfterSeconds"]
        .as_u64()
        .unwrap();
    assert!((1..=8).contains(&seconds));
    let (answer, _) = refuse(
        Gate::Validate,
        &hint,
        &Failure::NoPolicySet,
        &Settings::default(),
        None,
    );
    let response: Value = serde_json::from_slice(&answer.body).unwrap();
    assert_eq!(response["response"]["status"]["code"], 503);
    assert_eq!(response["response"]["status"].get("details"), None);
    // Without an envelope there is no review to answer with; a caller who is not let in learns nothing of it.
    let (answer, _) = refuse(
        Gate::Validate,
        &EnvelopeHint::default(),
        &Failure::Overload,
        &Settings::default(),
        None,
    );
    assert_eq!(
        (answer.status, &answer.body[..]),
        (400, &b"`kind` must be AdmissionReview\n"[..])
    );
    let (answer, _) = refuse(
        Gate::Validate,
        &EnvelopeHint::default(),
        &Failure::Caller,
        &Settings::default(),
        None,
    );
    assert_eq!(answer.status, 401);
}

#[test]
fn a_late_access_review_is_denied_only_where_a_policy_could_deny() {
    let hint = EnvelopeHint::scan(access_review("a").to_string().as_bytes());
    let late = |policies: &[&str]| {
        let (answer, _) = refuse(
            Gate::Authz,
            &hint,
            &Failure::Deadline,
            &Settings::default(),
            Some(&set(policies)),
        );
        serde_json::from_slice::<Value>(&answer.body).unwrap()["status"].clone()
    };
    assert_eq!(late(&[ALLOW]), json!({ "allowed": false }));
    let denied = json!({ "allowed": false, "denied": true, "reason": "the policies did not answer in time" });
    assert_eq!(late(&[ALLOW, DENY]), denied);
}

#[test]
fn no_value_of_a_review_is_kept_for_the_log() {
    const CANARY: &str = "canary-7f3a";
    let secret = json!({ "kind": "Secret", "metadata": { "name": "s" }, "data": { "password": CANARY } });
    let admission = admission_review(secret);
    let token = token_review(CANARY, &[]);
    let validate = |rule: &str| {
        (
            Gate::Validate,
            format!("package kubernetes.admission.p\n{rule}\n"),
            &admission,
        )
    };
    let authn = |rule: &str| {
        (
            Gate::Authn,
            format!("package kubernetes.authentication.p\n{rule}\n"),
            &token,
        )
    };
    for ((gate, policy, review), reason) in [
        (
            validate("deny contains \"x\" if 1 + input.request.object == 2"),
            "builtin",
        ),
        (
            validate("deny contains \"x\" if object.get(input.request.object.data.password, \"a\", 1) == 1"),
            "builtin",
        ),
        (
            validate("x := input.request.object\nx := 1\ndeny contains \"x\" if x"),
            "conflict",
        ),
        (
            validate("f(_) := input.request.object.data.password\nf(_) := 1\ndeny contains \"x\" if f(1)"),
            "conflict",
        ),
        (validate("deny := input.request.object"), "type"),
        (
            validate("deny contains {\"msg\": \"x\", input.request.object.data.password: 1}"),
            "type",
        ),
        (
            authn("user := {\"username\": \"x\"} if to_number(input.spec.token) == 1"),
            "builtin",
        ),
        (
            authn("user := {\"username\": \"x\", input.spec.token: 1}"),
            "type",
        ),
        (
            authn(
                "user := {\"username\": \"x\"} if json.unmarshal(concat(\"\", [input.spec.token, \"{\"])) == 1\ndeny := input.spec.token",
            ),
            "type",
        ),
    ] {
        let (answer, mut record) = ask_with(
            &Settings::default(),
            gate,
            &[&policy],
            review.to_string().as_bytes(),
        );
        assert_eq!(record.faults.len(), 1, "{policy}");
        assert_eq!(record.faults[0].reason, reason, "{policy}: {record:?}");
        // Only what a command shows to whoever runs it may have it.
        record.faults[0].text.clear();
        assert!(!format!("{record:?}").contains(CANARY), "{policy}: {record:?}");
        assert!(
            !String::from_utf8_lossy(&answer.body).contains(CANARY),
            "{policy}"
        );
    }
}

#[test]
fn details_of_messages_go_to_the_record_and_not_to_the_wire() {
    let policy = "package kubernetes.admission.p\ndeny contains {\"msg\": \"no\", \"details\": {\"owner\": \"team-a\"}}\n";
    let body = admission_review(pod()).to_string();
    let (answer, record) = ask_with(&Settings::default(), Gate::Validate, &[policy], body.as_bytes());
    assert_eq!(record.details, [r#"{"owner":"team-a"}"#]);
    assert!(!String::from_utf8_lossy(&answer.body).contains("team-a"));
}

#[test]
fn parts_that_are_missing_or_of_another_type_are_not_taken_as_empty() {
    let problem = |gate, policy: &str, review: &Value| {
        let answer = ask(gate, &[policy], review);
        let status = if gate == Gate::Validate {
            &answer["response"]
        } else {
            &answer["status"]
        };
        assert_eq!(status["allowed"], false, "{answer}");
        let text = status["status"]["message"]
            .as_str()
            .or(status["reason"].as_str())
            .unwrap();
        text.strip_prefix("the review cannot be read: ")
            .unwrap()
            .to_owned()
    };
    let without = |mut review: Value, pointer: &str, member: &str| {
        review
            .pointer_mut(pointer)
            .unwrap()
            .as_object_mut()
            .unwrap()
            .remove(member);
        review
    };
    let with = |mut review: Value, pointer: &str, member: &str, value: Value| {
        review
            .pointer_mut(pointer)
            .unwrap()
            .as_object_mut()
            .unwrap()
            .insert(member.to_owned(), value);
        review
    };
    let admission = || admission_review(pod());
    for (review, text) in [
        (without(admission(), "/request", "kind"), "`kind` is missing"),
        (
            with(admission(), "/request", "kind", json!({})),
            "`version` is missing",
        ),
        (without(admission(), "/request/kind", "kind"), "`kind` is missing"),
        (
            without(admission(), "/request", "resource"),
            "`resource` is missing",
        ),
        (
            without(admission(), "/request", "userInfo"),
            "`userInfo` is missing",
        ),
        (
            with(admission(), "/request", "object", Value::Null),
            "`object` is missing",
        ),
        (
            with(admission(), "/request", "operation", json!("UPDATE")),
            "`oldObject` is missing",
        ),
        (
            with(admission(), "/request", "operation", json!("DELETE")),
            "`oldObject` is missing",
        ),
        (
            with(admission(), "/request", "requestKind", json!(5)),
            "`requestKind` must be an object, it is of type number",
        ),
        (
            with(admission(), "/request", "operation", json!("PATCH")),
            "`operation` must be CREATE, UPDATE, DELETE or CONNECT",
        ),
    ] {
        assert_eq!(problem(Gate::Validate, ALLOWS, &review), text);
    }
    assert_eq!(
        problem(Gate::Image, NO_LATEST, &without(image_review(&[]), "", "spec")),
        "`spec` is missing"
    );
    let attributes = "/spec/resourceAttributes";
    let access = || access_review("open");
    assert_eq!(
        problem(Gate::Authz, ALLOW, &without(access(), attributes, "verb")),
        "`verb` is missing"
    );
    let selector = json!({ "requirements": [5] });
    assert_eq!(
        problem(
            Gate::Authz,
            ALLOW,
            &with(access(), attributes, "labelSelector", selector)
        ),
        "`requirements` must be a list of objects, it is of type array"
    );
    // What v1beta1 does not know must not hide what it knows.
    let mut beta = access();
    beta["apiVersion"] = json!("authorization.k8s.io/v1beta1");
    beta["spec"]["group"] = json!(["bad"]);
    assert_eq!(
        problem(Gate::Authz, ALLOW, &beta),
        "`groups` is not a member of v1beta1: `group`"
    );
    beta["spec"]["groups"] = json!([]);
    let by_group =
        "package kubernetes.authorization.p\ndeny contains \"x\" if \"bad\" in input.spec.groups\n";
    assert_eq!(ask(Gate::Authz, &[by_group], &beta)["status"]["denied"], true);
}

#[test]
fn causes_are_as_bounded_as_the_message() {
    let long = "package kubernetes.admission.p\ndeny contains {\"msg\": concat(\"\", [\"x\" | some _ in numbers.range(1, 20000)]), \"code\": 422}\n";
    let many = "package kubernetes.admission.p\ndeny contains {\"msg\": sprintf(\"%d\", [n]), \"code\": 422} if some n in numbers.range(1, 5000)\n";
    for policy in [long, many] {
        let body = admission_review(pod()).to_string();
        let (answer, _) = ask_with(&Settings::default(), Gate::Validate, &[policy], body.as_bytes());
        // Each cause repeats its reason beside its text.
        assert!(answer.body.len() < 100_000, "{}", answer.body.len());
        assert!(String::from_utf8_lossy(&answer.body).contains("Invalid"));
    }
    let answer = ask(Gate::Validate, &[many], &admission_review(pod()));
    let causes = answer["response"]["status"]["details"]["causes"]
        .as_array()
        .unwrap();
    assert!(
        causes.last().unwrap()["message"]
            .as_str()
            .unwrap()
            .ends_with(" more")
    );
}
