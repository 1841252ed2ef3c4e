use super::*;

#[test]
fn authz_allows_denies_or_has_no_opinion() {
    let status =
        |namespace: &str| ask(Gate::Authz, &[ALLOW, DENY], &access_review(namespace))["status"].clone();
    assert_eq!(
        status("open"),
        json!({ "allowed": true, "reason": "[readers] developers read" })
    );
    let denied = "[vault] no secrets from the vault; [vault] ask the vault's owners";
    assert_eq!(
        status("vault"),
        json!({ "allowed": false, "denied": true, "reason": denied })
    );
    assert_eq!(
        status("both"),
        json!({ "allowed": false, "denied": true, "reason": denied })
    );
    assert_eq!(status("elsewhere"), json!({ "allowed": false }));
}

#[test]
fn only_true_allows() {
    for (rule, fault) in [
        ("allow := count([1])", true),
        ("allow := lower(\"TRUE\")", true),
        ("allow := false", false),
        ("allow if false", false),
    ] {
        let policy = format!("package kubernetes.authorization.p\n{rule}\n");
        let body = access_review("a").to_string();
        let (answer, record) = ask_with(&Settings::default(), Gate::Authz, &[&policy], body.as_bytes());
        let answer: Value = serde_json::from_slice(&answer.body).unwrap();
        assert_eq!(answer["status"], json!({ "allowed": false }), "{rule}");
        assert_eq!(
            (record.decision, record.faults.is_empty()),
            ("no_opinion", !fault),
            "{rule}"
        );
    }
}

#[test]
fn authz_faults_count_only_where_a_denial_could_be_hidden() {
    let faulty = format!("package kubernetes.authorization.faulty\n{FAULTY}");
    let faulty_allow = "package kubernetes.authorization.faulty\nallow if to_number(\"x\") == 1\n";
    let review = access_review("open");
    let denied = json!({ "allowed": false, "denied": true, "reason": "the policies could not be evaluated" });
    assert_eq!(ask(Gate::Authz, &[ALLOW, &faulty], &review)["status"], denied);
    assert_eq!(
        ask(Gate::Authz, &[ALLOW, faulty_allow], &review)["status"]["allowed"],
        json!(true)
    );
    assert_eq!(
        ask(Gate::Authz, &[faulty_allow], &review)["status"],
        json!({ "allowed": false })
    );
    // a denial of another policy stands, deferred or not
    let denial = ask(Gate::Authz, &[DENY, &faulty], &access_review("vault"));
    assert!(
        denial["status"]["reason"]
            .as_str()
            .unwrap()
            .starts_with("[vault] no secrets")
    );

    let defer = Settings {
        on_fault_authz: OnFault::Defer,
        ..Settings::default()
    };
    let (answer, _) = ask_with(
        &defer,
        Gate::Authz,
        &[ALLOW, &faulty],
        review.to_string().as_bytes(),
    );
    assert_eq!(
        (answer.status, &answer.body[..]),
        (503, &b"the policies could not be evaluated\n"[..])
    );
}

#[test]
fn v1beta1_is_echoed_and_its_group_list_read() {
    let mut review = access_review("open");
    review["apiVersion"] = json!("authorization.k8s.io/v1beta1");
    review["spec"]["group"] = json!(["dev"]);
    review["spec"].as_object_mut().unwrap().remove("groups");
    let answer = ask(Gate::Authz, &[ALLOW], &review);
    assert_eq!(
        (&answer["apiVersion"], &answer["status"]["allowed"]),
        (&json!("authorization.k8s.io/v1beta1"), &json!(true))
    );
    // In v1 the name means nothing.
    review["apiVersion"] = json!("authorization.k8s.io/v1");
    assert_eq!(
        ask(Gate::Authz, &[ALLOW], &review)["status"],
        json!({ "allowed": false })
    );
}

#[test]
fn attributes_come_in_one_form_only() {
    let denied = |review: &Value, problem: &str| {
        let reason = format!("the review cannot be read: {problem}");
        let want = json!({ "allowed": false, "denied": true, "reason": reason });
        assert_eq!(ask(Gate::Authz, &[ALLOW], review)["status"], want);
    };
    let mut review = access_review("open");
    review["spec"]["nonResourceAttributes"] = json!({ "path": "/healthz", "verb": "get" });
    denied(&review, "both `resourceAttributes` and `nonResourceAttributes`");
    review["spec"]
        .as_object_mut()
        .unwrap()
        .remove("resourceAttributes");
    assert_eq!(
        ask(Gate::Authz, &[ALLOW], &review)["status"],
        json!({ "allowed": false })
    );
    review["spec"]
        .as_object_mut()
        .unwrap()
        .remove("nonResourceAttributes");
    denied(
        &review,
        "neither `resourceAttributes` nor `nonResourceAttributes`",
    );
    let mut review = access_review("open");
    let requirement = json!([{ "key": "a", "operator": "In", "values": ["b"] }]);
    review["spec"]["resourceAttributes"]["labelSelector"] = json!({ "requirements": requirement });
    assert_eq!(
        ask(Gate::Authz, &[ALLOW], &review)["status"]["allowed"],
        json!(true)
    );
    review["spec"]["resourceAttributes"]["labelSelector"]["rawSelector"] = json!("a=b");
    denied(
        &review,
        "`labelSelector` has both `rawSelector` and `requirements`",
    );
    let mut review = access_review("open");
    review["spec"]["groups"] = json!("dev");
    denied(
        &review,
        "`groups` must be a list of strings, it is of type string",
    );
}
