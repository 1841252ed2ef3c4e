//! Who you are: tokens that the API server hands to Regate.

use anyhow::Result;
use serde_json::{Value, json};

use crate::gates::Gates;
use crate::stage::Stage;

super::cases![
    a_good_token_logs_in_with_everything_that_the_policy_says_of_its_user,
    an_unknown_token_and_a_revoked_one_are_unauthorized,
    a_policy_cannot_hand_out_a_reserved_group,
    a_token_that_names_no_audience_is_good_for_the_api_server_only,
    a_token_is_good_for_the_audiences_that_the_policy_names,
];

/// The audience of the API server itself.
const API_SERVER: &str = "https://kubernetes.default.svc";

/// The audience of somebody else.
const VAULT: &str = "https://vault.example.com";

const UNAUTHORIZED: &str = "error: You must be logged in to the server (Unauthorized)";

fn a_good_token_logs_in_with_everything_that_the_policy_says_of_its_user(stage: &Stage) -> Result<()> {
    let gates = stage.gates()?;
    let review: Value =
        serde_json::from_str(&gates.plane().bearer("jane-token")?.must("auth whoami -o json")?)?;
    let user = json!({
        "username": "jane",
        "uid": "42",
        "groups": ["dev", "system:authenticated"],
        "extra": {"example.com/desk": ["7"]},
    });
    assert_eq!(review["status"]["userInfo"], user);
    Ok(())
}

fn an_unknown_token_and_a_revoked_one_are_unauthorized(stage: &Stage) -> Result<()> {
    let gates = stage.gates()?;
    for token in ["nobody-knows-me", "mallory-token"] {
        let printed = gates.plane().bearer(token)?.run("get pods -n default")?;
        assert_eq!(
            (printed.code, printed.stderr.as_str()),
            (1, UNAUTHORIZED),
            "{token}"
        );
        assert_eq!(printed.stdout, "");
    }
    // The user does not learn why, the administrator does.
    assert_eq!(
        review(&gates, "nobody-knows-me", &[])?,
        refused("invalid bearer token")
    );
    let revoked = refused("[invalid bearer token, [accounts] the token is revoked]");
    assert_eq!(review(&gates, "mallory-token", &[])?, revoked);
    // Nor does the API server lose the reason when other audiences than its own are asked for.
    assert_eq!(review(&gates, "mallory-token", &[VAULT])?, revoked);
    Ok(())
}

fn a_policy_cannot_hand_out_a_reserved_group(stage: &Stage) -> Result<()> {
    let gates = stage.gates()?;
    let printed = gates.plane().bearer("root-token")?.run("get namespaces")?;
    assert_eq!((printed.code, printed.stderr.as_str()), (1, UNAUTHORIZED));
    let why = "[accounts] a group beginning with `system:` that --allow-identity does not list";
    assert_eq!(
        review(&gates, "root-token", &[])?,
        refused(&format!("[invalid bearer token, {why}]"))
    );
    Ok(())
}

fn a_token_that_names_no_audience_is_good_for_the_api_server_only(stage: &Stage) -> Result<()> {
    let gates = stage.gates()?;
    for asked in [&[][..], &[API_SERVER], &[API_SERVER, VAULT]] {
        let status = review(&gates, "jane-token", asked)?;
        assert_eq!(
            (&status["authenticated"], &status["audiences"]),
            (&json!(true), &json!([API_SERVER]))
        );
        assert_eq!(status["user"]["username"], "jane", "{asked:?}");
    }
    assert_eq!(
        review(&gates, "jane-token", &[VAULT])?,
        refused("invalid bearer token")
    );
    Ok(())
}

fn a_token_is_good_for_the_audiences_that_the_policy_names(stage: &Stage) -> Result<()> {
    let gates = stage.gates()?;
    for (token, asked, matching) in [
        ("robot-token", &[][..], API_SERVER),
        ("robot-token", &[VAULT, "https://foreign.example.com"], VAULT),
        ("courier-token", &[VAULT], VAULT),
    ] {
        let status = review(&gates, token, asked)?;
        assert_eq!(
            (&status["authenticated"], &status["audiences"]),
            (&json!(true), &json!([matching]))
        );
    }
    for (token, asked) in [
        ("robot-token", &["https://foreign.example.com"][..]),
        ("courier-token", &[]),
    ] {
        let status = review(&gates, token, asked)?;
        assert_eq!(
            (&status["authenticated"], &status["user"]),
            (&Value::Null, &json!({})),
            "{token}"
        );
    }
    let courier = gates
        .plane()
        .bearer("courier-token")?
        .run("get pods -n default")?;
    assert_eq!((courier.code, courier.stderr.as_str()), (1, UNAUTHORIZED));
    Ok(())
}

/// The status of a TokenReview that names nobody.
fn refused(error: &str) -> Value {
    json!({"user": {}, "error": error})
}

/// The status of a TokenReview that the administrator posts.
fn review(gates: &Gates, token: &str, audiences: &[&str]) -> Result<Value> {
    let review = json!({
        "apiVersion": "authentication.k8s.io/v1",
        "kind": "TokenReview",
        "spec": {"token": token, "audiences": audiences},
    });
    let answer: Value = serde_json::from_str(&gates.admin().must_send("create -o json -f -", &review)?)?;
    Ok(answer["status"].clone())
}
