//! Faults that are passed over as they are by a server, and which lines of a file count.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use regorus::Value;
use serde_json::json;

use super::super::group::tests::{LONG, builtin, group, limits};
use super::*;
use crate::policy::files::RegoFile;

fn look(group: &Group, entry: &str, input: serde_json::Value, errors: BuiltinErrors) -> Observed {
    let look = Look { errors, lines: false };
    group.observe(entry, &Document::from_json(&input), &limits(LONG), look)
}

fn value(observed: &Observed) -> Result<serde_json::Value, Fault> {
    observed.value.clone().map(|value| value.to_json().unwrap())
}

const FAILING: &str = "package kubernetes.admission.p
deny contains units.parse(input.size)
deny contains \"always\"
";

#[test]
fn the_error_of_a_builtin_is_passed_over_and_noted_where_the_policy_wants_that() {
    let (group, entry) = group(FAILING, BuiltinErrors::Undefined);
    let fault = builtin(
        "p.rego:2:26",
        "units.parse: spaces not allowed in resource strings",
    );
    let observed = look(&group, &entry, json!({"size": "4 Gi"}), BuiltinErrors::Undefined);
    assert_eq!(value(&observed), Ok(json!([["deny", ["always"]]])));
    assert_eq!(observed.passed_over, Some(fault.clone()));
    // Of another policy of the same group it is a fault.
    let observed = look(&group, &entry, json!({"size": "4 Gi"}), BuiltinErrors::Fault);
    assert_eq!((value(&observed), observed.passed_over), (Err(fault), None));
}

#[test]
fn what_takes_too_much_is_a_fault_and_not_tried_again() {
    let asked = Arc::new(AtomicUsize::new(0));
    let observe = |rego: &str| {
        let (mut group, entry) = group(rego, BuiltinErrors::Undefined);
        for engine in [&mut group.strict].into_iter().chain(&mut group.lenient) {
            let asked = Arc::clone(&asked);
            let ask = move |_: Vec<Value>| Ok(Value::from(asked.fetch_add(1, Ordering::Relaxed) < 9));
            engine.add_extension("odd.asks".into(), 0, Box::new(ask)).unwrap();
        }
        look(
            &group,
            &entry,
            json!({"n": 1_000_000_000u64}),
            BuiltinErrors::Undefined,
        )
    };
    let observed = observe(
        "package kubernetes.admission.p
deny contains x if { odd.asks(); x := count(numbers.range(1, input.n)) }
",
    );
    assert!(value(&observed).is_err_and(|fault| fault.to_string().contains("more than 100000 items")));
    assert_eq!(asked.load(Ordering::Relaxed), 1);
    // The engine gives the second definition's value and drops the error of the first.
    let observed = observe(
        "package kubernetes.admission.p
deny contains msg if { to_number(\"a\"); msg := \"a\" }
deny contains f(input.n)
f(x) := count(numbers.range(1, x))
f(x) := 5 if x > 1
",
    );
    assert!(
        matches!(observed.value, Err(Fault::Builtin { .. })),
        "{observed:?}"
    );
}

/// The lines of a file, and which of them are reached by an evaluation that comes to these of the engine's.
fn reached(rego: &str, v0: bool, engine: &[u32]) -> Vec<(u32, bool)> {
    let file = RegoFile {
        path: "p.rego".into(),
        text: rego.into(),
        is_test: false,
        v0,
    };
    let lines = Lines::of(&Source::parse(&file).unwrap());
    lines
        .reached(&engine.iter().copied().collect())
        .into_iter()
        .collect()
}

#[test]
fn a_declaration_of_variables_is_no_line_to_come_to() {
    let rego = "package p\ndeny contains \"x\" if {\n  some i\n  input.ns[i] > 3\n}\n";
    assert_eq!(reached(rego, false, &[4]), [(2, false), (4, true)]);
}

#[test]
fn a_line_that_stands_on_two_of_the_engine_is_reached_with_either() {
    // The first operand stays on its line, the negation itself moves to that of the last.
    let rego = "package p\ndeny contains \"x\" if {\n  not startswith(input.name,\n    input.begin)\n}\n";
    assert_eq!(reached(rego, false, &[3]), [(2, false), (3, true), (4, false)]);
    assert_eq!(reached(rego, false, &[4]), [(2, false), (3, true), (4, true)]);
}

#[test]
fn what_is_gone_through_and_what_is_asked_of_it_are_lines_however_long() {
    let rego = format!(
        "package p\ndeny contains \"x\" if {{\n  some c in [input.c]\n  every d in c {{\n    d == \"{}\"\n  }}\n}}\n",
        "a".repeat(4000)
    );
    assert_eq!(
        reached(&rego, false, &[3]),
        [(2, false), (3, true), (4, false), (5, false)]
    );
    let old = "package p\ndeny[\"x\"] {\n  input.x\n}\n";
    assert_eq!(reached(old, true, &[2]), [(2, true), (3, false)]);
}

#[test]
fn other_data_counts_also_where_errors_are_undefined() {
    let rego = format!("{FAILING}deny contains data.limit\n");
    let (group, entry) = group(&rego, BuiltinErrors::Undefined);
    let over = group
        .with_data(&Document::from_json(&json!({"limit": 5})))
        .unwrap();
    let observed = look(&over, &entry, json!({"size": "4 Gi"}), BuiltinErrors::Undefined);
    assert_eq!(value(&observed), Ok(json!([["deny", [5, "always"]]])));
}
