//! conftest's `main` and OPA's `system.main`, loaded beside our own policies.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::gate::Gate;
use crate::policy::dialect::Question;
use crate::policy::engine::{Context, Document};
use crate::policy::files::{Files, RegoFile};
use crate::policy::load::load;
use crate::policy::{Evaluate, Fault, Finding, Limits, Mutation, Outcome, PolicySet};

fn files(modules: &[&str], v0: bool) -> Files {
    let module = |(number, text): (usize, &&str)| RegoFile {
        path: format!("{number}.rego"),
        text: (*text).to_owned(),
        is_test: false,
        v0,
    };
    Files {
        modules: modules.iter().enumerate().map(module).collect(),
        ..Files::default()
    }
}

fn set(modules: &[&str]) -> PolicySet {
    load(&files(modules, false)).unwrap()
}

fn findings(modules: &[&str]) -> Vec<String> {
    let findings = load(&files(modules, false)).unwrap_err();
    findings.iter().map(Finding::to_string).collect()
}

fn names(set: &PolicySet) -> Vec<String> {
    let policies = set.policies().iter();
    policies
        .map(|policy| format!("{}/{}", policy.gate, policy.name))
        .collect()
}

/// What a policy says of a request; `None` where it is not asked.
fn ask(set: &PolicySet, gate: Gate, request: &Value) -> Option<Result<Outcome, Fault>> {
    let policy = set.of(gate).next().unwrap();
    let limits = Limits {
        deadline: Instant::now() + Duration::from_secs(20),
        context: Context::default(),
    };
    let input = policy.dialect.input(Question {
        review: &Document::from_json(&json!({ "request": request })),
        regate: Document::empty(),
        parameters: &policy.parameters,
        namespace: None,
    })?;
    Some(set.evaluate(policy, &input, &limits))
}

/// What a policy says of an object that is created.
fn created(set: &PolicySet, object: &Value) -> Outcome {
    let request = json!({"operation": "CREATE", "object": object});
    ask(set, Gate::Validate, &request).unwrap().unwrap()
}

fn said(messages: &[crate::policy::Message]) -> Vec<&str> {
    messages.iter().map(|message| message.msg.as_str()).collect()
}

const CONFTEST: &str = r#"package main

deny contains "plain" if input.kind == "Pod"

deny_root contains {"msg": "as root", "level": 3} if input.spec.root

violation_root contains {"msg": "root again"} if input.spec.root

warn_old contains "is old" if input.spec.old

helper := 1

exception contains rules if {
	input.metadata.name == "trusted"
	rules := ["root"]
}
"#;

#[test]
fn main_is_asked_about_the_plain_object() {
    let set = set(&[CONFTEST]);
    assert_eq!(names(&set), ["validate/main"]);
    let pod = json!({"kind": "Pod", "metadata": {"name": "p"}, "spec": {"root": true, "old": true}});
    let outcome = created(&set, &pod);
    assert_eq!(said(&outcome.deny), ["as root", "plain", "root again"]);
    assert_eq!(outcome.deny[0].details, Some(json!({"level": 3})));
    assert_eq!(said(&outcome.warn), ["is old"]);
    // What goes is all that there is; what is connected to is no object.
    let gone = json!({"operation": "DELETE", "object": null, "oldObject": pod});
    assert_eq!(ask(&set, Gate::Validate, &gone).unwrap().unwrap().deny.len(), 3);
    let connected = json!({"operation": "CONNECT", "object": {"kind": "PodExecOptions"}});
    assert_eq!(ask(&set, Gate::Validate, &connected), None);
}

#[test]
fn an_exception_takes_back_the_rules_of_its_names_and_is_told() {
    let set = set(&[CONFTEST]);
    let pod = json!({"kind": "Pod", "metadata": {"name": "trusted"}, "spec": {"root": true}});
    let outcome = created(&set, &pod);
    assert_eq!(said(&outcome.deny), ["plain"]);
    assert_eq!(outcome.excused, ["deny_root", "violation_root"]);
    // Nothing is taken back where nothing was said.
    let pod = json!({"kind": "Pod", "metadata": {"name": "trusted"}, "spec": {}});
    let outcome = created(&set, &pod);
    assert_eq!(said(&outcome.deny), ["plain"]);
    assert_eq!(outcome.excused, [""; 0]);
}

#[test]
fn what_cannot_be_read_of_exceptions_and_of_what_they_take_back_is_a_fault() {
    const LISTS: &str = "exception: a set of lists of rules' names expected, it is of type";
    for (rules, expected) in [
        ("exception := 3", format!("{LISTS} number")),
        ("exception contains \"a\"", format!("{LISTS} string")),
        ("exception contains [\"a\", 1]", format!("{LISTS} number")),
        (
            "exception contains [\"a\"]\ndeny_a contains 1",
            "deny: a string, or an object with the string `msg`, expected, it is of type number".to_owned(),
        ),
    ] {
        let set = set(&[&format!("package main\ndeny_a contains \"x\"\n{rules}\n")]);
        let said = ask(&set, Gate::Validate, &json!({"object": {}})).unwrap();
        assert_eq!(said.unwrap_err().to_string(), expected);
    }
    let set = set(&["package main\nwarn_a contains \"x\"\nexception contains [\"a\"]\n"]);
    let outcome = created(&set, &json!({"kind": "Pod"}));
    assert_eq!(
        (said(&outcome.warn), outcome.excused),
        (vec![], vec!["warn_a".to_owned()])
    );
}

#[test]
fn what_the_rules_of_main_say_is_sorted_by_its_text() {
    let set = set(&[
        "package main\nwarn_a contains \"z\"\nwarn_b contains \"y\"\ndeny_a contains \"x\"\ndeny_b contains \"w\"\n",
    ]);
    let outcome = created(&set, &json!({"kind": "Pod"}));
    assert_eq!(said(&outcome.warn), ["y", "z"]);
    assert_eq!(said(&outcome.deny), ["w", "x"]);
}

#[test]
fn what_conftest_would_read_otherwise_is_refused() {
    for module in [
        "package main\ndeny contains \"x\"\nregate_entry := 1\n",
        "package system\nmain := {\"response\": {\"allowed\": true}}\nregate_entry := 1\n",
    ] {
        assert_eq!(
            findings(&[module]),
            ["0.rego:3:1: the name `regate_entry` is reserved"]
        );
    }
    assert_eq!(
        findings(&["package system\nmain(x) := x\n"]),
        ["0.rego:2:1: `main` is a function here; it is read as a rule"]
    );
    assert_eq!(
        findings(&["package main\ndeny_it(x) := x\nwarm contains \"x\"\ndeny contains \"y\"\n"]),
        [
            "0.rego:2:1: `deny_it` is a function here; conftest reads it as a rule",
            "0.rego:3:1: `warm` is read by nobody: did you mean `warn`? If not, choose a name less like it",
        ]
    );
    let set = set(&["package main\ndeny := 3\n"]);
    let fault = ask(&set, Gate::Validate, &json!({"object": {}}))
        .unwrap()
        .unwrap_err();
    assert_eq!(
        fault.to_string(),
        "deny: a set or an array of messages expected, it is of type number"
    );
    let set = self::set(&["package main\ndeny contains {\"text\": 1}\n"]);
    let fault = ask(&set, Gate::Validate, &json!({"object": {}}))
        .unwrap()
        .unwrap_err();
    assert!(
        fault
            .to_string()
            .contains("a string, or an object with the string `msg`"),
        "{fault}"
    );
    // What a name only begins with makes it no rule.
    let set = self::set(&["package main\ndenylist contains \"x\"\nwarnings := 1\ndeny contains \"y\"\n"]);
    let outcome = created(&set, &json!({"kind": "Pod"}));
    assert_eq!((said(&outcome.deny), said(&outcome.warn)), (vec!["y"], vec![]));
    // A package that is only called so is a library.
    let library = "package main\nnames := {\"a\"}\n";
    let policy = "package kubernetes.admission.x\ndeny contains n if some n in data.main.names\n";
    assert_eq!(names(&self::set(&[library, policy])), ["validate/x"]);
}

/// As the tutorials have it, in the language before version 1.
const TUTORIAL_MAIN: &str = r#"package system

import data.kubernetes.admission

main = {
  "apiVersion": "admission.k8s.io/v1",
  "kind": "AdmissionReview",
  "response": response,
}

default uid = ""

uid = input.request.uid

response = {
    "allowed": false,
    "uid": uid,
    "status": {
        "message": reason,
    },
} {
    reason = concat(", ", admission.deny)
    reason != ""
}

else = {"allowed": true, "uid": uid}
"#;

const TUTORIAL_DENY: &str = r#"package kubernetes.admission

deny[msg] {
  input.request.kind.kind == "Pod"
  image := input.request.object.spec.containers[_].image
  not startswith(image, "hooli.com/")
  msg := sprintf("image '%v' comes from untrusted registry", [image])
}
"#;

#[test]
fn the_tutorial_of_opa_runs_unchanged_and_its_denials_are_said_once() {
    let set = load(&files(&[TUTORIAL_MAIN, TUTORIAL_DENY], true)).unwrap();
    assert_eq!(names(&set), ["validate/system"]);
    let pod = |image: &str| {
        json!({
            "uid": "u", "kind": {"kind": "Pod"},
            "object": {"spec": {"containers": [{"image": image}]}},
        })
    };
    let outcome = ask(&set, Gate::Validate, &pod("nginx")).unwrap().unwrap();
    assert_eq!(
        said(&outcome.deny),
        ["image 'nginx' comes from untrusted registry"]
    );
    let outcome = ask(&set, Gate::Validate, &pod("hooli.com/nginx"))
        .unwrap()
        .unwrap();
    assert_eq!(outcome, Outcome::default());
    // Named packages are asked as ever.
    let own = "package kubernetes.admission.own\ndeny[\"x\"] { true }\n";
    let set = load(&files(&[TUTORIAL_MAIN, TUTORIAL_DENY, own], true)).unwrap();
    assert_eq!(names(&set), ["validate/own", "validate/system"]);
}

#[test]
fn denials_that_main_does_not_read_are_refused() {
    let main = "package system\nmain := {\"response\": {\"allowed\": true}}\n";
    let deny = "package kubernetes.admission\ndeny contains \"x\"\n";
    assert_eq!(
        findings(&[main, deny]),
        [
            "1.rego:1:1: `system.main` stands in the place of `kubernetes.admission`, and nothing reads this package: nobody would enforce it"
        ]
    );
    // Without `main` the package is a policy as ever, and `system` a library.
    assert_eq!(
        names(&set(&["package system\nx := 1\n", deny])),
        ["validate/admission"]
    );
}

fn responds(response: &str) -> Result<Outcome, Fault> {
    let main = format!("package system\nmain := {response}\n");
    ask(&set(&[&main]), Gate::Validate, &json!({"uid": "u"})).unwrap()
}

#[test]
fn only_what_is_plainly_an_answer_to_the_review_is_one() {
    for (response, expected) in [
        ("{} if input.never", "it is undefined: no response"),
        ("{\"kind\": \"AdmissionReview\"}", "it has no `response`"),
        ("{\"response\": null}", "it has no `response`"),
        (
            "{\"response\": {\"allowed\": true, \"uid\": \"other\"}}",
            "`response.uid` is not the request's",
        ),
        (
            "{\"response\": {\"allowed\": true, \"uid\": \"\"}}",
            "`response.uid` is not the request's",
        ),
        ("{\"response\": {\"uid\": \"u\"}}", "`response` has no `allowed`"),
        (
            "{\"response\": {\"allowed\": \"true\"}}",
            "a boolean as `response.allowed` expected, it is of type string",
        ),
        (
            "{\"response\": {\"allowed\": null}}",
            "a boolean as `response.allowed` expected, it is of type null",
        ),
        ("\"allow\"", "it has no `response`"),
        ("{\"response\": true}", "`response` has no `allowed`"),
        (
            "{\"response\": {\"allowed\": true, \"uid\": null}}",
            "`response.uid` is not the request's",
        ),
        (
            "{\"response\": {\"allowed\": true, \"patch\": \"!\", \"patchType\": \"JSONPatch\"}}",
            "a JSON patch in base64 as `response.patch` expected, it is of type string",
        ),
        // `{}`
        (
            "{\"response\": {\"allowed\": true, \"patch\": \"e30=\", \"patchType\": \"JSONPatch\"}}",
            "a JSON patch in base64 as `response.patch` expected, it is of type string",
        ),
        (
            "{\"response\": {\"allowed\": true, \"patch\": \"W10=\"}}",
            "`response` has a `patch` and not `patchType: JSONPatch`",
        ),
        (
            "{\"response\": {\"allowed\": true, \"patch\": \"W10=\", \"patchType\": \"MergePatch\"}}",
            "`response` has a `patch` and not `patchType: JSONPatch`",
        ),
        (
            "{\"response\": {\"allowed\": true, \"warnings\": [1]}}",
            "strings as `response.warnings` expected, it is of type number",
        ),
        (
            "{\"response\": {\"allowed\": true, \"warnings\": \"w\"}}",
            "a list as `response.warnings` expected, it is of type string",
        ),
    ] {
        let fault = responds(response).unwrap_err();
        assert_eq!(fault.to_string(), format!("main: {expected}"), "{response}");
    }
}

#[test]
fn a_denial_stands_whatever_its_status_is() {
    for (status, msg, code) in [
        ("{\"message\": \"no\", \"code\": 422}", "no", Some(422)),
        ("{\"message\": \"no\", \"reason\": \"Forbidden\"}", "no", None),
        ("{\"reason\": \"not so\"}", "not so", None),
        ("{\"message\": 3, \"code\": 404}", "denied", None),
        ("null", "denied", None),
        ("{\"message\": \"\", \"reason\": \"so\"}", "so", None),
        ("{\"message\": \"no\", \"code\": 70000}", "no", None),
    ] {
        let outcome = responds(&format!(
            "{{\"response\": {{\"allowed\": false, \"status\": {status}}}}}"
        ))
        .unwrap();
        assert_eq!(
            (said(&outcome.deny), outcome.deny[0].code),
            (vec![msg], code),
            "{status}"
        );
    }
    let outcome = responds(
        "{\"response\": {\"allowed\": true, \"uid\": \"u\", \"warnings\": [\"w\"], \"auditAnnotations\": {\"a\": \"b\"}}}",
    )
    .unwrap();
    assert_eq!(said(&outcome.warn), ["w"]);
    assert_eq!(outcome.audit_annotations, [("a".to_owned(), "b".to_owned())]);
    // No patch beside a denial, whatever it is.
    for patch in ["W10=", "!"] {
        let denied = responds(&format!(
            "{{\"response\": {{\"allowed\": false, \"patch\": \"{patch}\", \"patchType\": \"JSONPatch\"}}}}"
        ))
        .unwrap();
        assert_eq!((said(&denied.deny), denied.mutation), (vec!["denied"], None));
    }
}

#[test]
fn a_main_that_can_patch_is_asked_by_the_mutating_gate_too() {
    let main = r#"package system
main := {"response": {
	"allowed": true,
	"patchType": "JSONPatch",
	"patch": base64.encode(json.marshal([{"op": "add", "path": "/metadata/labels", "value": {"a": "b"}}])),
}}
"#;
    let set = set(&[main]);
    assert_eq!(names(&set), ["mutate/system", "validate/system"]);
    let outcome = ask(&set, Gate::Mutate, &json!({"uid": "u"})).unwrap().unwrap();
    let operations = json!([{"op": "add", "path": "/metadata/labels", "value": {"a": "b"}}]);
    assert_eq!(
        outcome.mutation,
        Some(Mutation::Patch {
            operations,
            set: false
        })
    );
}
