//! Rules of one name, side by side: what is refused with which words, and what is not.

use crate::policy::Finding;
use crate::policy::files::{Files, RegoFile};
use crate::policy::load::load;

/// What is found in modules that stand beside a policy.
fn found(modules: &[&str]) -> Vec<String> {
    found_in(modules, false)
}

fn found_in(modules: &[&str], v0: bool) -> Vec<String> {
    let policy = "package kubernetes.admission.a\nimport rego.v1\ndeny contains \"x\" if input.a\n";
    let module = |(number, text): (usize, &&str)| RegoFile {
        path: format!("{number}.rego"),
        text: (*text).to_owned(),
        is_test: false,
        v0,
    };
    let files = Files {
        modules: modules.iter().chain(&[policy]).enumerate().map(module).collect(),
        ..Files::default()
    };
    match load(&files) {
        Ok(_) => Vec::new(),
        Err(findings) => findings.iter().map(Finding::to_string).collect(),
    }
}

#[test]
fn rules_of_one_name_that_do_not_fit_together_are_refused() {
    for (rules, expected) in [
        (
            "f(x) := x\nf(x, y) := x + y\n",
            "0.rego:3:1: `lib.f` has functions with different numbers of arguments: the first is at 0.rego:2",
        ),
        (
            "f := 1\nf(x) := x\n",
            "0.rego:3:1: `lib.f` is a rule and a function: the first is at 0.rego:2",
        ),
        (
            "f contains 1\nf := 2 if input.a\n",
            "0.rego:3:1: `lib.f` is one value and a set: the first is at 0.rego:2",
        ),
        (
            "f := 1 if input.a\nf contains 2\n",
            "0.rego:3:1: `lib.f` is a set and one value: the first is at 0.rego:2",
        ),
        (
            "f[x] := 1 if x := input.a\nf contains 2\n",
            "0.rego:3:1: `lib.f` is a set and an object of members: the first is at 0.rego:2",
        ),
        (
            "f[x] := 1 if x := input.a\nf := {}\n",
            "0.rego:3:1: `lib.f` is one value and an object of members: the first is at 0.rego:2",
        ),
        (
            "f[x] contains 1 if x := input.a\nf contains 2\n",
            "0.rego:3:1: `lib.f` is a set and an object of sets: the first is at 0.rego:2",
        ),
        (
            "default f := 1\ndefault f := 2\n",
            "0.rego:3:1: `lib.f` has two defaults: the first is at 0.rego:2",
        ),
        (
            "f := {\"g\": 1}\nf.g := 2\n",
            "0.rego:2:1: `lib.f` is one value, and `lib.f.g` is a part of it",
        ),
    ] {
        let found = found(&[&format!("package lib\n{rules}")]);
        assert!(found.contains(&expected.to_owned()), "{rules}{found:#?}");
    }
}

#[test]
fn a_rule_of_the_old_language_is_not_called_as_what_it_is_given_either() {
    for (rules, expected) in [
        ("data = 1\n", "0.rego:2:1: a rule cannot be called `data`"),
        (
            "input[1] { true }\n",
            "0.rego:2:1: a rule cannot be called `input`",
        ),
    ] {
        assert_eq!(found_in(&[&format!("package lib\n{rules}")], true), [expected]);
    }
}

#[test]
fn rules_of_one_name_in_two_files_are_held_against_each_other() {
    assert_eq!(
        found(&[
            "package lib\nf := 1 if input.a\n",
            "package lib\n\nf contains 2\n"
        ]),
        ["1.rego:3:1: `lib.f` is a set and one value: the first is at 0.rego:2"]
    );
}

#[test]
fn rules_that_fit_together_are_not_refused() {
    for rules in [
        "f(x) := 1 if x > 1\nf(x) := 2 if x < 1\n",
        "default f := 1\nf := 2 if input.a\nf := 2 if input.b\n",
        "f contains 1\nf contains 2 if input.a\n",
        "f[x] := 1 if x := input.a\nf.g := 2\n",
        "f.g := 1\nf.h := 2\n",
        "f[x] contains 1 if x := input.a\nf[x] contains 2 if x := input.b\n",
    ] {
        assert_eq!(found(&[&format!("package lib\n{rules}")]), [""; 0], "{rules}");
    }
}

#[test]
fn what_reaches_into_another_package_is_told_as_such_and_only_once() {
    assert_eq!(
        found(&["package lib\nc.d := 1\n", "package lib.c\nd contains 1\n"]),
        ["0.rego:2:1: the rule `c` reaches into the package `lib.c`"]
    );
    assert_eq!(
        found(&["package lib\nc := {}\n", "package lib.c\nd := 1\n"]),
        ["0.rego:2:1: the rule `c` reaches into the package `lib.c`"]
    );
}
