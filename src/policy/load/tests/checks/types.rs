//! The types that rules of a gate can have.

use super::*;

#[test]
fn rules_that_never_have_the_type_of_their_gate_are_refused() {
    let first =
        |gate: &str, rules: &str| findings(&[&format!("package kubernetes.{gate}.x\n{rules}\n")])[0].clone();
    let deny = "is a set or an array of messages, and here it is";
    let write = "write `deny contains \"…\" if { … }`";
    for (rules, at, met) in [
        ("deny := true", "2:9", "of type boolean"),
        ("deny if input.a", "2:1", "of type boolean"),
        ("deny := \"text\" if input.a", "2:9", "of type string"),
        ("deny := {\"a\": 1}", "2:9", "of type object"),
        ("deny := [] if input.a else := 1", "2:31", "of type number"),
        ("default deny := true", "2:17", "of type boolean"),
        (
            "deny[k] := v if some k, v in input.a",
            "2:1",
            "an object of members",
        ),
        ("deny[msg] if msg := input.a", "2:1", "an object of members"),
        (
            "deny.team contains \"a\" if input.a",
            "2:1",
            "an object of members",
        ),
        (
            "deny[x] contains \"a\" if some x in input.a",
            "2:1",
            "an object of members",
        ),
        (
            "deny contains 1 if input.a",
            "2:15",
            "with a member of type number",
        ),
        (
            "deny contains [1] if input.a",
            "2:15",
            "with a member of type array",
        ),
        (
            "deny contains input.a == 1",
            "2:23",
            "with a member of type boolean",
        ),
    ] {
        assert_eq!(
            first("admission", rules),
            format!("0.rego:{at}: `deny` {deny} {met}: {write}"),
            "{rules}"
        );
    }
    for (gate, rules, told) in [
        (
            "authorization",
            "allow := \"yes\"",
            "2:10: `allow` is a boolean, and here it is of type string: write `allow if { … }`",
        ),
        (
            "authorization",
            "allow contains \"x\"",
            "2:1: `allow` is a boolean, and here it is a set: write `allow if { … }`",
        ),
        (
            "image",
            "allow.x := true",
            "2:1: `allow` is a boolean, and here it is an object of members: write `allow if { … }`",
        ),
        (
            "authorization",
            "allow := false\nreason contains \"x\"",
            "3:1: `reason` is a string, and here it is a set: write `reason := \"…\" if { … }`",
        ),
        (
            "authentication",
            "user := \"x\"",
            "2:9: `user` is an object, and here it is of type string: write `user := {\"username\": …} if { … }`",
        ),
        (
            "authentication",
            "user contains \"x\"",
            "2:1: `user` is an object, and here it is a set: write `user := {\"username\": …} if { … }`",
        ),
        (
            "authentication",
            "user := {}\naudiences := \"a\"",
            "3:14: `audiences` is a set or an array of strings, and here it is of type string: write `audiences := [\"…\"]`",
        ),
        (
            "mutation",
            "patch := {}",
            "2:10: `patch` is an array or a set of operations, and here it is of type object: write `patch contains {\"op\": …} if { … }`",
        ),
        (
            "mutation",
            "patch contains \"x\"",
            "2:16: `patch` is an array or a set of operations, and here it is with a member of type string: write `patch contains {\"op\": …} if { … }`",
        ),
        (
            "mutation",
            "mutated contains {}",
            "2:1: `mutated` is the wanted object, and here it is a set: write `mutated := object.union(input.request.object, …)`",
        ),
        (
            "mutation",
            "mutated := {}\naudit_annotations := [1]",
            "3:22: `audit_annotations` is an object, and here it is of type array: write `audit_annotations[\"key\"] := \"…\" if { … }`",
        ),
        (
            "admission",
            "warn := null",
            "2:9: `warn` is a set or an array of messages, and here it is of type null: write `warn contains \"…\" if { … }`",
        ),
    ] {
        assert_eq!(first(gate, rules), format!("0.rego:{told}"), "{rules}");
    }
}

#[test]
fn rules_that_may_have_the_type_of_their_gate_are_loaded() {
    for (gate, rules) in [
        ("admission", "deny := [\"a\"]\nwarn := {m | some m in input.ms}"),
        ("admission", "deny := input.a\nwarn contains {\"msg\": \"a\"}"),
        ("admission", "default deny := set()\ndeny := input.a if input.b"),
        ("admission", "deny contains input.a\naudit_annotations.x := 1"),
        (
            "authorization",
            "default allow := false\nallow if input.a\nreason := \"x\"",
        ),
        ("authorization", "allow := input.a == 1\nallow := f(1)\nf(x) := x"),
        (
            "authentication",
            "user.username := \"a\"\nuser.groups := []\naudiences contains \"x\"",
        ),
        ("mutation", "patch := [{\"op\": \"add\"}]"),
        ("mutation", "mutated := object.union(input.request.object, {})"),
    ] {
        let module = format!("package kubernetes.{gate}.x\n{rules}\n");
        assert!(
            load(&files(&[&module], &[])).is_ok(),
            "{rules}: {:?}",
            load(&files(&[&module], &[]))
        );
    }
    // Before version 1 a bracket makes a set.
    let mut old = files(
        &["package kubernetes.admission.x\ndeny[msg] { msg := input.a }\n"],
        &[],
    );
    old.modules[0].v0 = true;
    assert!(load(&old).is_ok());
}

#[test]
fn a_code_that_no_client_understands_is_refused_where_it_is_written() {
    assert_eq!(
        told(
            "deny contains {\"msg\": \"x\", \"code\": 404} if input.a\n\
              deny contains msg if { msg := {\"code\": 200.5, \"msg\": \"y\"} }\n"
        ),
        [
            "0.rego:2:36: `code` is 404: clients understand 400, 403, 405, 406, 412, 413, 415, 422, 451",
            "0.rego:3:40: `code` is 200.5: clients understand 400, 403, 405, 406, 412, 413, 415, 422, 451",
        ]
    );
    assert_eq!(
        loads(
            "deny contains {\"msg\": \"x\", \"code\": 422} if input.a\n\
               deny contains \"y\" if {\"code\": 7}.code == input.a\n"
        ),
        Ok(())
    );
}
