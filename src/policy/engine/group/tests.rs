//! Strict and lenient evaluation of one group.

use std::time::{Duration, Instant};

use serde_json::json;

use super::*;
use crate::policy::files::RegoFile;

pub(in crate::policy::engine) fn group(rego: &str, errors: BuiltinErrors) -> (Group, String) {
    let file = RegoFile {
        path: "p.rego".into(),
        text: rego.into(),
        is_test: false,
        v0: false,
    };
    let source = Source::parse(&file).unwrap();
    let package = source.package.clone();
    let (group, mut entries) = Group::build(
        &[&source],
        &[(&package, vec!["deny"])],
        &Document::empty(),
        errors,
        &Arc::default(),
    )
    .unwrap();
    (group, entries.remove(0))
}

pub(in crate::policy::engine) fn limits(time: Duration) -> Limits {
    Limits {
        deadline: Instant::now() + time,
        context: Context::default(),
    }
}

pub(in crate::policy::engine) const LONG: Duration = Duration::from_secs(30);

type Lenient = Result<(serde_json::Value, Option<Fault>), Fault>;

fn leniently(rego: &str, input: serde_json::Value) -> Lenient {
    let (group, entry) = group(rego, BuiltinErrors::Undefined);
    let (values, fault) = group.evaluate_leniently(&entry, &Document::from_json(&input), &limits(LONG))?;
    Ok((values.to_json().unwrap(), fault))
}

pub(in crate::policy::engine) fn builtin(at: &str, message: &str) -> Fault {
    Fault::Builtin {
        at: at.into(),
        message: message.into(),
    }
}

/// One rule that fails in a builtin of ours, one in the engine's, one in a function, and two that stand.
const FAILING: &str = "package kubernetes.admission.p
deny contains sprintf(\"%d bytes\", [units.parse(input.size)])
deny contains msg if { to_number(input.size) > 3; msg := \"large\" }
deny contains msg if { x := time.parse_rfc3339_ns(input.size); msg := sprintf(\"%d\", [x]) }
deny contains f(input.size)
deny contains \"always\"
deny contains \"by name\" if input.name == \"a\"
f(x) := sprintf(\"%d\", [bits.lsh(x, 1)])
";

#[test]
fn the_error_of_a_builtin_is_a_fault_with_its_line() {
    let (group, entry) = group(FAILING, BuiltinErrors::Undefined);
    let input = Document::from_json(&json!({"size": "4 Gi"}));
    let fault = group.evaluate(&entry, &input, &limits(LONG)).unwrap_err();
    assert_eq!(
        fault,
        builtin(
            "p.rego:2:47",
            "units.parse: spaces not allowed in resource strings"
        )
    );
}

#[test]
fn leniently_a_failed_expression_is_undefined_and_the_other_rules_stand() {
    let (values, passed_over) = leniently(FAILING, json!({"size": "4 Gi", "name": "a"})).unwrap();
    assert_eq!(values, json!([["deny", ["always", "by name"]]]));
    assert_eq!(
        passed_over,
        Some(builtin(
            "p.rego:2:47",
            "units.parse: spaces not allowed in resource strings"
        ))
    );
}

#[test]
fn without_an_error_nothing_is_passed_over() {
    let rego = "package kubernetes.admission.p\ndeny contains units.parse(input.size)\n";
    let evaluated = leniently(rego, json!({"size": "4Ki"}));
    assert_eq!(evaluated, Ok((json!([["deny", [4096]]]), None)));
}

#[test]
fn a_policy_that_does_not_ask_for_it_is_not_evaluated_leniently() {
    let (group, entry) = group(FAILING, BuiltinErrors::Fault);
    let input = Document::from_json(&json!({"size": "4 Gi"}));
    let fault = group
        .evaluate_leniently(&entry, &input, &limits(LONG))
        .unwrap_err();
    assert_eq!(fault.place(), "p.rego:2:47: a builtin failed");
}

#[test]
fn a_conflict_stays_a_fault_when_builtins_fail_too() {
    let rego = "package kubernetes.admission.p
x := 1 if input.size
x := 2 if input.size
deny contains msg if { to_number(input.size); msg := \"a\" }
deny contains x
";
    let fault = leniently(rego, json!({"size": "4 Gi"})).unwrap_err();
    assert!(
        matches!(fault, Fault::Conflict { ref at } if at.starts_with("p.rego:")),
        "{fault}"
    );
}

#[test]
fn a_conflict_is_no_reason_to_evaluate_again() {
    // When it is not strict the engine would take the second definition of `f` and drop what happened in the first.
    let rego = "package kubernetes.admission.p
g(x) := x
g(x) := 2
f(x) := g(x)
f(x) := 5 if x > 1
deny contains f(input.n)
";
    let fault = leniently(rego, json!({"n": 3})).unwrap_err();
    assert!(matches!(fault, Fault::Conflict { .. }), "{fault}");
}

#[test]
fn what_would_take_too_much_stays_a_fault_also_where_the_engine_drops_errors() {
    let plain = "package kubernetes.admission.p\ndeny contains x if x := count(numbers.range(1, input.n))\n";
    // The engine gives the second definition's value and drops the error of the first.
    let dropped = "package kubernetes.admission.p
deny contains msg if { to_number(\"a\"); msg := \"a\" }
deny contains f(input.n)
f(x) := count(numbers.range(1, x))
f(x) := 5 if x > 1
";
    let too_much = |fault: &Fault| fault.to_string().contains("the range has more than 100000 items");
    let fault = leniently(plain, json!({"n": 1_000_000_000u64})).unwrap_err();
    assert!(too_much(&fault), "{fault}");
    let fault = leniently(dropped, json!({"n": 1_000_000_000u64})).unwrap_err();
    assert!(matches!(fault, Fault::Builtin { .. }), "{fault}");
    // Small enough, it is a conflict of two values; with a builtin error beside it the conflict counts.
    let fault = leniently(dropped, json!({"n": 7})).unwrap_err();
    assert!(matches!(fault, Fault::Conflict { .. }), "{fault}");
}

#[test]
fn an_operator_on_what_it_is_not_for_stays_a_fault_and_a_division_by_zero_does_not() {
    for (expression, message) in [
        ("input.size + 1 > 3", "`add` expects numeric argument"),
        ("input.size % 2 == 0", "`mod` expects numeric argument"),
        ("not input.size * 2 > 3", "`mul` expects numeric argument"),
        (
            "count({1} - input.size) == 1",
            "`difference` expects set argument",
        ),
        (
            "count(input.size & {1}) == 0",
            "`intersection` expects set argument",
        ),
    ] {
        let rego = format!("package kubernetes.admission.p\ndeny contains \"a\" if {expression}\n");
        let fault = leniently(&rego, json!({"size": "4"})).unwrap_err();
        assert!(fault.to_string().contains(message), "{expression}: {fault}");
    }
    let rego =
        "package kubernetes.admission.p\ndeny contains \"a\" if 1 / input.size > 3\ndeny contains \"b\"\n";
    let (values, passed_over) = leniently(rego, json!({"size": 0})).unwrap();
    assert_eq!(values, json!([["deny", ["b"]]]));
    assert_eq!(passed_over, Some(builtin("p.rego:2:24", "divide by zero")));
}

#[test]
fn both_evaluations_share_one_deadline() {
    let endless = "package kubernetes.admission.p
deny contains msg if { not input.strict; to_number(\"a\"); msg := \"a\" }
deny contains count(xs)
xs := {[a, b, c, d] | some a in ns; some b in ns; some c in ns; some d in ns; a + b + c + d < 0}
ns := numbers.range(1, 1000)
";
    let (group, entry) = group(endless, BuiltinErrors::Undefined);
    let started = Instant::now();
    let limits = limits(Duration::from_millis(300));
    let fault = group
        .evaluate_leniently(&entry, &Document::empty(), &limits)
        .unwrap_err();
    assert_eq!(fault, Fault::Deadline);
    assert!(started.elapsed() < Duration::from_secs(5));
    let over = Limits {
        deadline: Instant::now(),
        ..limits
    };
    assert_eq!(
        group.evaluate_leniently(&entry, &Document::empty(), &over),
        Err(Fault::Deadline)
    );
}

#[test]
fn a_panic_is_a_fault_also_leniently_and_ends_nothing_else() {
    let rego = "package kubernetes.admission.p
deny contains msg if { input.panic; msg := odd.panics() }
deny contains \"fine\"
";
    let (mut group, entry) = group(rego, BuiltinErrors::Undefined);
    for engine in [&mut group.strict].into_iter().chain(&mut group.lenient) {
        let panics = |_: Vec<Value>| -> anyhow::Result<Value> { panic!("an odd operand") };
        engine
            .add_extension("odd.panics".into(), 0, Box::new(panics))
            .unwrap();
    }
    let panics = Document::from_json(&json!({"panic": true}));
    assert_eq!(group.evaluate(&entry, &panics, &limits(LONG)), Err(Fault::Panic));
    assert_eq!(
        group.evaluate_leniently(&entry, &panics, &limits(LONG)),
        Err(Fault::Panic)
    );
    let fine = group.evaluate(&entry, &Document::empty(), &limits(LONG)).unwrap();
    assert_eq!(fine.to_json().unwrap(), json!([["deny", ["fine"]]]));
}

#[test]
fn our_builtins_are_called_however_their_names_are_written() {
    let too_many = "the range has more than 100000 items";
    for call in [
        "numbers.range(1, input.n)",
        "numbers[\"range\"](1, input.n)",
        "numbers[\"\\u0072ange\"](1, input.n)",
    ] {
        let rego = format!("package kubernetes.admission.p\ndeny contains x if x := {call}\n");
        let fault = leniently(&rego, json!({"n": 100_001})).unwrap_err();
        assert!(fault.to_string().contains(too_many), "{call}: {fault}");
    }
}
