//! What the policies of a review come to together: messages and their bounds, modes beside each other, whose user and
//! audiences are taken, what of a repeated chain counts.

use super::*;
use crate::policy::roots;

fn decided(gate: Gate, policies: &[String], review: &Value) -> Value {
    asked(&Settings::default(), gate, policies, review).0
}

fn patch_of(answer: &Value) -> Value {
    let patch = answer["response"]["patch"].as_str().unwrap_or_default();
    serde_json::from_slice(&STANDARD.decode(patch).unwrap()).unwrap_or_default()
}

#[test]
fn messages_stand_in_the_order_of_order_then_name_then_text() {
    for gate in [Gate::Validate, Gate::Mutate] {
        let policies = [
            ("order: 1", "a", "deny := [\"z\", {\"msg\": \"y\"}]"),
            ("order: 0", "c", "deny contains \"2\"\ndeny contains \"1\""),
            ("order: 0", "b", "deny contains \"3\""),
            ("order: -1", "z", "warn := [\"w2\", {\"msg\": \"w1\"}]"),
        ];
        let policies =
            policies.map(|(custom, name, rules)| with(custom, &format!("{}.{name}", roots(gate).0), rules));
        let answer = decided(gate, &policies, &review_of(gate));
        assert_eq!(
            answer["response"]["status"]["message"],
            "[b] 3; [c] 1; [c] 2; [a] y; [a] z"
        );
        assert_eq!(answer["response"]["warnings"], json!(["[z] w1", "[z] w2"]));
    }
}

#[test]
fn every_code_of_a_message_has_its_reason() {
    for (code, reason) in [
        (400, "BadRequest"),
        (403, "Forbidden"),
        (405, "MethodNotAllowed"),
        (406, "NotAcceptable"),
        (412, "PreconditionFailed"),
        (413, "RequestEntityTooLarge"),
        (415, "UnsupportedMediaType"),
        (422, "Invalid"),
        (451, "UnavailableForLegalReasons"),
    ] {
        let rule = format!("deny contains {{\"msg\": \"no\", \"code\": {code}}}");
        let policy = with("order: 0", "admission.a", &rule);
        let answer = decided(Gate::Validate, &[policy], &review_of(Gate::Validate));
        let status = &answer["response"]["status"];
        assert_eq!(
            (&status["code"], &status["reason"]),
            (&json!(code), &json!(reason))
        );
    }
}

#[test]
fn a_denial_is_cut_at_4_kib_and_a_reason_or_an_error_at_1_kib() {
    let rule = "deny contains concat(\"\", [\"x\" | some _ in numbers.range(1, 9000)])";
    for (gate, pointer, limit) in [
        (Gate::Authn, "/status/error", 1024),
        (Gate::Authz, "/status/reason", 1024),
        (Gate::Image, "/status/reason", 1024),
        (Gate::Mutate, "/response/status/message", 4096),
        (Gate::Validate, "/response/status/message", 4096),
    ] {
        let policy = with("order: 0", &format!("{}.a", roots(gate).0), rule);
        let answer = decided(gate, &[policy], &review_of(gate));
        let text = answer.pointer(pointer).unwrap().as_str().unwrap();
        assert!(text.starts_with("[a] xxx") && text.ends_with("x…"), "{gate}");
        assert_eq!(text.len(), limit, "{gate}");
    }
}

#[test]
fn audit_annotations_have_their_policys_name_at_every_gate_that_has_them() {
    let rules = "audit_annotations := {\"n\": {\"a\": [1]}, \"text\": \"as it is\"}";
    for (gate, member) in [
        (Gate::Image, "status"),
        (Gate::Mutate, "response"),
        (Gate::Validate, "response"),
    ] {
        let policy = with("instances: [{name: one}]", &format!("{}.a", roots(gate).0), rules);
        let answer = decided(gate, &[policy], &review_of(gate));
        let want = json!({ "a.one.n": "{\"a\":[1]}", "a.one.text": "as it is" });
        assert_eq!(answer[member]["auditAnnotations"], want, "{gate}");
        assert_eq!(answer[member]["allowed"], true, "{gate}");
    }
}

#[test]
fn parameters_that_nobody_gave_are_an_empty_object() {
    let policy = with(
        "order: 0",
        "admission.a",
        "deny contains json.marshal(input.parameters)",
    );
    let answer = decided(Gate::Validate, &[policy], &review_of(Gate::Validate));
    assert_eq!(answer["response"]["status"]["message"], "[a] {}");
}

#[test]
fn a_match_is_compared_with_the_resource_that_is_asked_about_and_not_with_the_requested_one() {
    let mut review = admission_review(json!({ "metadata": {} }));
    review["request"]["resource"] = json!({ "group": "apps", "version": "v1", "resource": "deployments" });
    review["request"]["requestResource"] =
        json!({ "group": "extensions", "version": "v1beta1", "resource": "old" });
    review["request"]["subResource"] = json!("scale");
    review["request"]["requestSubResource"] = json!("other");
    for (custom, allowed) in [
        (
            "match: {apiGroups: [apps], resources: [deployments/scale]}",
            false,
        ),
        ("match: {apiGroups: [extensions]}", true),
        ("match: {resources: [old/*]}", true),
        ("match: {resources: [deployments/other]}", true),
    ] {
        let answer = decided(Gate::Validate, &[with(custom, "admission.a", NO)], &review);
        assert_eq!(answer["response"]["allowed"], allowed, "{custom}");
    }
}

#[test]
fn a_policy_that_warns_patches_all_the_same() {
    let rules = "deny contains \"no\"\nwarn contains \"w\"\n\
                 patch := [{\"op\": \"add\", \"path\": \"/metadata/labels\", \"value\": {\"a\": \"b\"}}]";
    let policy = with("enforcement: warn", "mutation.a", rules);
    let answer = decided(Gate::Mutate, &[policy], &review_of(Gate::Mutate));
    assert_eq!(answer["response"]["warnings"], json!(["[a] no", "[a] w"]));
    assert_eq!(
        patch_of(&answer),
        json!([{ "op": "add", "path": "/metadata/labels", "value": { "a": "b" } }])
    );
}

#[test]
fn a_patch_that_does_not_apply_is_a_warning_of_a_policy_that_warns_and_the_others_are_sent() {
    let policies = [
        with(
            "enforcement: warn",
            "mutation.a",
            "patch := [{\"op\": \"remove\", \"path\": \"/spec/none\"}]",
        ),
        with(
            "order: 1",
            "mutation.b",
            "patch := [{\"op\": \"add\", \"path\": \"/spec/hostname\", \"value\": \"h\"}]",
        ),
    ];
    let (answer, record) = asked(
        &Settings::default(),
        Gate::Mutate,
        &policies,
        &review_of(Gate::Mutate),
    );
    assert_eq!(
        answer["response"]["warnings"],
        json!(["[a] this policy could not be evaluated"])
    );
    assert_eq!(
        patch_of(&answer),
        json!([{ "op": "add", "path": "/spec/hostname", "value": "h" }])
    );
    assert_eq!(outcomes(&record), [("a", "warn", "fault")]);
    assert_eq!(
        record.faults[0].place,
        "`patch`, operation 0: nothing is at its path"
    );
}

#[test]
fn images_need_an_allow_only_of_policies_that_match_and_enforce() {
    let silent = || {
        with(
            "order: 0",
            "image.silent",
            "deny contains \"no\" if input.spec.none",
        )
    };
    let allow = |custom: &str, name: &str, value: bool| {
        with(
            custom,
            &format!("image.{name}"),
            &format!("default allow := {value}"),
        )
    };
    let no_allow = json!({ "allowed": false, "reason": "no policy allows these images" });
    let nobody = json!({ "allowed": false, "reason": "no policy is about these images" });
    let allowed = json!({ "allowed": true });
    for (policies, want) in [
        (vec![silent(), allow("enforcement: dryrun", "a", false)], &allowed),
        (
            vec![silent(), allow("match: {namespaces: [other]}", "a", false)],
            &allowed,
        ),
        (vec![silent(), allow("order: 0", "a", false)], &no_allow),
        (
            vec![
                allow("order: 0", "a", false),
                allow("enforcement: dryrun", "b", true),
            ],
            &no_allow,
        ),
        (
            vec![allow("order: 0", "a", false), allow("order: 0", "b", true)],
            &allowed,
        ),
        (vec![allow("enforcement: dryrun", "a", true)], &nobody),
    ] {
        let answer = decided(Gate::Image, &policies, &review_of(Gate::Image));
        assert_eq!(&answer["status"], want, "{policies:?}");
    }
}

#[test]
fn beside_others_a_dry_run_neither_allows_nor_denies_nor_names_a_user() {
    let rehearsed = "enforcement: dryrun\norder: -1";
    let policies = [
        with(
            rehearsed,
            "authorization.a",
            "allow := true\nreason := \"never told\"",
        ),
        with(
            "order: 0",
            "authorization.b",
            "deny contains \"no\" if input.spec.user == \"joe\"",
        ),
    ];
    let answer = decided(Gate::Authz, &policies, &review_of(Gate::Authz));
    assert_eq!(answer["status"], json!({ "allowed": false }));

    let policies = [
        with(rehearsed, "authorization.a", NO),
        with("order: 0", "authorization.b", "allow := true"),
    ];
    let answer = decided(Gate::Authz, &policies, &review_of(Gate::Authz));
    assert_eq!(answer["status"], json!({ "allowed": true }));

    let user = |name: &str| format!("user := {{\"username\": \"{name}\"}}");
    for order in [-1, 0] {
        let rehearsed = format!("enforcement: dryrun\norder: {order}");
        let policies = [
            with(&rehearsed, "authentication.a", &user("joe")),
            with("order: 0", "authentication.b", &user("jane")),
        ];
        let answer = decided(Gate::Authn, &policies, &review_of(Gate::Authn));
        assert_eq!(answer["status"]["user"]["username"], "jane", "{order}");
    }

    let policies = [
        with(rehearsed, "admission.a", NO),
        with("order: 0", "admission.b", "deny contains \"yes\""),
    ];
    let answer = decided(Gate::Validate, &policies, &review_of(Gate::Validate));
    assert_eq!(answer["response"]["status"]["message"], "[b] yes");
}

#[test]
fn the_user_is_that_of_the_first_policy_by_order_then_name_and_its_audiences_are_taken() {
    let user = |custom: &str, name: &str, more: &str| {
        let rules = format!("user := {{\"username\": \"{name}\"}}\n{more}");
        with(custom, &format!("authentication.of_{name}"), &rules)
    };
    let ask =
        |policies: &[String]| decided(Gate::Authn, policies, &token_review("t", &["api"]))["status"].clone();
    // Users of a later order may differ, from the first and from each other.
    let policies = [
        user("order: 1", "ann", "audiences := [\"api\"]"),
        user("order: 1", "bob", ""),
        user("order: 0", "zoe", ""),
    ];
    assert_eq!(
        ask(&policies),
        json!({ "authenticated": true, "user": { "username": "zoe" } })
    );
    let policies = [
        user("order: 1", "ann", "audiences := [\"other\"]"),
        user("order: 0", "zoe", "audiences := {\"api\", \"more\"}"),
    ];
    assert_eq!(
        ask(&policies),
        json!({ "authenticated": true, "user": { "username": "zoe" }, "audiences": ["api"] })
    );
}

#[test]
fn a_token_for_no_audience_is_refused_though_none_was_asked_for() {
    let rules = "user := {\"username\": \"jane\"}\naudiences := []";
    let answer = decided(
        Gate::Authn,
        &[with("order: 0", "authentication.a", rules)],
        &token_review("t", &[]),
    );
    assert_eq!(
        answer["status"],
        json!({ "authenticated": false, "error": "[a] the token is for other audiences" })
    );
}

#[test]
fn a_denial_of_a_token_wins_over_the_users_of_all_policies() {
    let policies = [
        with(
            "order: -1",
            "authentication.a",
            "user := {\"username\": \"jane\"}",
        ),
        with("order: 1", "authentication.b", "deny contains \"stolen\""),
    ];
    let answer = decided(Gate::Authn, &policies, &review_of(Gate::Authn));
    assert_eq!(
        answer["status"],
        json!({ "authenticated": false, "error": "[b] stolen" })
    );
}

const SET: &str = "patch := [{\"op\": \"add\", \"path\": \"/metadata/labels/s\", \"value\": \"1\"}]\n\
    seen := object.get(input.request.object.metadata, [\"labels\", \"s\"], \"nothing\")\n\
    warn contains sprintf(\"saw %s\", [seen])\naudit_annotations := {\"saw\": seen}\n\
    deny contains \"seen again\" if seen == \"2\"";

#[test]
fn of_the_second_run_only_the_object_that_it_ends_with_counts() {
    let policies = [
        with("order: 0", "mutation.a", SET),
        with(
            "order: 1",
            "mutation.b",
            "patch := [{\"op\": \"replace\", \"path\": \"/metadata/labels/s\", \"value\": \"2\"}] \
             if input.request.object.metadata.labels.s == \"1\"",
        ),
    ];
    let (answer, record) = asked(
        &Settings::default(),
        Gate::Mutate,
        &policies,
        &review_of(Gate::Mutate),
    );
    // On its own result the first policy changes the label again, and the second changes it back.
    assert_eq!(
        patch_of(&answer),
        json!([
            { "op": "add", "path": "/metadata/labels", "value": { "s": "1" } },
            { "op": "replace", "path": "/metadata/labels/s", "value": "2" }
        ])
    );
    assert_eq!(answer["response"]["warnings"], json!(["[a] saw nothing"]));
    assert_eq!(
        answer["response"]["auditAnnotations"],
        json!({ "a.saw": "nothing" })
    );
    assert_eq!(outcomes(&record), [("a", "deny", "warn")]);
}

#[test]
fn both_runs_of_a_chain_share_one_deadline() {
    // Some work in the first run, and work without end in the second.
    let rules = "steps := 2100 if not input.request.object.metadata.labels\nelse := 20000\n\
                 patch := [{\"op\": \"add\", \"path\": \"/metadata/labels\", \"value\": {\"a\": \"b\"}}]\n\
                 deny contains \"x\" if {\n some a in numbers.range(1, steps)\n some b in numbers.range(1, steps)\n a * b == 0\n}";
    let policy = with("order: 0", "mutation.a", rules);
    let body = review_of(Gate::Mutate).to_string();
    let time = Duration::from_secs(2);
    let set = set(&[&policy]);
    let deadline = Instant::now() + time;
    let (answer, record) = answer(
        Gate::Mutate,
        body.as_bytes(),
        &set,
        &Settings::default(),
        deadline,
    );
    let answer: Value = serde_json::from_slice(&answer.body).unwrap();
    assert_eq!(answer["response"]["status"]["code"], 504, "{answer}");
    // With one each it would be the work of the first run more, which is longer than any delay of this thread.
    assert!(
        record.evaluation < time + Duration::from_secs(1),
        "{:?}",
        record.evaluation
    );
}

#[test]
fn a_fault_leaves_the_other_policies_their_say() {
    let policies = [
        with("order: 0", "admission.a", FAULT),
        with(
            "order: 1",
            "admission.b",
            "warn contains \"w\"\naudit_annotations := {\"k\": \"v\"}",
        ),
        with("enforcement: dryrun", "admission.c", NO),
    ];
    let (answer, record) = asked(
        &Settings::default(),
        Gate::Validate,
        &policies,
        &review_of(Gate::Validate),
    );
    assert_eq!(answer["response"]["status"]["code"], 500);
    assert_eq!(
        outcomes(&record),
        [
            ("a", "deny", "fault"),
            ("c", "dryrun", "would_deny"),
            ("b", "deny", "warn")
        ]
    );
}

#[test]
fn rubbish_to_decode_is_undefined_at_authn_and_a_fault_elsewhere() {
    for call in [
        "base64.decode(text)",
        "base64url.decode(text)",
        "json.unmarshal(text)",
    ] {
        let says = |rule: &str, text: &str| format!("{rule} if {{ text := {text}; {call} != 0 }}");
        let user = says("user := {\"username\": \"jane\"}", "input.spec.token");
        let deny = says("deny contains \"no\"", "input.spec.token");
        let policy = with("order: 0", "authentication.a", &format!("{user}\n{deny}"));
        let rubbish = token_review("%{rubbish", &[]);
        let (answer, record) = asked(&Settings::default(), Gate::Authn, &[policy], &rubbish);
        assert_eq!(answer["status"], json!({ "authenticated": false }), "{call}");
        assert_eq!(record.faults, [], "{call}");

        let deny = says("deny contains \"no\"", "\"%{rubbish\"");
        let policy = with("order: 0", "admission.a", &deny);
        let answer = decided(Gate::Validate, &[policy], &review_of(Gate::Validate));
        assert_eq!(answer["response"]["status"]["code"], 500, "{call}");
    }
}

#[test]
fn only_true_allows_images() {
    for (rule, reason) in [
        ("allow := lower(\"TRUE\")", "the policies could not be evaluated"),
        ("allow := count([1])", "the policies could not be evaluated"),
        ("allow := false", "no policy allows these images"),
        ("allow if input.spec.none", "no policy allows these images"),
    ] {
        let policy = with("order: 0", "image.a", rule);
        let answer = decided(Gate::Image, &[policy], &review_of(Gate::Image));
        assert_eq!(
            answer["status"],
            json!({ "allowed": false, "reason": reason }),
            "{rule}"
        );
    }
}
