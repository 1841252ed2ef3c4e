//! Settings as they are felt: each one turned on the real binary, and what is answered with and without it.

use std::time::{Duration, Instant};

use regate::certs::{Authority, Leaf, Validity};
use serde_json::{Value, json};

use crate::process::Process;
use crate::server_process::admission;
use crate::serving::Options;

/// A policy that denies nothing that is asked here.
const QUIET: &str = "package kubernetes.admission.quiet\n\
    deny contains \"never\" if input.request.uid == \"\"\n";

/// What a review is answered: status and document (null if it is none).
fn ask(process: &Process, target: &str, review: &str) -> (u16, Value) {
    let response = process.client().post(target, review);
    (
        response.status,
        serde_json::from_str(&response.body).unwrap_or(Value::Null),
    )
}

/// A server with one policy and these flags.
fn with_policy(policy: &str, flags: &[&str]) -> Process {
    let arguments = [["--policy", "policies"].as_slice(), flags].concat();
    Process::start(&[("policies/policy.rego", policy)], &arguments)
}

fn token(token: &str) -> String {
    json!({
        "kind": "TokenReview", "apiVersion": "authentication.k8s.io/v1", "spec": {"token": token}
    })
    .to_string()
}

fn image() -> String {
    json!({
        "kind": "ImageReview", "apiVersion": "imagepolicy.k8s.io/v1alpha1",
        "spec": {"containers": [{"image": "nginx"}]}
    })
    .to_string()
}

const BANNED: &str = "package kubernetes.admission.banned\n\
    deny contains data.banned[input.request.uid]\n";

#[test]
fn named_data_is_there_for_the_policies_of_a_directory() {
    let files = [
        ("policies/banned.rego", BANNED),
        ("more/banned/data.json", r#"{"u-1": "not you"}"#),
    ];
    let process = Process::start(&files, &["--policy", "policies", "--data", "more"]);
    let (status, answer) = ask(&process, "/v1/validate", &admission("u-1", ""));
    assert_eq!(status, 200);
    assert_eq!(answer["response"]["status"]["message"], "[banned] not you");
    let (_, answer) = ask(&process, "/v1/validate", &admission("u-2", ""));
    assert_eq!(answer["response"]["allowed"], true);
}

#[test]
fn named_data_is_there_for_the_built_in_policies_too() {
    // The digest of jane-token.
    let digests =
        r#"{"af358a732b79e9b3831540140ca5399bde23121786af773c9f4f520824828a1c": {"username": "jane"}}"#;
    let files = [("more/regate/tokens/digests/data.json", digests)];
    let process = Process::start(&files, &["--data", "more"]);
    let (status, answer) = ask(&process, "/v1/authn", &token("jane-token"));
    assert_eq!(
        (status, &answer["status"]["user"]["username"]),
        (200, &json!("jane"))
    );
    // What came with them is still there.
    let (_, answer) = ask(&process, "/v1/authn", &token("regate-demo-token"));
    assert_eq!(answer["status"]["user"]["username"], "demo-user");
}

#[test]
fn policies_of_the_old_language_are_served_alone_and_beside_others() {
    let files = [
        (
            "policies/new.rego",
            "package kubernetes.admission.new\ndeny contains \"new\" if input.request.uid == \"u-1\"\n",
        ),
        (
            "old/old.rego",
            "package kubernetes.admission.old\ndeny[\"old\"] { input.request.uid == \"u-1\" }\n",
        ),
    ];
    for (flags, message) in [
        (&["--policy-v0", "old"][..], "[old] old"),
        (
            &["--policy", "policies", "--policy-v0", "old"],
            "[new] new; [old] old",
        ),
    ] {
        let process = Process::start(&files, flags);
        let (status, answer) = ask(&process, "/v1/validate", &admission("u-1", ""));
        assert_eq!(
            (status, &answer["response"]["status"]["message"]),
            (200, &json!(message)),
            "{flags:?}"
        );
        let (_, answer) = ask(&process, "/v1/validate", &admission("u-2", ""));
        assert_eq!(answer["response"]["allowed"], true, "{flags:?}");
    }
}

#[test]
fn images_that_no_policy_judges_are_answered_by_the_default() {
    for (flags, allowed) in [
        (&[][..], false),
        (&["--image-default", "deny"], false),
        (&["--image-default", "allow"], true),
    ] {
        let process = with_policy(QUIET, flags);
        let (status, answer) = ask(&process, "/v1/image", &image());
        assert_eq!(
            (status, &answer["status"]["allowed"]),
            (200, &json!(allowed)),
            "{flags:?}"
        );
    }
}

const SYSTEM: &str = "package kubernetes.authentication.system\n\
    user := {\"username\": \"system:robot\"} if input.spec.token == \"robot\"\n";

#[test]
fn an_identity_of_the_system_is_given_only_where_it_is_allowed() {
    let refused = with_policy(SYSTEM, &["--allow-identity", "group=system:robot"]);
    let (status, answer) = ask(&refused, "/v1/authn", &token("robot"));
    assert_eq!(
        (status, &answer["status"]["authenticated"]),
        (200, &json!(false)),
        "{answer}"
    );
    let allowed = with_policy(SYSTEM, &["--allow-identity", "user=system:ro*"]);
    let (status, answer) = ask(&allowed, "/v1/authn", &token("robot"));
    assert_eq!(
        (status, &answer["status"]["user"]["username"]),
        (200, &json!("system:robot")),
        "{answer}"
    );
}

const FAULTY: &str = "deny contains \"x\" if to_number(input.request.uid) == 1\n";

#[test]
fn a_fault_is_deferred_only_at_the_gate_that_was_named() {
    let files = [
        (
            "policies/m.rego",
            &*format!("package kubernetes.mutation.faulty\n{FAULTY}"),
        ),
        (
            "policies/v.rego",
            &*format!("package kubernetes.admission.faulty\n{FAULTY}"),
        ),
    ];
    let process = Process::start(&files, &["--policy", "policies", "--on-fault", "validate=defer"]);
    let response = process.client().post("/v1/validate", admission("u-1", ""));
    assert_eq!(
        (response.status, response.body.as_str()),
        (503, "the policies could not be evaluated\n")
    );
    let (status, answer) = ask(&process, "/v1/mutate", &admission("u-1", ""));
    assert_eq!(status, 200);
    assert_eq!(answer["response"]["status"]["code"], 500);
    assert_eq!(
        answer["response"]["status"]["message"],
        "the policies could not be evaluated"
    );
}

#[test]
fn gates_that_are_not_named_are_not_found() {
    let process = with_policy(QUIET, &["--gate", "validate"]);
    assert_eq!(ask(&process, "/v1/validate", &admission("u-1", "")).0, 200);
    for gate in ["authn", "authz", "image", "mutate"] {
        assert_eq!(ask(&process, &format!("/v1/{gate}"), "{}").0, 404, "{gate}");
    }
}

#[test]
fn what_only_listed_clients_may_ask_is_not_said_to_be_open() {
    let authority = Authority::new("clients", Validity::days(1).unwrap()).unwrap();
    let files = [("policies/policy.rego", QUIET), ("clients.crt", &authority.pem())];
    let listed = ["--client-ca", "clients.crt", "--allow-client", "apiserver"];
    let mut process = Process::start(&files, &[&["--policy", "policies"], listed.as_slice()].concat());
    process.signal("TERM");
    let (_, said) = process.ended();
    let ca = process.ca.display();
    assert!(
        said.ends_with(&format!("development: the certificate's CA is {ca}\n")),
        "{said}"
    );
}

#[test]
fn a_client_is_let_in_at_the_gates_where_it_is_listed() {
    let authority = Authority::new("clients", Validity::days(1).unwrap()).unwrap();
    let files = [("policies/policy.rego", QUIET), ("clients.crt", &authority.pem())];
    let process = Process::start(
        &files,
        &[
            "--policy",
            "policies",
            "--client-ca",
            "clients.crt",
            "--allow-client",
            "everywhere",
            "--allow-client",
            "validate=apiserver",
        ],
    );
    let status = |name: &str, gate: &str| {
        let issued = authority.issue(&Leaf {
            common_name: name.to_owned(),
            usages: vec![rcgen::ExtendedKeyUsagePurpose::ClientAuth],
            ..Leaf::new(Validity::days(1).unwrap())
        });
        let issued = issued.unwrap();
        let options = Options {
            identity: Some((issued.certificate, issued.key)),
            ..Options::default()
        };
        let review = admission("u-1", "");
        process
            .connect(&options)
            .post(&format!("/v1/{gate}"), review)
            .status
    };
    assert_eq!(status("apiserver", "validate"), 200);
    assert_eq!(status("apiserver", "mutate"), 401);
    assert_eq!(status("everywhere", "validate"), 200);
    assert_eq!(status("everywhere", "mutate"), 200);
    assert_eq!(status("validate=apiserver", "validate"), 401);
    assert_eq!(
        process.client().post("/v1/validate", admission("u-1", "")).status,
        401
    );
}

const SLOW: &str = "package kubernetes.admission.slow\n\
    deny contains \"x\" if {\n  some i in numbers.range(1, 5000)\n  some j in numbers.range(1, 5000)\n  i + j == 0\n}\n";

#[test]
fn a_policy_that_is_too_slow_is_answered_at_the_deadline() {
    let process = with_policy(SLOW, &["--deadline", "300ms"]);
    let mut client = process.client();
    let begin = Instant::now();
    let response = client.post("/v1/validate", admission("u-1", ""));
    // Without the flag it takes 3 s.
    assert!(
        begin.elapsed() < Duration::from_millis(2500),
        "{:?}",
        begin.elapsed()
    );
    assert_eq!(response.status, 200);
    let answer: Value = serde_json::from_str(&response.body).unwrap();
    assert_eq!(answer["response"]["allowed"], false);
    assert_eq!(answer["response"]["status"]["code"], 504);
    assert_eq!(
        answer["response"]["status"]["message"],
        "the policies did not answer in time"
    );
}
