//! Each gate on the wire: review and policies in, exact answer out.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::*;
use crate::policy::files::{Files, RegoFile};
use crate::policy::load::load;

fn set(policies: &[&str]) -> PolicySet {
    let module = |(number, text): (usize, &&str)| RegoFile {
        path: format!("{number}.rego"),
        text: (*text).to_owned(),
        is_test: false,
    };
    let modules = policies.iter().enumerate().map(module).collect();
    load(&Files {
        modules,
        revision: "r1".into(),
        ..Files::default()
    })
    .unwrap()
}

fn ask_with(settings: &Settings, gate: Gate, policies: &[&str], body: &[u8]) -> (Answer, Record) {
    let deadline = Instant::now() + Duration::from_secs(20);
    answer(gate, body, &set(policies), settings, deadline)
}

fn ask(gate: Gate, policies: &[&str], review: &Value) -> Value {
    let (answer, _) = ask_with(
        &Settings::default(),
        gate,
        policies,
        review.to_string().as_bytes(),
    );
    assert_eq!(
        (answer.status, answer.content_type),
        (200, "application/json"),
        "{answer:?}"
    );
    serde_json::from_slice(&answer.body).unwrap()
}

fn http(gate: Gate, policies: &[&str], body: &[u8]) -> (u16, String) {
    let (answer, _) = ask_with(&Settings::default(), gate, policies, body);
    (answer.status, String::from_utf8(answer.body.to_vec()).unwrap())
}

// ---- authn

fn token_review(token: &str, audiences: &[&str]) -> Value {
    json!({
        "kind": "TokenReview", "apiVersion": "authentication.k8s.io/v1", "metadata": {},
        "spec": { "token": token, "audiences": audiences }, "status": { "user": {} }
    })
}

const TOKENS: &str = r#"package kubernetes.authentication.tokens
user := {"username": "jane", "uid": "42", "groups": ["dev", "system:authenticated"], "extra": {"example.com/team": ["a"]}} if input.spec.token == "good"
user := {"username": "system:admin"} if input.spec.token == "system"
audiences := ["api", "other"] if input.spec.token == "good"
deny contains "the token was revoked" if input.spec.token == "revoked"
"#;

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
    let empty = &ask(Gate::Authn, &[TOKENS], &token_review("", &[]))["status"];
    assert_eq!(
        empty,
        &json!({ "authenticated": false, "error": "the review cannot be read: `spec.token` is empty" })
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
    let fault = (
        "b".to_owned(),
        "conflict",
        "another policy of the same order gives a different user".to_owned(),
    );
    assert_eq!(record.faults, [fault]);
}

const FAULTY: &str = "deny contains \"x\" if to_number(\"x\") == 1\n";

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

#[test]
fn authn_logs_no_part_of_a_token() {
    let policy = "package kubernetes.authentication.t\nuser := {\"username\": \"x\"} if to_number(input.spec.token) == 1\n";
    let body = token_review("canary-7f3a", &[]).to_string();
    let (answer, record) = ask_with(&Settings::default(), Gate::Authn, &[policy], body.as_bytes());
    assert_eq!(answer.status, 503);
    assert_eq!(
        record.faults,
        [(
            "t".to_owned(),
            "builtin",
            "0.rego:2:50: a builtin failed".to_owned()
        )]
    );
    assert!(!format!("{record:?}{answer:?}").contains("canary"));
}

// ---- authz

fn access_review(namespace: &str) -> Value {
    json!({
        "kind": "SubjectAccessReview", "apiVersion": "authorization.k8s.io/v1", "metadata": {},
        "spec": { "user": "jane", "groups": ["dev"], "resourceAttributes": {
            "verb": "list", "resource": "secrets", "namespace": namespace } },
        "status": { "allowed": false }
    })
}

const ALLOW: &str = r#"package kubernetes.authorization.readers
allow if { input.spec.resourceAttributes.namespace == "open"; "dev" in input.spec.groups }
reason := "developers read"
"#;
const DENY: &str = r#"package kubernetes.authorization.vault
deny contains "no secrets from the vault" if input.spec.resourceAttributes.namespace in {"vault", "both"}
allow if input.spec.resourceAttributes.namespace == "both"
reason := "ask the vault's owners" if true
"#;

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
        ("allow := 1", true),
        ("allow := \"true\"", true),
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

// ---- image

fn image_review(images: &[&str]) -> Value {
    let containers: Vec<_> = images.iter().map(|image| json!({ "image": image })).collect();
    json!({ "kind": "ImageReview", "apiVersion": "imagepolicy.k8s.io/v1alpha1", "metadata": {},
        "spec": { "containers": containers, "namespace": "t" }, "status": { "allowed": false } })
}

const NO_LATEST: &str = r#"package kubernetes.image.no_latest
deny contains sprintf("%v has no fixed tag", [c.image]) if { some c in input.spec.containers; endswith(c.image, ":latest") }
audit_annotations := {"count": count(input.spec.containers)}
"#;
const TRUSTED: &str = r#"package kubernetes.image.trusted
allow if { every c in input.spec.containers { startswith(c.image, "registry.test/") } }
"#;

#[test]
fn image_denies_needs_an_allow_where_one_exists_and_else_allows() {
    let status = |policies: &[&str], image: &str| {
        ask(Gate::Image, policies, &image_review(&[image]))["status"].clone()
    };
    let annotations = json!({ "no_latest.count": "1" });
    assert_eq!(
        status(&[NO_LATEST], "a:latest"),
        json!({ "allowed": false, "reason": "[no_latest] a:latest has no fixed tag", "auditAnnotations": annotations })
    );
    assert_eq!(
        status(&[NO_LATEST], "a:1"),
        json!({ "allowed": true, "auditAnnotations": annotations })
    );
    assert_eq!(
        status(&[TRUSTED], "registry.test/a:1"),
        json!({ "allowed": true })
    );
    assert_eq!(
        status(&[TRUSTED], "a:1"),
        json!({ "allowed": false, "reason": "no policy allows these images" })
    );
    assert_eq!(status(&[NO_LATEST, TRUSTED], "a:1")["allowed"], json!(false));
    assert_eq!(
        status(&[], "a:1"),
        json!({ "allowed": false, "reason": "no policy is about these images" })
    );
    let open = Settings {
        image_default_allow: true,
        ..Settings::default()
    };
    let (answer, _) = ask_with(
        &open,
        Gate::Image,
        &[],
        image_review(&["a:1"]).to_string().as_bytes(),
    );
    assert!(String::from_utf8_lossy(&answer.body).contains(r#""allowed":true"#));
}

#[test]
fn image_faults_refuse() {
    let faulty = "package kubernetes.image.p\nallow if to_number(\"x\") == 1\n";
    let want = json!({ "allowed": false, "reason": "the policies could not be evaluated" });
    assert_eq!(ask(Gate::Image, &[faulty], &image_review(&["a"]))["status"], want);
}

// ---- validate

fn admission_review(object: Value) -> Value {
    json!({
        "kind": "AdmissionReview", "apiVersion": "admission.k8s.io/v1",
        "request": {
            "uid": "u-1", "kind": { "group": "", "version": "v1", "kind": "Pod" },
            "resource": { "group": "", "version": "v1", "resource": "pods" },
            "name": "web", "namespace": "shop", "operation": "CREATE",
            "userInfo": { "username": "jane", "groups": ["dev"] },
            "object": object, "oldObject": null, "dryRun": false, "options": null
        }
    })
}

fn pod() -> Value {
    json!({ "apiVersion": "v1", "kind": "Pod", "metadata": { "name": "web", "namespace": "shop" },
        "spec": { "containers": [{ "name": "c", "image": "a" }] } })
}

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
    let policy = r#"package kubernetes.admission.echo
deny contains json.marshal({"r": input.regate, "p": input.parameters, "future": input.request.future, "n": input.request.object.n})
"#;
    let mut review = admission_review(json!({ "n": 9_007_199_254_740_993_i64 }));
    review["request"]["future"] = json!({ "field": [1] });
    let message = ask(Gate::Validate, &[policy], &review)["response"]["status"]["message"].clone();
    let want = json!({ "future": { "field": [1] }, "n": 9_007_199_254_740_993_i64, "p": {},
        "r": { "gate": "validate", "policy": "echo", "revision": "r1" } });
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

// ---- envelope and content

const ALLOWS: &str = "package kubernetes.admission.p\ndeny contains \"x\" if false\n";

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

// ---- mutate

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
    assert_eq!(record.faults, [("append".to_owned(), "patch", detail)]);

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
    assert_eq!((record.faults.len(), record.faults[0].1), (1, "patch"));
    assert!(
        record.faults[0].2.contains("metadata/name") || record.faults[0].2.contains("metadata.name"),
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
        (record.failure, record.faults[0].1),
        (Some("deadline"), "timeout")
    );
}
