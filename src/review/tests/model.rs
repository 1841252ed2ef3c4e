//! How policies are run: enforcement, match, order, parameters, instances, exceptions, Namespaces; and which faults
//! count.

mod combination;
mod faults;
mod namespaces;

use super::*;

/// A policy with these lines of YAML under `custom`.
fn with(custom: &str, package: &str, rules: &str) -> String {
    let custom: String = custom.lines().map(|line| format!("#   {line}\n")).collect();
    format!("# METADATA\n# custom:\n{custom}package kubernetes.{package}\n{rules}\n")
}

/// Answer (as JSON, or the text of an HTTP error) and record.
fn asked(settings: &Settings, gate: Gate, policies: &[String], review: &Value) -> (Value, Record) {
    let policies: Vec<&str> = policies.iter().map(String::as_str).collect();
    let (answer, record) = ask_with(settings, gate, &policies, review.to_string().as_bytes());
    let body = serde_json::from_slice(&answer.body).unwrap_or_else(
        |_| json!({ "http": answer.status, "text": String::from_utf8_lossy(&answer.body).trim() }),
    );
    (body, record)
}

fn outcomes(record: &Record) -> Vec<(&str, &str, &str)> {
    let outcome = |one| {
        let PolicyOutcome {
            policy,
            enforcement,
            outcome,
        }: &PolicyOutcome = one;
        (policy.as_str(), enforcement.as_str(), *outcome)
    };
    record.outcomes.iter().map(outcome).collect()
}

fn review_of(gate: Gate) -> Value {
    match gate {
        Gate::Authn => token_review("t", &[]),
        Gate::Authz => access_review("shop"),
        Gate::Image => image_review(&["nginx"]),
        Gate::Mutate | Gate::Validate => admission_review(pod()),
    }
}

const NO: &str = "deny contains \"no\"";
const FAULT: &str = "deny contains \"x\" if to_number(\"x\") == 1";

#[test]
fn a_policy_that_warns_denies_nothing_and_its_faults_are_warnings() {
    let policies = [
        with("enforcement: warn", "admission.a", NO),
        with("enforcement: warn", "admission.b", FAULT),
    ];
    for gate in [Gate::Validate, Gate::Mutate] {
        let policies = policies.clone().map(|policy| match gate {
            Gate::Mutate => policy.replace(".admission.", ".mutation."),
            _ => policy,
        });
        let (answer, record) = asked(&Settings::default(), gate, &policies, &review_of(gate));
        assert_eq!(answer["response"]["allowed"], true, "{answer}");
        assert_eq!(
            answer["response"]["warnings"],
            json!(["[a] no", "[b] this policy could not be evaluated"]),
            "{gate}"
        );
        assert_eq!(outcomes(&record), [("a", "warn", "warn"), ("b", "warn", "fault")]);
        assert_eq!((record.faults.len(), record.decision), (1, "allow"));
    }
}

#[test]
fn a_dry_run_has_no_effect_of_any_kind_at_any_gate() {
    for (gate, package, rules) in [
        (
            Gate::Authn,
            "authentication.a",
            "deny contains \"no\"\nuser := {\"username\": \"jane\"}",
        ),
        (
            Gate::Authz,
            "authorization.a",
            "deny contains \"no\"\nallow := true\nreason := \"r\"",
        ),
        (
            Gate::Image,
            "image.a",
            "deny contains \"no\"\nallow := true\naudit_annotations := {\"k\": \"v\"}",
        ),
        (
            Gate::Mutate,
            "mutation.a",
            "deny contains \"no\"\nwarn contains \"w\"\naudit_annotations := {\"k\": \"v\"}\n\
             patch := [{\"op\": \"add\", \"path\": \"/metadata/labels/a\", \"value\": \"b\"}]",
        ),
        (
            Gate::Validate,
            "admission.a",
            "deny contains \"no\"\nwarn contains \"w\"\naudit_annotations := {\"k\": \"v\"}",
        ),
    ] {
        let settings = Settings {
            image_default_allow: false,
            ..Settings::default()
        };
        let (without, _) = asked(&settings, gate, &[], &review_of(gate));
        let (answer, record) = asked(
            &settings,
            gate,
            &[with("enforcement: dryrun", package, rules)],
            &review_of(gate),
        );
        assert_eq!(answer, without, "{gate}");
        assert_eq!(outcomes(&record), [("a", "dryrun", "would_deny")], "{gate}");
        let would = [Rehearsed {
            policy: "a".into(),
            text: "[a] no".into(),
        }];
        assert_eq!(record.would_deny, would, "{gate}");

        let fault = with(
            "enforcement: dryrun",
            package,
            "deny contains \"x\" if to_number(\"x\") == 1",
        );
        let (answer, record) = asked(&settings, gate, &[fault], &review_of(gate));
        assert_eq!(answer, without, "{gate}");
        assert_eq!(outcomes(&record), [("a", "dryrun", "fault")], "{gate}");
    }
}

#[test]
fn a_patch_that_a_dry_run_could_not_apply_is_its_fault() {
    let rules = "patch := [{\"op\": \"remove\", \"path\": \"/metadata/labels/none\"}]";
    let policy = with("enforcement: dryrun", "mutation.a", rules);
    let (answer, record) = asked(
        &Settings::default(),
        Gate::Mutate,
        &[policy],
        &review_of(Gate::Mutate),
    );
    assert_eq!(answer["response"], json!({ "uid": "u-1", "allowed": true }));
    assert_eq!(outcomes(&record), [("a", "dryrun", "fault")]);
    assert_eq!(record.faults[0].reason, "patch");
}

#[test]
fn only_policies_that_match_are_asked() {
    let policies = [
        with(
            "match: {kinds: [Pod], operations: [CREATE], namespaces: [shop]}",
            "admission.a",
            NO,
        ),
        with("match: {kinds: [apps/Deployment]}", "admission.b", NO),
        with("match: {groups: [ops*]}", "admission.c", NO),
    ];
    let (answer, _) = asked(
        &Settings::default(),
        Gate::Validate,
        &policies,
        &review_of(Gate::Validate),
    );
    assert_eq!(answer["response"]["status"]["message"], "[a] no");
}

#[test]
fn a_name_is_the_objects_or_what_it_is_generated_from() {
    let policy = with("match: {names: ['web-*']}", "admission.a", NO);
    for (request, metadata, expected) in [
        (json!("web-1"), json!({}), false),
        (json!(""), json!({ "name": "web-1" }), false),
        (json!(""), json!({ "generateName": "web-" }), false),
        (json!("api-1"), json!({ "generateName": "web-" }), true),
        (json!(""), json!({}), true),
    ] {
        let mut review = admission_review(json!({ "metadata": metadata }));
        review["request"]["name"] = request;
        let (answer, _) = asked(
            &Settings::default(),
            Gate::Validate,
            std::slice::from_ref(&policy),
            &review,
        );
        assert_eq!(answer["response"]["allowed"], expected, "{review}");
    }
}

#[test]
fn the_order_of_mutations_is_theirs_and_then_that_of_their_names() {
    let add = |name: &str, order: i64| {
        let rules = format!(
            "patch := [{{\"op\": \"add\", \"path\": [\"metadata\", \"annotations\", \"seen\"], \
             \"value\": concat(\"\", [object.get(object.get(input.request.object.metadata, \"annotations\", {{}}), \"seen\", \"\"), \"{name}\"])}}] \
             if not contains(object.get(object.get(input.request.object.metadata, \"annotations\", {{}}), \"seen\", \"\"), \"{name}\")"
        );
        with(&format!("order: {order}"), &format!("mutation.{name}"), &rules)
    };
    let policies = [add("a", 1), add("b", 0), add("c", 0), add("d", -1)];
    let (answer, record) = asked(
        &Settings::default(),
        Gate::Mutate,
        &policies,
        &review_of(Gate::Mutate),
    );
    let patch = STANDARD
        .decode(answer["response"]["patch"].as_str().unwrap())
        .unwrap();
    let patch: Value = serde_json::from_slice(&patch).unwrap();
    assert_eq!(
        patch.as_array().unwrap().last().unwrap()["value"],
        "dbca",
        "{patch}"
    );
    assert_eq!(record.policies, ["d", "b", "c", "a"]);
}

#[test]
fn instances_are_policies_of_their_own() {
    let policy = with(
        "enforcement: warn\nmatch: {operations: [CREATE]}\nparameters: {say: package}\ninstances:\n\
         - {name: one, parameters: {say: one}, enforcement: deny}\n\
         - {name: two, match: {namespaces: [shop]}}\n\
         - {name: three, match: {namespaces: [cart]}, enforcement: deny}",
        "admission.a",
        "deny contains concat(\" \", [input.regate.policy, input.parameters.say]) if input.request",
    );
    let set = [policy.replace("input.regate.policy", "\"it says\"")];
    let (answer, record) = asked(
        &Settings::default(),
        Gate::Validate,
        &set,
        &review_of(Gate::Validate),
    );
    assert_eq!(answer["response"]["status"]["message"], "[a.one] it says one");
    assert_eq!(answer["response"]["warnings"], json!(["[a.two] it says package"]));
    assert_eq!(
        outcomes(&record),
        [("a.one", "deny", "deny"), ("a.two", "warn", "warn")]
    );
}

#[test]
fn an_exception_skips_its_policy_and_is_recorded() {
    let custom = "exceptions:\n- {match: {namespaces: [shop]}, reason: the shop is old}\n\
                  - {match: {names: [web]}, reason: never told}";
    let policies = [
        with(custom, "admission.a", NO),
        with("order: 1", "admission.b", NO),
    ];
    let (answer, record) = asked(
        &Settings::default(),
        Gate::Validate,
        &policies,
        &review_of(Gate::Validate),
    );
    assert_eq!(answer["response"]["status"]["message"], "[b] no");
    assert_eq!(
        record.excepted,
        [Excepted {
            policy: "a".into(),
            reason: "the shop is old".into()
        }]
    );
    assert_eq!(
        outcomes(&record),
        [("a", "deny", "excepted"), ("b", "deny", "deny")]
    );
}

#[test]
fn an_exception_from_an_image_policy_leaves_no_default_denial() {
    let review = image_review(&["nginx"]);
    let strict = "default allow := false";
    let (answer, _) = asked(
        &Settings::default(),
        Gate::Image,
        &[with("order: 0", "image.a", strict)],
        &review,
    );
    assert_eq!(answer["status"]["allowed"], false);
    let custom = "exceptions: [{match: {namespaces: [t]}, reason: x}]";
    let (answer, _) = asked(
        &Settings::default(),
        Gate::Image,
        &[with(custom, "image.a", strict)],
        &review,
    );
    assert_eq!(answer["status"], json!({ "allowed": true }));
    let custom = "match: {namespaces: [other]}";
    let (answer, _) = asked(
        &Settings::default(),
        Gate::Image,
        &[with(custom, "image.a", strict)],
        &review,
    );
    assert_eq!(
        answer["status"],
        json!({ "allowed": false, "reason": "no policy is about these images" })
    );
}

#[test]
fn builtin_errors_are_passed_over_where_a_policy_asks_for_it_and_told() {
    let rules = "deny contains \"x\" if to_number(\"x\") == 1\ndeny contains \"no\"";
    let (answer, record) = asked(
        &Settings::default(),
        Gate::Validate,
        &[with("builtinErrors: undefined", "admission.a", rules)],
        &review_of(Gate::Validate),
    );
    assert_eq!(answer["response"]["status"]["message"], "[a] no");
    assert_eq!(outcomes(&record), [("a", "deny", "deny")]);
    assert_eq!(
        (record.faults[0].reason, record.faults[0].place.as_str()),
        ("builtin", "0.rego:5:31: a builtin failed")
    );
    let (answer, _) = asked(
        &Settings::default(),
        Gate::Validate,
        &[with("builtinErrors: fault", "admission.a", rules)],
        &review_of(Gate::Validate),
    );
    assert_eq!(answer["response"]["status"]["code"], 500);
}

#[test]
fn what_runs_twice_is_told_once_and_a_fault_of_the_second_run_is_told() {
    let policies = [
        with("enforcement: dryrun", "mutation.a", NO),
        with(
            "order: 0",
            "mutation.b",
            "warn contains \"w\"\npatch := [{\"op\": \"remove\", \"path\": \"/spec/containers\"}]",
        ),
    ];
    let (answer, record) = asked(
        &Settings::default(),
        Gate::Mutate,
        &policies,
        &review_of(Gate::Mutate),
    );
    assert_eq!(answer["response"]["status"]["code"], 500, "{answer}");
    assert_eq!(
        outcomes(&record),
        [("a", "dryrun", "would_deny"), ("b", "deny", "fault")]
    );
    assert_eq!(
        record.would_deny,
        [Rehearsed {
            policy: "a".into(),
            text: "[a] no".into()
        }]
    );
}

#[test]
fn a_mutation_that_only_warns_and_is_not_idempotent_is_left_out() {
    let grow = "patch := [{\"op\": \"replace\", \"path\": \"/metadata/name\", \"value\": \"x\"}] if false\n\
                patch := [{\"op\": \"add\", \"path\": \"/spec/containers/-\", \"value\": {\"name\": \"s\"}}]";
    let label = "patch := [{\"op\": \"add\", \"path\": \"/metadata/labels/a\", \"value\": sprintf(\"%d\", [count(input.request.object.spec.containers)])}]";
    let policies = [
        with("enforcement: warn\norder: -1", "mutation.grow", grow),
        with("order: 0", "mutation.label", label),
    ];
    let (answer, record) = asked(
        &Settings::default(),
        Gate::Mutate,
        &policies,
        &review_of(Gate::Mutate),
    );
    let patch = STANDARD
        .decode(answer["response"]["patch"].as_str().unwrap())
        .unwrap();
    let patch: Value = serde_json::from_slice(&patch).unwrap();
    // As if it had never been: one container is counted.
    assert_eq!(
        patch,
        json!([{ "op": "add", "path": "/metadata/labels", "value": { "a": "1" } }])
    );
    assert_eq!(
        answer["response"]["warnings"],
        json!(["[grow] this policy could not be evaluated"])
    );
    assert_eq!(outcomes(&record), [("grow", "warn", "fault")]);
    assert_eq!(record.policies, ["label"]);
}
