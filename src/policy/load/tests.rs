//! What loading refuses, with which findings, and what a loaded set says when it is asked.
//!
//! Sets are loaded from files in memory; findings are compared as they are printed, file, line and column included.

use std::time::{Duration, Instant};

use serde_json::json;

use super::*;
use crate::gate::Gate;
use crate::policy::engine::{Context, Document};
use crate::policy::files::{DataFile, Format, RegoFile};
use crate::policy::{Evaluate, Fault, Limits, Outcome};

mod checks;
mod size;

fn files(modules: &[&str], data: &[(&[&str], &str)]) -> Files {
    let module = |(number, text): (usize, &&str)| RegoFile {
        path: format!("{number}.rego"),
        text: (*text).to_owned(),
        is_test: false,
        v0: false,
    };
    let data_file = |(number, (at, text)): (usize, &(&[&str], &str))| DataFile {
        path: format!("{number}.json"),
        at: at.iter().map(|key| (*key).to_owned()).collect(),
        format: Format::Json,
        bytes: text.as_bytes().to_vec(),
    };
    Files {
        modules: modules.iter().enumerate().map(module).collect(),
        data: data.iter().enumerate().map(data_file).collect(),
        revision: "r".into(),
        ..Files::default()
    }
}

#[test]
fn a_panic_in_loading_is_a_finding() {
    let loaded = on_a_deep_stack::<()>(&Files::default(), || panic!("on purpose"));
    let found = loaded.unwrap_err();
    let told: Vec<String> = found.iter().map(Finding::to_string).collect();
    assert_eq!(told, ["loading the policies panicked"]);
}

fn findings(modules: &[&str]) -> Vec<String> {
    load(&files(modules, &[]))
        .unwrap_err()
        .iter()
        .map(Finding::to_string)
        .collect()
}

fn limits() -> Limits {
    Limits {
        deadline: Instant::now() + Duration::from_secs(10),
        context: Context::default(),
    }
}

fn evaluate(set: &PolicySet, name: &str, input: serde_json::Value) -> Result<Outcome, Fault> {
    let policy = set.policies().iter().find(|policy| policy.name == name).unwrap();
    set.evaluate(policy, &Document::from_json(&input), &limits())
}

fn texts(outcome: Outcome) -> Vec<String> {
    outcome.deny.into_iter().map(|message| message.msg).collect()
}

#[test]
fn a_policy_is_a_package_and_all_its_files() {
    let set = load(&files(
        &[
            "package kubernetes.admission.labels\ndeny contains \"a\" if input.a\n",
            "package kubernetes.admission.labels\ndeny contains \"b\" if input.b\nwarn contains \"w\" if input.b",
            "package kubernetes.admission\ndeny contains \"whole\"\n",
            "package kubernetes.admission.team.a\ndeny contains \"nested\"\n",
            "package kubernetes.authorization.x\ndefault allow := false\n",
        ],
        &[],
    ))
    .unwrap();
    let names: Vec<_> = set
        .policies()
        .iter()
        .map(|policy| (policy.gate.as_str(), policy.name.as_str()))
        .collect();
    assert_eq!(
        names,
        [
            ("authz", "x"),
            ("validate", "admission"),
            ("validate", "labels"),
            ("validate", "team.a")
        ]
    );
    let both = evaluate(&set, "labels", json!({"a": true, "b": true})).unwrap();
    assert_eq!(both.warn.len(), 1);
    assert_eq!(texts(both), ["a", "b"]);
    assert_eq!(texts(evaluate(&set, "team.a", json!({})).unwrap()), ["nested"]);
    assert_eq!(evaluate(&set, "x", json!({})).unwrap().allow, Some(false));
    assert!(set.any_has(Gate::Authz, "allow") && !set.any_has(Gate::Authz, "deny"));
}

#[test]
fn policies_of_the_old_language_stand_beside_others() {
    let mut files = files(
        &[
            "package kubernetes.admission.old\ndeny[msg] { msg := data.lib.name }\n",
            "package kubernetes.admission.new\ndeny contains data.lib.name\n",
            "package lib\nname = x { x := \"lib\" }\n",
        ],
        &[],
    );
    files.modules[0].v0 = true;
    files.modules[2].v0 = true;
    let set = load(&files).unwrap();
    assert_eq!(texts(evaluate(&set, "old", json!({})).unwrap()), ["lib"]);
    assert_eq!(texts(evaluate(&set, "new", json!({})).unwrap()), ["lib"]);
}

#[test]
fn heads_below_a_rule_and_undefined_rules_are_read() {
    let set = load(&files(
        &[
            "package kubernetes.authentication.t\nuser.username := \"jane\"\nuser.groups := [\"dev\"]\naudiences := input.missing\n",
            "package kubernetes.admission.t\nimport data.lib.x as y\ndeny contains m if m := y.f(input.a)\naudit_annotations[\"k\"] := 1\n",
            "package lib.x\nf(a) := sprintf(\"got %v\", [a])\n",
        ],
        &[],
    ))
    .unwrap();
    let authn = evaluate(&set, "t", json!({})).unwrap();
    assert_eq!(authn.user.unwrap().groups, ["dev"]);
    assert_eq!(authn.audiences, None);
    let policy = set.of(Gate::Validate).next().unwrap();
    let outcome = set
        .evaluate(policy, &Document::from_json(&json!({"a": 1})), &limits())
        .unwrap();
    assert_eq!(outcome.audit_annotations, [("k".to_owned(), "1".to_owned())]);
    assert_eq!(texts(outcome), ["got 1"]);
}

#[test]
fn a_package_that_is_read_whole_does_not_show_its_entry() {
    let set = load(&files(
        &[
            "package kubernetes.admission.a\ndeny contains \"a\"\nhelper := 1\n",
            "package kubernetes.admission.b\ndeny contains concat(\",\", object.keys(data.kubernetes.admission.a))\n",
        ],
        &[],
    ))
    .unwrap();
    assert_eq!(texts(evaluate(&set, "b", json!({})).unwrap()), ["deny,helper"]);
}

#[test]
fn data_files_make_one_document() {
    let policy = "package kubernetes.admission.d\ndeny contains m if some m in data.a.list\n\
                  deny contains m if some m in data.a.b\n";
    let set = load(&files(
        &[policy],
        &[(&["a"], r#"{"list":["x"]}"#), (&["a", "b"], r#"{"c":"$y"}"#)],
    ))
    .unwrap();
    assert_eq!(texts(evaluate(&set, "d", json!({})).unwrap()), ["$y", "x"]);

    let refused = |data: &[(&[&str], &str)]| {
        load(&files(&[policy], data))
            .unwrap_err()
            .iter()
            .map(Finding::to_string)
            .collect::<Vec<_>>()
    };
    assert_eq!(
        refused(&[(&[], r#"{"a":{"list":1}}"#), (&["a"], r#"{"list":2}"#)]),
        ["1.json: `data.a.list` is given by another data file too"]
    );
    assert_eq!(
        refused(&[(&["kubernetes"], r#"{"admission":{"d":{"deny":[]}}}"#)]),
        ["0.json: data at `data.kubernetes.admission.d.deny` would hide a rule there"]
    );
    assert_eq!(
        refused(&[(&[], "[]")]),
        ["0.json: a data file holds an object, this one has type array"]
    );
    assert_eq!(
        refused(&[(&[], "{\"a\":")]),
        ["0.json: not valid JSON (at byte 5)"]
    );
}

#[test]
fn every_finding_is_told_at_once_with_its_place() {
    assert_eq!(
        findings(&[
            "package kubernetes.admision.x\ndeny contains \"a\"\n",
            "package kubernetes.admission.x\nhelper := 1\n",
            "package kubernetes.admission.y\ndenny contains \"a\" if true\n",
            "package kubernetes.admission.z\ndeny contains \"a\"\nviolation contains \"b\"\nallow := true\n",
            "package kubernetes.admission.admission\ndeny(x) := x\nwarn contains \"a\"",
            "package kubernetes.admission\ndeny contains \"a\" if {\n",
        ]),
        [
            "0.rego:1:1: no gate reads the package `kubernetes.admision`: policies are in kubernetes.authentication, \
             kubernetes.authorization, kubernetes.mutation, kubernetes.image, kubernetes.admission",
            "1.rego:1:1: no rule that the validate gate reads: one of deny, warn, audit_annotations",
            "2.rego:1:1: no rule that the validate gate reads: one of deny, warn, audit_annotations",
            "2.rego:2:1: `denny` is read by no gate: did you mean `deny`? If not, choose a name less like it",
            "3.rego:3:1: `violation` is read by no gate: `deny` denies",
            "3.rego:4:1: `allow` is a rule of the authz gate; the validate gate reads deny, warn, audit_annotations",
            "4.rego:2:1: `deny` is a function here; the validate gate reads it as a rule",
            "5.rego:3:1: expecting expression",
        ]
    );
}

#[test]
fn rules_that_reach_into_another_package_are_refused() {
    assert_eq!(
        findings(&[
            "package kubernetes.admission.a\ndeny contains \"x\"\nb.deny := 1\nfine.deny := 1\n",
            "package kubernetes.admission.a.b\ndeny contains \"x\"\n",
            "package lib\nc := {\"d\": 1}\n",
            "package lib.c.d\nx := 1\n",
        ]),
        [
            "0.rego:3:1: the rule `b` reaches into the package `kubernetes.admission.a.b`",
            "2.rego:2:1: the rule `c` reaches into the package `lib.c.d`",
        ]
    );
}

#[test]
fn a_function_that_may_be_in_a_file_that_cannot_be_parsed_is_not_missed() {
    let calls = "package kubernetes.admission.x\nimport data.lib\ndeny contains \"a\" if lib.f(1)\n\
                 deny contains \"b\" if g(1)\ndeny contains \"c\" if startswith(\"a\")\n";
    let missed = findings(&[calls, "package lib\nh(a) := a\n"]);
    assert_eq!(missed.len(), 3, "{missed:?}");
    let told = findings(&[calls, "package lib\nf(a) :=\n"]);
    assert_eq!(told.len(), 2, "{told:?}");
    assert_eq!(told[0], "0.rego:5:22: `startswith` takes 2 operands, not 1");
    assert!(told[1].starts_with("1.rego:"), "{told:?}");
}

#[test]
fn two_policies_of_one_name_are_refused() {
    assert_eq!(
        findings(&[
            "package kubernetes.admission\ndeny contains \"a\"\n",
            "package kubernetes.admission.admission\ndeny contains \"a\"\n",
        ]),
        ["1.rego:1:1: a second policy called `admission`: the first is at 0.rego:1"]
    );
}

#[test]
fn calls_that_cannot_work_are_refused_though_never_reached() {
    assert_eq!(
        findings(&[
            "package kubernetes.admission.x\nimport data.lib\ndeny contains \"a\" if {\n  false\n  crypto.sha265(\"a\")\n}\n\
             deny contains \"b\" if startswith(\"a\")\ndeny contains \"c\" if lib.g(1)\ndeny contains \"d\" if lib.f(1, 2, 3)\n\
             deny contains \"e\" if http.send({})\ndeny contains \"f\" if graphql.is_valid(\"a\", \"b\")\n\
             deny contains \"g\" if plus(1, 2) == 3\n",
            "package lib\nf(a) := a\n",
        ]),
        [
            "0.rego:5:3: there is no function `crypto.sha265`: did you mean `crypto.sha256`?",
            "0.rego:7:22: `startswith` takes 2 operands, not 1",
            "0.rego:8:22: there is no function `data.lib.g`",
            "0.rego:9:22: `data.lib.f` takes 1 operands, not 3",
            "0.rego:10:22: `http.send` is not offered here: nobody may be asked: give data that changes as \
             data files, or allow hosts with --http-allow",
            "0.rego:11:22: `graphql.is_valid` is a builtin of OPA that Regate does not have",
            "0.rego:12:22: `plus` cannot be called by its name here: write `+` between its operands",
        ]
    );
}

#[test]
fn functions_that_call_themselves_are_refused() {
    assert_eq!(
        findings(&[
            "package kubernetes.admission.x\nimport data.lib\ndeny contains \"a\" if f(1)\nf(x) := g(x)\ng(x) := lib.h(x)\n",
            "package lib\nimport data.kubernetes.admission.x as x\nh(a) := x.f(a)\nfine(a) := h(a)\n",
        ]),
        [
            "0.rego:4:1: `f` calls itself: Rego has no recursion",
            "0.rego:5:1: `g` calls itself: Rego has no recursion",
            "1.rego:3:1: `h` calls itself: Rego has no recursion",
        ]
    );
}

#[test]
fn faults_belong_to_their_policy_and_tell_their_kind() {
    let set = load(&files(
        &[
            "package kubernetes.admission.builtin\ndeny contains \"x\" if to_number(input.a) > 1\n",
            "package kubernetes.admission.conflict\nx := input.a\nx := input.b\ndeny contains \"x\" if x\n",
            "package kubernetes.admission.kind\ndeny := input.a\n",
            "package kubernetes.admission.slow\n\
             deny contains \"x\" if {\n some a in numbers.range(1, 3000)\n some b in numbers.range(1, 3000)\n a * b == 0\n}\n",
            "package kubernetes.admission.fine\ndeny contains \"x\" if input.a\n",
        ],
        &[],
    ))
    .unwrap();
    let reason =
        |name: &str| evaluate(&set, name, json!({"a": "abc", "b": 2})).map_err(|fault| fault.reason());
    assert_eq!(reason("builtin"), Err("builtin"));
    assert_eq!(reason("conflict"), Err("conflict"));
    assert_eq!(reason("kind"), Err("type"));
    assert_eq!(texts(evaluate(&set, "fine", json!({"a": 1})).unwrap()), ["x"]);

    let slow = set
        .policies()
        .iter()
        .find(|policy| policy.name == "slow")
        .unwrap();
    let limits = Limits {
        deadline: Instant::now() + Duration::from_millis(50),
        ..limits()
    };
    assert_eq!(
        set.evaluate(slow, &Document::empty(), &limits),
        Err(Fault::Deadline)
    );
}

#[test]
fn a_fault_is_told_where_its_author_wrote_it() {
    let set = load(&files(
        &["package kubernetes.admission.x\nf(x) := x\ndeny contains \"x\" if {\n\tnot f(input.a)\n\tnot f(input.b); c := input.c; to_number(c) > 1\n}\n"],
        &[],
    ))
    .unwrap();
    match evaluate(&set, "x", json!({"a": false, "b": false, "c": "?"})).unwrap_err() {
        Fault::Builtin { at, .. } => assert_eq!(at, "0.rego:5:41"),
        fault => panic!("{fault:?}"),
    }
}

#[test]
fn policies_with_the_same_libraries_share_an_engine_and_others_do_not() {
    let mut modules: Vec<String> = (0..40)
        .map(|n| format!("package kubernetes.admission.p{n}\ndeny contains \"{n}\" if data.lib.yes\n"))
        .collect();
    modules.push("package kubernetes.admission.alone\ndeny contains \"alone\"\n".into());
    modules.push("package kubernetes.authorization.alone\ndeny contains \"alone\"\n".into());
    modules.push("package lib\nyes := true\n".into());
    let modules: Vec<&str> = modules.iter().map(String::as_str).collect();
    let set = load(&files(&modules, &[])).unwrap();
    assert_eq!(set.groups.len(), 4);
    for n in [0, 31, 32, 39] {
        assert_eq!(
            texts(evaluate(&set, &format!("p{n}"), json!({})).unwrap()),
            [n.to_string()]
        );
    }
}

#[test]
fn data_cannot_stand_in_for_what_is_generated() {
    let deny = "package kubernetes.authorization.main\ndeny contains \"x\"\n";
    let refused = |text: &str| load(&files(&[deny], &[(&[], text)])).unwrap_err()[0].to_string();
    assert_eq!(
        refused(r#"{"kubernetes":{"authorization":{"main":{"regate_entry":[["allow",true]]}}}}"#),
        "0.json: data at `data.kubernetes.authorization.main.regate_entry` would hide a rule there"
    );
}

#[test]
fn whatever_depends_on_itself_is_refused() {
    let depends = |name: &str| format!("`{name}` depends on itself: Rego has no recursion");
    let calls = |name: &str| format!("`{name}` calls itself: Rego has no recursion");
    let told = |module: &str| {
        let all = findings(&[&format!("package kubernetes.admission.x\n{module}\n")]);
        let messages = all
            .iter()
            .map(|finding| finding.split_once(": ").unwrap().1.to_owned());
        messages.collect::<Vec<_>>()
    };
    let own = "data.kubernetes.admission.x";
    assert!(
        told(&format!(
            "deny contains \"no\" if blocked\nblocked if {{ some r; {own}[r] == \"evil\" }}"
        ))
        .contains(&depends("blocked"))
    );
    assert!(told(&format!("deny contains \"no\" if {own}.a\na if {own}.deny")).contains(&depends("deny")));
    assert!(
        told(&format!(
            "deny contains \"no\" if f(1)\nf(x) if count({own}) == x"
        ))
        .contains(&depends("deny"))
    );
    assert!(
        told("deny contains \"no\" if f(1)\nf(x) := y if { y := g(x) with g as f }\ng(x) := x")
            .contains(&calls("f"))
    );
    assert!(
        told("deny contains \"no\" if f([1])\nf(x) := y if { y := count(x) with count as f }")
            .contains(&calls("f"))
    );
}

#[test]
fn one_operand_too_many_is_for_results_only() {
    let told = |body: &str| {
        findings(&[&format!(
            "package kubernetes.admission.x\ndeny contains msg if {{ {body} }}\n"
        )])
    };
    assert_eq!(
        told("msg := sprintf(\"x\", [], \"y\")"),
        ["0.rego:2:31: `sprintf` takes 2 operands, not 3"]
    );
    assert_eq!(
        told("not upper(\"x\", \"y\", msg)"),
        [
            "0.rego:2:15: nothing binds `msg`: there is no such variable here, and no rule or import of that name",
            "0.rego:2:28: `upper` takes 1 operands, not 3",
        ]
    );
    for (call, result) in [("upper(\"x\", msg)", "X"), ("base64.decode(\"eA==\", msg)", "x")] {
        let module = format!("package kubernetes.admission.x\ndeny contains msg if {{ {call} }}\n");
        let set = load(&files(&[&module], &[])).unwrap();
        assert_eq!(texts(evaluate(&set, "x", json!({})).unwrap()), [result]);
    }
}

#[test]
fn a_default_cannot_stand_in_for_a_builtin() {
    assert_eq!(
        findings(&[
            "package kubernetes.admission.x\ndefault count := 0\ndeny contains \"x\" if count([1]) == 1\n"
        ]),
        ["0.rego:2:1: the default of `count` would stand in for the builtin of that name"]
    );
}

#[test]
fn a_policy_that_reads_below_itself_has_those_packages() {
    let set = load(&files(
        &[
            "package kubernetes.admission.main\nhits contains msg if some msg in data.kubernetes.admission.main.rule.found\n\
             deny contains msg if some msg in hits\n",
            "package kubernetes.admission.main.rule\nimport data.lib\nfound contains \"found\" if lib.yes\nwarn contains \"w\"\n",
            "package lib\nyes := true\n",
        ],
        &[],
    ))
    .unwrap();
    assert_eq!(texts(evaluate(&set, "main", json!({})).unwrap()), ["found"]);
}

#[test]
fn expressions_too_long_to_walk_are_refused() {
    let sum = |terms: usize| {
        format!(
            "package kubernetes.admission.x\ndeny contains \"x\" if z > 1\nz := 1{}\n",
            " + 1\n".repeat(terms)
        )
    };
    assert!(load(&files(&[&sum(300)], &[])).is_ok());
    let found = findings(&[&sum(10_000)]);
    assert!(
        found[0].ends_with("an expression of more than 400 parts in each other: name a part of it in a rule"),
        "{found:?}"
    );
}

#[test]
fn integers_of_yaml_are_exact_or_refused() {
    let with = |text: &str| {
        let mut files = files(
            &["package kubernetes.admission.x\ndeny contains sprintf(\"%d\", [data.a])\n"],
            &[(&[], text)],
        );
        files.data[0].format = Format::Yaml;
        load(&files)
    };
    assert_eq!(
        texts(evaluate(&with("a: 18446744073709551615").unwrap(), "x", json!({})).unwrap()),
        ["18446744073709551615"]
    );
    assert_eq!(
        with("a: 18446744073709551616").unwrap_err()[0].to_string(),
        "0.json: a number out of range"
    );
}

#[test]
fn a_slip_in_the_root_is_no_library() {
    let told = |package: &str| findings(&[&format!("package {package}\ndeny contains \"a\"\n")]);
    for root in ["kubernets", "Kubernetes", "kuberentes"] {
        assert_eq!(
            told(&format!("{root}.admission.x")),
            [format!(
                "0.rego:1:1: no gate reads the package `{root}.admission.x`: did you mean `kubernetes` for `{root}`?"
            )]
        );
    }
    assert!(load(&files(&["package kubelets.admission\na := 1\n"], &[])).is_ok());
}
