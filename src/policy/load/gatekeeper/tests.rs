//! Templates and constraints from files in memory: what they come to, and everything that is refused, in its place.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::gate::Gate;
use crate::policy::dialect::Question;
use crate::policy::engine::{Context, Document};
use crate::policy::files::{DataFile, Files, Format, ManifestFile, RegoFile};
use crate::policy::load::load;
use crate::policy::{Enforcement, Evaluate, Fault, Finding, Limits, Outcome, PolicySet};

mod matched;
mod refused;
mod seen;

/// A template that wants labels; what stands in for `RULES` is its Rego.
const TEMPLATE: &str = r#"apiVersion: templates.gatekeeper.sh/v1
kind: ConstraintTemplate
metadata:
  name: wantslabels
spec:
  crd:
    spec:
      names:
        kind: WantsLabels
      validation:
        openAPIV3Schema:
          type: object
          required: [labels]
          properties:
            labels:
              type: array
              items: {type: string}
            limit:
              type: integer
              minimum: 0
              exclusiveMinimum: true
              default: 3
            either:
              x-kubernetes-int-or-string: true
            maybe:
              type: string
              nullable: true
            open:
              type: object
              x-kubernetes-preserve-unknown-fields: true
  targets:
  - target: admission.k8s.gatekeeper.sh
    libs:
    - |
      package lib.labels

      missing(object, wanted) = names {
        names := {name | name := wanted[_]; not object.metadata.labels[name]}
      }
    rego: |
      package wantslabels

      import data.lib.labels

      violation[{"msg": msg, "details": {"missing": missing}}] {
        missing := labels.missing(input.review.object, input.parameters.labels)
        count(missing) > 0
        msg := sprintf("labels are missing: %v", [missing])
      }
"#;

const CONSTRAINT: &str = r"apiVersion: constraints.gatekeeper.sh/v1beta1
kind: WantsLabels
metadata:
  name: pods-have-owners
spec:
  enforcementAction: warn
  match:
    kinds:
    - apiGroups: ['']
      kinds: [Pod]
  parameters:
    labels: [owner]
";

fn files(manifests: &[&str], data: Option<Value>) -> Files {
    let manifest = |(number, text): (usize, &&str)| ManifestFile {
        path: format!("{number}.yaml"),
        text: (*text).to_owned(),
    };
    let data = data.map(|data| DataFile {
        path: "data.json".into(),
        at: Vec::new(),
        format: Format::Json,
        bytes: data.to_string().into_bytes(),
    });
    Files {
        manifests: manifests.iter().enumerate().map(manifest).collect(),
        data: data.into_iter().collect(),
        ..Files::default()
    }
}

fn set(manifests: &[&str]) -> PolicySet {
    load(&files(manifests, None)).unwrap()
}

fn findings(manifests: &[&str]) -> Vec<String> {
    let findings = load(&files(manifests, None)).unwrap_err();
    findings.iter().map(Finding::to_string).collect()
}

/// What a constraint says of a request.
fn ask(set: &PolicySet, name: &str, request: &Value) -> Result<Outcome, Fault> {
    let policy = set.policies().iter().find(|policy| policy.name == name).unwrap();
    let limits = Limits {
        deadline: Instant::now() + Duration::from_secs(20),
        context: Context::default(),
    };
    let input = policy.dialect.input(Question {
        review: &Document::from_json(&json!({ "request": request })),
        regate: Document::empty(),
        parameters: &policy.parameters,
        namespace: None,
    });
    set.evaluate(policy, &input.unwrap(), &limits)
}

fn messages(set: &PolicySet, name: &str, request: &Value) -> Vec<String> {
    let outcome = ask(set, name, request).unwrap();
    outcome.deny.into_iter().map(|message| message.msg).collect()
}

#[test]
fn a_constraint_is_a_policy_of_the_validating_gate() {
    let set = set(&[CONSTRAINT, TEMPLATE]);
    let [policy] = set.policies() else {
        panic!("{set:?}")
    };
    assert_eq!(
        (policy.gate, policy.name.as_str()),
        (Gate::Validate, "pods-have-owners")
    );
    assert_eq!(policy.enforcement, Enforcement::Warn);
    assert!(policy.has("deny"));
    let bare = json!({"operation": "CREATE", "object": {"metadata": {"labels": {"a": "b"}}}});
    let outcome = ask(&set, "pods-have-owners", &bare).unwrap();
    let [message] = outcome.deny.as_slice() else {
        panic!("{outcome:?}")
    };
    assert_eq!(message.msg, r#"labels are missing: {"owner"}"#);
    assert_eq!(message.details, Some(json!({"missing": ["owner"]})));
    let owned = json!({"operation": "CREATE", "object": {"metadata": {"labels": {"owner": "b"}}}});
    assert_eq!(messages(&set, "pods-have-owners", &owned), [""; 0]);
    // What goes is looked at as what comes.
    let deleted = json!({"operation": "DELETE", "object": null, "oldObject": owned["object"]});
    assert_eq!(messages(&set, "pods-have-owners", &deleted), [""; 0]);
}

#[test]
fn what_is_wrong_in_rego_is_told_at_its_place_in_the_yaml() {
    let broken = TEMPLATE
        .replace("not object.metadata", "not objekt.metadata")
        .replace("count(missing) > 0", "cuont(missing) > 0");
    assert_eq!(
        findings(&[&broken, CONSTRAINT]),
        [
            "0.yaml:38:49: nothing binds `objekt`: there is no such variable here, and no rule or import of that name",
            "0.yaml:47:9: there is no function `cuont`: did you mean `count`?",
        ]
    );
    let unreadable = TEMPLATE.replace("count(missing) > 0", "count(missing > 0");
    assert_eq!(
        findings(&[&unreadable, CONSTRAINT]),
        ["0.yaml:48:9: expecting `)` while parsing call expr"]
    );
}

/// The template with another module.
fn with_rego(rego: &str) -> String {
    let (head, _) = TEMPLATE.split_once("    libs:").unwrap();
    let indented: String = rego.lines().map(|line| format!("      {line}\n")).collect();
    format!("{head}    rego: |\n{indented}")
}

/// The constraint, asking any kind and with these parameters.
fn with_parameters(parameters: &str) -> String {
    let (head, _) = CONSTRAINT.split_once("  match:").unwrap();
    format!("{head}  parameters: {parameters}\n")
}

fn says(rego: &str, object: Value) -> Vec<String> {
    let set = set(&[&with_rego(rego), &with_parameters("{labels: [a]}")]);
    messages(
        &set,
        "pods-have-owners",
        &json!({"operation": "CREATE", "object": object}),
    )
}

#[test]
fn rego_is_read_as_gatekeeper_reads_it() {
    // A bracket at the begin of a line is no call of what stands above it.
    let bracket = "package t\nviolation[{\"msg\": \"far\"}] {\n  input.review.object.a\n  (input.review.object.a - 1) > 2\n}";
    assert_eq!(says(bracket, json!({"a": 4})), ["far"]);
    assert_eq!(says(bracket, json!({"a": 3})), [""; 0]);
    // Chained bodies are two rules.
    let chained = "package t\nviolation[{\"msg\": msg}] {\n  msg := input.review.object.a\n} {\n  msg := input.review.object.b\n}";
    assert_eq!(says(chained, json!({"a": "x", "b": "y"})), ["x", "y"]);
    // What a negated call is given has to be defined.
    let negated =
        "package t\nviolation[{\"msg\": \"no\"}] {\n  not startswith(input.review.object.a, \"x\")\n}";
    assert_eq!(says(negated, json!({"a": "y"})), ["no"]);
    assert_eq!(says(negated, json!({})), [""; 0]);
    // Too few operands are shown, not lost.
    let few =
        "package t\nviolation[{\"msg\": msg}] {\n  msg := sprintf(\"%v %v\", [input.review.object.a])\n}";
    assert_eq!(says(few, json!({"a": 1})), ["1 %!v(MISSING)"]);
    // The errors of builtins are undefined, and told.
    let failing = "package t\nviolation[{\"msg\": \"one\"}] {\n  to_number(input.review.object.a) > 0\n}\nviolation[{\"msg\": \"two\"}]";
    let set = set(&[&with_rego(failing), &with_parameters("{labels: []}")]);
    let outcome = ask(&set, "pods-have-owners", &json!({"object": {"a": "x"}})).unwrap();
    assert_eq!(outcome.deny.len(), 1);
    let Some(Fault::Builtin { at, .. }) = outcome.passed_over else {
        panic!("{outcome:?}")
    };
    assert_eq!(at, "0.yaml:36:18");
}

#[test]
fn a_violation_that_has_no_message_is_a_fault() {
    for (rule, expected) in [
        (
            "violation[{\"message\": \"x\"}]",
            "an object with `msg` expected, it is of type object",
        ),
        (
            "violation[{\"msg\": 1}]",
            "a string as `msg` expected, it is of type number",
        ),
        (
            "violation = 3",
            "a set of violations expected, it is of type number",
        ),
    ] {
        let rego = with_rego(&format!("package t\n{rule}"));
        let set = set(&[&rego, &with_parameters("{labels: []}")]);
        let fault = ask(&set, "pods-have-owners", &json!({"object": {}})).unwrap_err();
        assert_eq!(fault.to_string(), format!("violation: {expected}"));
    }
}

#[test]
fn code_for_rego_can_be_of_version_1_with_libraries() {
    let (head, _) = TEMPLATE.split_once("    libs:").unwrap();
    let code = r#"    code:
    - engine: K8sNativeValidation
      source: {}
    - engine: Rego
      source:
        version: v1
        libs:
        - |
          package lib.names
          bad(name) if startswith(name, "x")
        rego: |
          package t
          import data.lib.names
          violation contains {"msg": name} if {
            name := input.review.object.name
            names.bad(name)
          }
"#;
    let set = set(&[&format!("{head}{code}"), &with_parameters("{labels: []}")]);
    let asked = |name: &str| messages(&set, "pods-have-owners", &json!({"object": {"name": name}}));
    assert_eq!(asked("xy"), ["xy"]);
    assert_eq!(asked("y"), [""; 0]);
    // The same is no Rego of version 0.
    let old = code.replace("version: v1", "version: v0");
    let found = findings(&[&format!("{head}{old}"), &with_parameters("{labels: []}")]);
    assert!(
        found[0].starts_with("0.yaml:42:21: `if` alone is no rule"),
        "{found:?}"
    );
}

#[test]
fn libraries_of_one_name_do_not_meet() {
    let other = TEMPLATE
        .replace("WantsLabels", "Other")
        .replace("wantslabels", "other")
        .replace("wanted[_]; not", "[\"other\"][_]; not");
    let asks = CONSTRAINT
        .replace("WantsLabels", "Other")
        .replace("pods-have-owners", "others");
    let set = set(&[TEMPLATE, CONSTRAINT, &other, &asks]);
    let bare = json!({"object": {"metadata": {"labels": {}}}});
    assert_eq!(
        messages(&set, "pods-have-owners", &bare),
        [r#"labels are missing: {"owner"}"#]
    );
    assert_eq!(
        messages(&set, "others", &bare),
        [r#"labels are missing: {"other"}"#]
    );
}

#[test]
fn constraints_of_two_kinds_may_have_one_name() {
    let other = TEMPLATE
        .replace("WantsLabels", "Other")
        .replace("wantslabels", "other");
    let asks = CONSTRAINT.replace("WantsLabels", "Other");
    let third = CONSTRAINT.replace("name: pods-have-owners", "name: alone");
    let own = "package kubernetes.admission.alone\ndeny contains \"x\"\n";
    let names = |files: &Files| -> Vec<String> {
        let set = load(files).unwrap();
        set.policies().iter().map(|policy| policy.name.clone()).collect()
    };
    let mut files = files(&[TEMPLATE, CONSTRAINT, &other, &asks, &third], None);
    assert_eq!(
        names(&files),
        ["Other/pods-have-owners", "WantsLabels/pods-have-owners", "alone"]
    );
    // A setting names one of them, and no longer the name that both have.
    files.settings = vec![json!({"policy": "validate/Other/pods-have-owners", "enforcement": "dryrun"})];
    let set = load(&files).unwrap();
    let levels: Vec<Enforcement> = set.policies().iter().map(|policy| policy.enforcement).collect();
    assert_eq!(
        levels,
        [Enforcement::Dryrun, Enforcement::Warn, Enforcement::Warn]
    );
    files.settings = vec![json!({"policy": "validate/pods-have-owners", "enforcement": "dryrun"})];
    let findings = load(&files).unwrap_err();
    assert!(
        findings[0]
            .to_string()
            .contains("no policy is named by `validate/pods-have-owners`"),
        "{findings:?}"
    );
    // A policy of another dialect keeps its name.
    files.settings.clear();
    files.modules.push(RegoFile {
        path: "own.rego".to_owned(),
        text: own.to_owned(),
        is_test: false,
        v0: false,
    });
    assert_eq!(
        names(&files)[1..],
        ["WantsLabels/alone", "WantsLabels/pods-have-owners", "alone"]
    );
}

#[test]
fn every_body_of_a_chain_gives_the_value_of_its_rule() {
    let chained = "package t\naccount(object) = name {\n  object.kind == \"Pod\"\n  name := object.spec.account\n} {\n  object.kind == \"Job\"\n  name := object.spec.template.account\n}\n\
                   violation[{\"msg\": msg}] {\n  msg := account(input.review.object)\n}";
    assert_eq!(
        says(chained, json!({"kind": "Pod", "spec": {"account": "a"}})),
        ["a"]
    );
    assert_eq!(
        says(
            chained,
            json!({"kind": "Job", "spec": {"template": {"account": "b"}}})
        ),
        ["b"]
    );
}

#[test]
fn the_inventory_comes_from_data_and_is_missed_where_it_is_read() {
    let reads =
        with_rego("package t\nviolation[{\"msg\": name}] {\n  data.inventory.cluster.v1.Namespace[name]\n}");
    let plain = with_parameters("{labels: []}");
    let without = set(&[&reads, &plain]);
    let missing: Vec<String> = without.missing.iter().map(Finding::to_string).collect();
    assert_eq!(
        missing,
        ["0.yaml:36:9: needs `data.inventory`, which nothing gives"]
    );
    let data = json!({"inventory": {"cluster": {"v1": {"Namespace": {"shop": {}}}}}, "lib": {"x": 1}});
    let with = load(&files(&[&reads, &plain], Some(data))).unwrap();
    assert!(with.missing.is_empty());
    assert_eq!(
        messages(&with, "pods-have-owners", &json!({"object": {}})),
        ["shop"]
    );
}

#[test]
fn parameters_fit_the_schema_or_are_refused_at_their_place() {
    let wrong = with_parameters("{labels: [a, 3], limit: 0, maybe: null}");
    assert_eq!(
        findings(&[TEMPLATE, &wrong]),
        [
            "1.yaml:7:28: `parameters/labels/1` does not fit the template's schema: 3 is not of type \"string\"",
            "1.yaml:7:39: `parameters/limit` does not fit the template's schema: 0 is less than or equal to the minimum of 0",
        ]
    );
    let none = with_parameters("{either: [1]}");
    assert_eq!(
        findings(&[TEMPLATE, &none]),
        [
            "1.yaml:7:15: `parameters` does not fit the template's schema: \"labels\" is a required property",
            "1.yaml:7:24: `parameters/either` does not fit the template's schema: [1] is not of types \"integer\", \"string\"",
        ]
    );
    let right = with_parameters("{labels: [a], either: 1, maybe: null, open: {x: 1}, typo: 1}");
    let set = set(&[TEMPLATE, &right]);
    let [policy] = set.policies() else {
        panic!("{set:?}")
    };
    assert_eq!(
        policy.parameters.to_json().unwrap(),
        json!({"labels": ["a"], "either": 1, "maybe": null, "open": {"x": 1}, "typo": 1, "limit": 3})
    );
    let warnings: Vec<String> = set.warnings.iter().map(Finding::to_string).collect();
    assert_eq!(
        warnings,
        ["1.yaml:7:67: the template's schema names no `typo`: the API server would drop it"]
    );
}

#[test]
fn an_enforcement_action_is_worth_what_it_is_at_the_webhook() {
    let action = |spec: &str| {
        let constraint = with_parameters("{labels: []}").replace("enforcementAction: warn", spec);
        set(&[TEMPLATE, &constraint]).policies()[0].enforcement.as_str()
    };
    let scoped = |actions: &str| {
        action(&format!(
            "enforcementAction: scoped\n  scopedEnforcementActions: {actions}"
        ))
    };
    assert_eq!(action("enforcementAction: deny"), "deny");
    assert_eq!(action("enforcementAction: dryrun"), "dryrun");
    assert_eq!(action("match: {}"), "deny");
    let at =
        |action: &str, point: &str| format!("{{action: {action}, enforcementPoints: [{{name: {point}}}]}}");
    let ours = "validation.gatekeeper.sh";
    assert_eq!(scoped(&format!("[{}]", at("warn", ours))), "warn");
    assert_eq!(
        scoped(&format!("[{}, {}]", at("warn", ours), at("deny", "'*'"))),
        "deny"
    );
    assert_eq!(
        scoped(&format!("[{}]", at("deny", "audit.gatekeeper.sh"))),
        "dryrun"
    );
}
