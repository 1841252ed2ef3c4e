use super::*;

#[test]
fn authn_answers_who_a_token_belongs_to() {
    assert_eq!(
        ask(Gate::Authn, &[TOKENS], &token_review("good", &["api", "third"])),
        json!({ "apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "status": {
            "authenticated": true, "audiences": ["api"],
            "user": { "username": "jane", "uid": "42", "groups": ["dev"], "extra": { "example.com/team": ["a"] } } } })
    );
    assert_eq!(
        ask(Gate::Authn, &[TOKENS], &token_review("unknown", &["api"]))["status"],
        json!({"authenticated": false})
    );
}

#[test]
fn authn_refusals_say_why_and_echo_the_audiences_asked_for() {
    let refused = |error: &str| json!({ "authenticated": false, "error": error, "audiences": ["api"] });
    let status = |token: &str| ask(Gate::Authn, &[TOKENS], &token_review(token, &["api"]))["status"].clone();
    assert_eq!(status("revoked"), refused("[tokens] the token was revoked"));
    assert_eq!(
        status("system"),
        refused("[tokens] a username beginning with `system:` that --allow-identity does not list")
    );
    let foreign = &ask(Gate::Authn, &[TOKENS], &token_review("good", &["foreign"]))["status"];
    assert_eq!(
        foreign,
        &json!({ "authenticated": false, "error": "[tokens] the token is for other audiences", "audiences": ["foreign"] })
    );
    let none = &ask(Gate::Authn, &[TOKENS], &token_review("good", &[]))["status"];
    assert_eq!(none["audiences"], json!(["api", "other"]));
    let empty = &ask(Gate::Authn, &[TOKENS], &token_review("", &["api"]))["status"];
    assert_eq!(
        empty,
        &refused("the review cannot be read: `spec.token` is empty")
    );
}

#[test]
fn authn_takes_the_first_user_unless_two_differ() {
    let user = |package: &str, name: &str| {
        format!("package kubernetes.authentication.{package}\nuser := {{\"username\": \"{name}\"}}\n")
    };
    let review = token_review("t", &[]);
    let same = [user("a", "jane"), user("b", "jane")];
    let same: Vec<_> = same.iter().map(String::as_str).collect();
    assert_eq!(
        ask(Gate::Authn, &same, &review)["status"]["user"]["username"],
        "jane"
    );

    let different = [user("a", "jane"), user("b", "joe")];
    let different: Vec<_> = different.iter().map(String::as_str).collect();
    let (answer, record) = ask_with(
        &Settings::default(),
        Gate::Authn,
        &different,
        review.to_string().as_bytes(),
    );
    assert_eq!(
        (answer.status, &answer.body[..]),
        (503, &b"the policies could not be evaluated\n"[..])
    );
    let text = "another policy of the same order gives a different user".to_owned();
    let fault = FaultRecord {
        policy: "b".to_owned(),
        reason: "conflict",
        place: text.clone(),
        text,
    };
    assert_eq!(record.faults, [fault]);
}

#[test]
fn authn_faults_count_where_they_could_hide_a_user_or_a_denial() {
    let user = "user := {\"username\": \"jane\"}\n";
    let faulty_user = "user := {\"username\": \"joe\"} if to_number(\"x\") == 1\n";
    let policy = |name: &str, rules: &str| format!("package kubernetes.authentication.{name}\n{rules}");
    let status = |policies: &[String]| {
        let policies: Vec<_> = policies.iter().map(String::as_str).collect();
        http(
            Gate::Authn,
            &policies,
            token_review("t", &[]).to_string().as_bytes(),
        )
        .0
    };
    // none yields a user; before the winner; behind the winner; behind it, with a deny of its own
    assert_eq!(status(&[policy("a", faulty_user)]), 503);
    assert_eq!(status(&[policy("a", faulty_user), policy("b", user)]), 503);
    assert_eq!(status(&[policy("a", user), policy("b", faulty_user)]), 200);
    assert_eq!(status(&[policy("a", user), policy("b", FAULTY)]), 503);
    // a denial stands whatever else fails
    assert_eq!(
        status(&[policy("a", faulty_user), policy("b", "deny contains \"no\"\n")]),
        200
    );
}
