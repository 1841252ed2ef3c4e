//! How much is told at most, and for how long it is looked for.

use super::*;
use crate::policy::explain::{MAX_NAMED, MAX_OPERANDS, MAX_VALUES};

#[test]
fn explaining_ends_in_time_and_says_so() {
    let slow = "some a in numbers.range(1, 3000)\n  some b in numbers.range(1, 3000)\n  a * b < 0";
    for rego in [
        format!("package p\ndeny contains \"x\" if {{\n  {slow}\n}}\n"),
        // In what a rule gives, too.
        format!("package p\ndeny contains {{a | {slow}\n}}\n"),
    ] {
        let errors = BuiltinErrors::Fault;
        let (group, package) = group_of(&[&rego], false, errors);
        let limits = limits(Duration::from_millis(100));
        let definitions = group.explain(&package, "deny", &Document::empty(), errors, &limits);
        assert_eq!(
            definitions[0].verdict,
            Verdict::Unknown("the evaluation did not end in time".to_owned()),
            "{rego}"
        );
    }
}

#[test]
fn of_what_a_rule_gives_the_first_values_are_told_and_how_many_there_are() {
    let all: Vec<_> = (0..MAX_VALUES + 2).collect();
    let definitions = explain(
        "deny contains n if some n in input.ns\n",
        "deny",
        json!({"ns": all}),
    );
    let Verdict::Fired { values, count } = &definitions[0].verdict else {
        panic!("{definitions:#?}")
    };
    assert_eq!((values.len(), *count), (MAX_VALUES, MAX_VALUES + 2));
}

#[test]
fn of_a_part_with_many_values_the_first_are_told_and_how_many_there_are() {
    let one = failed(
        "deny contains \"x\" if input.ns[_] == 9\n",
        "deny",
        json!({"ns": [1, 2, 3, 4]}),
    );
    assert_eq!(told(&one).2[0], "input.ns[_] is each of 4: 1, 2, 3, …");
}

#[test]
fn many_parts_are_not_told_to_the_last_and_none_of_them_twice() {
    let parts: Vec<_> = (0..MAX_OPERANDS + 2).map(|n| format!("input.a{n}")).collect();
    let rego = format!("deny contains \"x\" if [{}] == []\n", parts.join(", "));
    let one = failed(&rego, "deny", json!({}));
    assert_eq!(told(&one).2.len(), MAX_OPERANDS);
    let one = failed(
        "deny contains \"x\" if input.n + input.n == 3\n",
        "deny",
        json!({"n": 1}),
    );
    assert_eq!(told(&one).2, ["input.n + input.n is 2", "input.n is 1"]);
}

#[test]
fn a_long_expression_is_cut() {
    let rego = format!(
        "deny contains \"x\" if input.name == \"{}\"\n",
        "a".repeat(MAX_TEXT)
    );
    let one = failed(&rego, "deny", json!({}));
    assert_eq!(one.text.chars().count(), MAX_TEXT + 1);
    assert!(
        one.text.starts_with("input.name == \"aaa") && one.text.ends_with('…'),
        "{}",
        one.text
    );
}

#[test]
fn the_values_of_a_line_that_is_as_long_as_a_line_may_be_are_told() {
    let rego = format!(
        "deny contains \"x\" if {{\n  lower(\"{}\") == input.n\n}}\n",
        "A".repeat(8160)
    );
    let one = failed(&rego, "deny", json!({"n": 1}));
    assert_eq!(told(&one).2.last().map(String::as_str), Some("input.n is 1"));
}

#[test]
fn many_rules_that_an_expression_names_are_not_explained_to_the_last() {
    let names: Vec<_> = (0..=MAX_NAMED).map(|n| format!("a{n}")).collect();
    let rules: String = names
        .iter()
        .map(|name| format!("{name} if input.{name}\n"))
        .collect();
    let rego = format!("deny contains \"x\" if [{}] == []\n{rules}", names.join(", "));
    assert_eq!(failed(&rego, "deny", json!({})).because.len(), MAX_NAMED);
}

/// How many rules are told from here down, each below the one that names it.
fn levels(failed: &Failed) -> usize {
    let below = failed.because.first().map(|named| &named.definitions[0].verdict);
    match below {
        Some(Verdict::Failed(below)) => 1 + levels(below),
        _ => 1,
    }
}

#[test]
fn rules_that_name_each_other_are_explained_to_a_depth() {
    let rules: String = (0..=MAX_DEPTH).map(|n| format!("a{n} if a{}\n", n + 1)).collect();
    let rego = format!("{rules}a{} if input.x\n", MAX_DEPTH + 1);
    assert_eq!(levels(&failed(&rego, "a0", json!({}))), MAX_DEPTH);
}

#[test]
fn long_values_are_cut() {
    let long = "a".repeat(2 * MAX_TEXT);
    let one = failed(
        "deny contains \"x\" if {\n  n := input.n\n  n == 1\n}\n",
        "deny",
        json!({"n": long}),
    );
    assert_eq!(one.examples[0].variables[0].1.chars().count(), MAX_TEXT + 1);
    let one = failed(
        "deny contains \"x\" if input.ns[_] == 1\n",
        "deny",
        json!({"ns": [long, "b"]}),
    );
    let OperandValue::Several(values, 2) = &one.examples[0].operands[0].value else {
        panic!("{one:#?}")
    };
    assert_eq!(values[0].chars().count(), MAX_TEXT / 3 + 1);
}
