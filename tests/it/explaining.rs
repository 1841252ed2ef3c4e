//! `regate review --explain` as its users run it: what it says of the policies of every gate.

use std::time::{Duration, Instant};

use regate::gate::Gate;
use regate::policy::explain::Verdict;
use regate::policy::files::{Files, Sources};
use regate::policy::load::load;
use regate::policy::{Document, Evaluate, Limits, context_of_now};
use serde_json::{Value, json};

use crate::commands::Desk;

/// What it prints, the times replaced.
fn explain(desk: &Desk, arguments: &[&str], input: &str) -> (i32, String) {
    let (code, out, error) = desk.run(&[&["review", "--explain"], arguments].concat(), input);
    assert_eq!(error, "");
    let lines = out.lines().map(|line| match line.split_once(" in ") {
        Some((before, time)) if line.starts_with("  asked: ") => {
            assert!(time.ends_with(" µs"), "{line}");
            format!("{before}\n")
        }
        _ => format!("{line}\n"),
    });
    (code, lines.collect())
}

const POD: &str =
    "apiVersion: v1\nkind: Pod\nmetadata: {name: web}\nspec:\n  containers:\n  - {name: a, cpu: \"2\"}\n";

const LIMITS: &str = "package kubernetes.admission.limits\n\
    deny contains \"no team\" if not input.request.object.metadata.labels.team\n\
    deny contains msg if {\n  some c in input.request.object.spec.containers\n  print(\"at\", c.name)\n  \
    cpu := to_number(c.cpu)\n  cpu > 4\n  msg := sprintf(\"%v wants %v\", [c.name, cpu])\n}\n";

#[test]
fn what_fired_and_what_kept_the_rest_from_firing_is_told() {
    let desk = Desk::new(&[LIMITS]);
    assert_eq!(
        explain(&desk, &["--gate", "validate", "-"], POD),
        (
            1,
            "-: Pod default/web: validate: deny by limits\n  [limits] no team\n  asked: limits (deny)\n    \
             ✓ policies/0.rego:2  deny contains \"no team\"\n        \"no team\"\n    \
             ✗ policies/0.rego:3  deny contains msg\n        line 7: cpu > 4\n          cpu is 2\n          \
             where c = {\"cpu\": \"2\", \"name\": \"a\"}\n    print policies/0.rego:5: at a\n"
                .to_owned()
        )
    );
}

#[test]
fn what_a_review_holds_is_shown_and_never_obeyed() {
    let policy =
        "package kubernetes.admission.p\nwarn contains \"w\" if print(input.request.object.data.a)\n";
    let object =
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: \"a\\e[2J\\nb\"}\ndata: {a: \"x\\e[2J\\ny\"}\n";
    let (_, out) = explain(&Desk::new(&[policy]), &["--gate", "validate", "-"], object);
    assert!(
        out.starts_with("-: ConfigMap default/a [2J b: validate: "),
        "{out:?}"
    );
    assert!(
        out.ends_with("    print policies/0.rego:2: x [2J\n      y\n"),
        "{out:?}"
    );
}

#[test]
fn what_keeps_a_policy_from_being_asked_is_told_by_its_key() {
    let with = |custom: &str, name: &str| {
        format!(
            "# METADATA\n# custom:\n#   {custom}\npackage kubernetes.admission.{name}\ndeny contains \"no\"\n"
        )
    };
    let policies = [
        with("match: {kinds: [apps/Deployment, Service]}", "a"),
        with("match: {operations: [DELETE]}", "b"),
        with(
            "match: {resources: [pods], users: [joe], namespaces: [shop]}",
            "c",
        ),
        with("match: {excludedNamespaces: [def*]}", "d"),
        with("match: {groups: [admins]}", "e"),
        with(
            "match: {resources: [pods], namespaceSelector: {matchLabels: {env: prod}}}",
            "f",
        ),
        with(
            "exceptions: [{match: {names: [web]}, reason: the web is old}]",
            "g",
        ),
    ];
    let desk = Desk::new(&policies.each_ref().map(String::as_str));
    desk.write(
        "ns.yaml",
        "{apiVersion: v1, kind: Namespace, metadata: {name: default, labels: {env: test}}}\n",
    );
    let arguments = [
        "--gate",
        "validate",
        "--as",
        "jane",
        "--as-group",
        "dev,ops",
        "--namespace-file",
        "ns.yaml",
        "-",
    ];
    assert_eq!(
        explain(&desk, &arguments, POD),
        (
            0,
            "-: Pod default/web: validate: allow\n  \
             not asked: g, by an exception: the web is old\n  \
             not asked: a: its match.kinds is [\"apps/Deployment\", \"Service\"], the review has \"Pod\"\n  \
             not asked: b: its match.operations is [\"DELETE\"], the review has \"CREATE\"\n  \
             not asked: c: its match.users is [\"joe\"], the review has \"jane\"\n  \
             not asked: d: its match.excludedNamespaces is [\"def*\"], the review has \"default\"\n  \
             not asked: e: its match.groups is [\"admins\"], the review has [\"dev\", \"ops\"]\n  \
             not asked: f: its match.namespaceSelector is env in (prod), the review has \
             [\"env=test\", \"kubernetes.io/metadata.name=default\"]\n"
                .to_owned()
        )
    );
}

#[test]
fn a_patch_is_told_as_the_difference_that_it_makes() {
    let label = "package kubernetes.mutation.label\n\
        patch contains {\"op\": \"add\", \"path\": [\"metadata\", \"labels\", \"team\"], \"value\": \"none\"} if {\n  \
        not input.request.object.metadata.labels.team\n}\n";
    let desk = Desk::new(&[label]);
    let (code, out) = explain(&desk, &["--gate", "mutate", "-"], POD);
    assert_eq!(code, 0);
    assert!(
        out.starts_with(
            "-: Pod default/web: mutate: allow by label\n  asked: label (deny)\n    ✓ policies/0.rego:2  "
        ),
        "{out}"
    );
    assert!(
        out.contains("\n  --- before\n  +++ after\n") && out.contains("\n  +  labels:\n  +    team: none\n"),
        "{out}"
    );
    // The second run on the result is none of the author's business.
    assert_eq!(out.matches("asked: ").count(), 1);
}

#[test]
fn every_gate_is_explained() {
    let authz = "package kubernetes.authorization.readers\n\
        allow if {\n  input.spec.resourceAttributes.verb == \"get\"\n  \"dev\" in input.spec.groups\n}\n";
    let authn = "package kubernetes.authentication.tokens\nuser := {\"username\": \"jane\"} if input.spec.token == \"good\"\n";
    let image = "package kubernetes.image.source\n\
        deny contains c.image if {\n  some c in input.spec.containers\n  not startswith(c.image, \"reg/\")\n}\n";
    let desk = Desk::new(&[authz, authn, image]);
    let (code, out) = explain(
        &desk,
        &[
            "--as",
            "joe",
            "--as-group",
            "ops",
            "--verb",
            "get",
            "--resource",
            "pods",
        ],
        "",
    );
    assert_eq!(
        (code, out.as_str()),
        (
            1,
            "joe get pods: authz: no opinion\n  asked: readers (deny)\n    ✗ policies/0.rego:2  allow\n        \
             line 4: \"dev\" in input.spec.groups\n          input.spec.groups is [\"ops\"]\n"
        )
    );
    let (code, out) = explain(&desk, &["--token", "-"], "good");
    assert_eq!(
        (code, out.as_str()),
        (
            0,
            "token: authn: allow by tokens\n  user: {\"username\":\"jane\"}\n  asked: tokens (deny)\n    \
             ✓ policies/1.rego:2  user := {\"username\": \"jane\"}\n        {\"username\": \"jane\"}\n"
        )
    );
    let review = json!({ "kind": "ImageReview", "apiVersion": "imagepolicy.k8s.io/v1alpha1",
        "spec": { "containers": [{ "image": "reg/a" }, { "image": "other/b" }] } });
    let (code, out) = explain(&desk, &["-"], &review.to_string());
    assert_eq!(
        (code, out.as_str()),
        (
            1,
            "-: image: deny by source\n  [source] other/b\n  asked: source (deny)\n    \
             ✓ policies/2.rego:2  deny contains c.image\n        \"other/b\"\n"
        )
    );
}

#[test]
fn a_fault_is_explained_with_the_expression_that_failed() {
    let faulty =
        "package kubernetes.admission.faulty\ndeny contains \"x\" if to_number(input.request.name) == 1\n";
    let desk = Desk::new(&[faulty]);
    let (code, out) = explain(&desk, &["--gate", "validate", "-"], POD);
    assert_eq!(code, 1);
    assert!(out.contains("\n    fault: policies/0.rego:2:"), "{out}");
    assert!(
        out.contains("\n        line 2: to_number(input.request.name) == 1  fails: "),
        "{out}"
    );
    assert!(
        out.contains("\n          input.request.name is \"web\"\n"),
        "{out}"
    );
}

#[test]
fn programs_get_the_same_as_one_document_for_each_decision() {
    let desk = Desk::new(&[LIMITS]);
    let arguments = ["review", "--explain", "-o", "json", "--gate", "validate", "-"];
    let (code, out, _) = desk.run(&arguments, POD);
    assert_eq!((code, out.lines().count()), (1, 1));
    let document: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(document["name"], "-: Pod default/web");
    assert_eq!(
        (&document["gate"], &document["decision"]),
        (&json!("validate"), &json!("deny"))
    );
    assert_eq!(document["policies"], json!(["limits"]));
    assert_eq!(
        document["answer"]["response"]["status"]["message"],
        "[limits] no team"
    );
    let asked = &document["asked"][0];
    assert_eq!(
        (&asked["policy"], &asked["enforcement"]),
        (&json!("limits"), &json!("deny"))
    );
    assert!(asked["microseconds"].as_u64() > Some(0), "{asked}");
    assert_eq!(asked["prints"], json!(["policies/0.rego:5: at a"]));
    assert_eq!(
        asked["definitions"],
        json!([
            { "rule": "deny", "head": "deny contains \"no team\"", "result": "fired", "values": ["no team"], "count": 1,
              "place": { "file": "policies/0.rego", "line": 2, "column": 1 } },
            { "rule": "deny", "head": "deny contains msg", "result": "failed",
              "place": { "file": "policies/0.rego", "line": 3, "column": 1 },
              "expression": {
                "place": { "file": "policies/0.rego", "line": 7, "column": 3 }, "text": "cpu > 4", "error": null, "ways": 1, "because": [],
                "examples": [{ "operands": [{ "text": "cpu", "value": "2" }],
                    "variables": { "c": "{\"cpu\": \"2\", \"name\": \"a\"}", "cpu": "2" } }] } },
        ])
    );
    assert_eq!(
        (&document["notAsked"], &document["diff"]),
        (&json!([]), &Value::Null)
    );
}

#[test]
fn programs_get_how_far_a_reference_is_defined_and_values_that_are_no_json_as_rego() {
    let policy = "package kubernetes.admission.p\n\
                  deny contains \"no\" if table[input.request.object.metadata.labels.team]\n\n\
                  table := {1: input.request.operation}\n";
    let desk = Desk::new(&[policy]);
    let arguments = ["review", "--explain", "-o", "json", "--gate", "validate", "-"];
    let (_, out, _) = desk.run(&arguments, POD);
    let document: Value = serde_json::from_str(&out).unwrap();
    let expression = &document["asked"][0]["definitions"][0]["expression"];
    let operands = expression["examples"][0]["operands"].as_array().unwrap();
    let operand = |text: &str| operands.iter().find(|operand| operand["text"] == text);
    assert_eq!(
        operand("input.request.object.metadata.labels.team"),
        Some(&json!({
            "text": "input.request.object.metadata.labels.team", "undefined": true,
            "definedUpTo": {
                "text": "input.request.object.metadata",
                "value": "{\"name\": \"web\", \"namespace\": \"default\"}",
            },
        })),
        "{expression:#}"
    );
    let fired = &expression["because"][0];
    assert_eq!(
        (&fired["head"], &fired["values"]),
        (
            &json!("table := {1: input.request.operation}"),
            &json!(["{\n  1: \"CREATE\"\n}"])
        )
    );
}

#[test]
fn a_rule_that_keeps_another_from_firing_is_explained_below_it() {
    let policy = "package kubernetes.admission.p\ndeny contains \"no\" if wanted\n\nwanted if {\n  \
                  input.request.operation == \"DELETE\"\n}\n";
    let desk = Desk::new(&[policy]);
    let (_, out) = explain(&desk, &["--gate", "validate", "-"], POD);
    assert_eq!(
        out,
        "-: Pod default/web: validate: allow\n  asked: p (deny)\n    ✗ policies/0.rego:2  deny contains \"no\"\n        \
         line 2: wanted\n          wanted is undefined\n          ✗ policies/0.rego:4  wanted\n              \
         line 5: input.request.operation == \"DELETE\"\n                input.request.operation is \"CREATE\"\n"
    );
}

#[test]
fn policies_of_others_are_explained_by_the_rules_that_they_were_written_with() {
    let desk = Desk::new(&[
        "package system\nmain := {\n  \"apiVersion\": \"admission.k8s.io/v1\", \"kind\": \"AdmissionReview\",\n  \
         \"response\": {\"uid\": input.request.uid, \"allowed\": true},\n}\n",
        "package main\nviolation contains {\"msg\": \"v\"} if input.kind == \"Pod\"\n\
         deny_name contains \"n\" if input.metadata.name == \"shop\"\nexception contains [\"name\"] if input.old\n",
    ]);
    desk.write(
        "policies/template.yaml",
        "apiVersion: templates.gatekeeper.sh/v1\nkind: ConstraintTemplate\nmetadata: {name: named}\nspec:\n  \
         crd: {spec: {names: {kind: Named}}}\n  targets:\n  - target: admission.k8s.gatekeeper.sh\n    rego: |\n      \
         package named\n\n      violation[{\"msg\": msg}] {\n        msg := input.review.object.metadata.name\n      }\n",
    );
    desk.write(
        "policies/constraint.yaml",
        "{apiVersion: constraints.gatekeeper.sh/v1beta1, kind: Named, metadata: {name: all}}\n",
    );
    let (_, out) = explain(&desk, &["--gate", "validate", "-"], POD);
    assert!(
        out.contains(
            "\n    ✓ policies/template.yaml:11  violation[{\"msg\": msg}]\n        {\"msg\": \"web\"}\n"
        ),
        "{out}"
    );
    for line in [
        "    ✓ policies/0.rego:2  main := {",
        "    ✓ policies/1.rego:2  violation contains {\"msg\": \"v\"}\n",
        "    ✗ policies/1.rego:3  deny_name contains \"n\"\n        line 3: input.metadata.name == \"shop\"\n",
        "    ✗ policies/1.rego:4  exception contains [\"name\"]\n",
    ] {
        assert!(out.contains(line), "{line}{out}");
    }
}

/// Reviews for each gate's policies, some of which deny and some of which do not.
fn inputs(gate: Gate) -> Vec<Value> {
    let pod = |spec: Value| {
        json!({ "request": { "uid": "u", "operation": "CREATE", "name": "web", "namespace": "shop",
            "kind": { "group": "", "version": "v1", "kind": "Pod" },
            "resource": { "group": "", "version": "v1", "resource": "pods" },
            "userInfo": { "username": "jane", "groups": ["dev"] },
            "object": { "apiVersion": "v1", "kind": "Pod", "metadata": { "name": "web", "labels": { "team": "x" } },
                "spec": spec }, "oldObject": null } })
    };
    match gate {
        Gate::Authn => vec![json!({ "spec": { "token": "abc" } })],
        Gate::Authz => ["get", "create", "*"]
            .map(|verb| {
                json!({ "spec": { "user": "jane", "groups": ["readonly"], "resourceAttributes":
                    { "verb": verb, "resource": "pods", "subresource": "exec", "namespace": "kube-system" } } })
            })
            .to_vec(),
        Gate::Image => ["nginx:latest", "registry.example.com/a@sha256:00"]
            .map(|image| json!({ "spec": { "containers": [{ "image": image }], "namespace": "shop" } }))
            .to_vec(),
        Gate::Mutate | Gate::Validate => vec![
            pod(json!({ "containers": [{ "name": "a", "image": "nginx" }] })),
            pod(json!({ "hostNetwork": true, "volumes": [{ "name": "h", "hostPath": { "path": "/" } }],
                "containers": [{ "name": "a", "image": "x/y:latest", "securityContext":
                    { "privileged": true, "capabilities": { "add": ["SYS_ADMIN"] } }, "ports": [{ "hostPort": 1 }] }] })),
            pod(json!({ "containers": "none" })),
            pod(json!({})),
        ],
    }
}

/// What is told and what is decided come from different rules of one engine: they must not differ.
#[test]
fn what_is_told_of_every_starter_policy_agrees_with_its_evaluation() {
    let policies = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("policies");
    let sources = Sources {
        policies: vec![policies],
        ..Sources::default()
    };
    let set = load(&Files::read(&sources).unwrap()).unwrap();
    let (mut fired, mut failed) = (0, 0);
    for policy in set.policies() {
        for input in inputs(policy.gate) {
            let namespace = json!({ "name": "shop", "labels": {}, "annotations": {} });
            let regate =
                json!({ "gate": policy.gate.as_str(), "policy": policy.name, "namespace": namespace });
            let input = Document::from_json(&input)
                .with("regate", Document::from_json(&regate))
                .with("parameters", policy.parameters.clone());
            let limits = Limits {
                deadline: Instant::now() + Duration::from_secs(60),
                context: context_of_now(policy.gate),
            };
            let Ok(outcome) = set.evaluate(policy, &input, &limits) else {
                continue;
            };
            for rule in &policy.rules {
                let told = set.explain(policy, rule, &input, &limits);
                let name = format!("{}/{} {rule}: {told:#?}", policy.gate, policy.name);
                let is = |wanted: fn(&Verdict) -> bool| told.iter().any(|one| wanted(&one.verdict));
                assert!(!is(|verdict| matches!(verdict, Verdict::Unknown(_))), "{name}");
                let gives = is(|verdict| matches!(verdict, Verdict::Fired { .. }));
                let decided = match *rule {
                    "deny" => !outcome.deny.is_empty(),
                    "warn" => !outcome.warn.is_empty(),
                    "user" => outcome.user.is_some(),
                    "allow" => outcome.allow == Some(true),
                    _ => continue,
                };
                assert_eq!(gives, decided, "{name}");
                fired += usize::from(gives);
                failed += usize::from(!gives);
            }
        }
    }
    assert!(fired > 15 && failed > 15, "{fired} fired, {failed} did not");
}
