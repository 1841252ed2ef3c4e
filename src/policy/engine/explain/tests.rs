//! Rules on inputs, and the first expression that fails of each definition.

mod bounds;
mod errors;
mod names;
mod parts;

use std::time::{Duration, Instant};

use serde_json::json;

use super::super::ast::Source;
use super::super::builtins::Context;
use super::*;
use crate::policy::explain::MAX_EXAMPLES;
use crate::policy::files::RegoFile;

fn file(path: &str, text: &str, v0: bool) -> RegoFile {
    RegoFile {
        path: path.into(),
        text: text.into(),
        is_test: false,
        v0,
    }
}

/// A package of up to two files.
fn group_of(files: &[&str], v0: bool, errors: BuiltinErrors) -> (Group, Vec<String>) {
    let files = files.iter().zip(["p.rego", "q.rego"]);
    let sources = files.map(|(text, path)| Source::parse(&file(path, text, v0)).unwrap());
    group_from(&sources.collect::<Vec<_>>(), errors)
}

fn group_from(sources: &[Source], errors: BuiltinErrors) -> (Group, Vec<String>) {
    let package = sources[0].package.clone();
    let data = Document::from_json(&json!({"limits": {"cpu": 4}}));
    let (group, _) = Group::build(
        &sources.iter().collect::<Vec<_>>(),
        &[(&package, vec![])],
        &data,
        errors,
        &std::sync::Arc::default(),
    )
    .unwrap();
    (group, package)
}

fn limits(time: Duration) -> Limits {
    Limits {
        deadline: Instant::now() + time,
        context: Context::default(),
    }
}

const LONG: Duration = Duration::from_secs(30);

fn explain_as(rego: &str, v0: bool, rule: &str, input: serde_json::Value) -> Vec<Definition> {
    let errors = BuiltinErrors::Fault;
    let (group, package) = group_of(&[rego], v0, errors);
    let input = Document::from_json(&input);
    group.explain(&package, rule, &input, errors, &limits(LONG))
}

fn explain(rego: &str, rule: &str, input: serde_json::Value) -> Vec<Definition> {
    explain_as(&format!("package p\n{rego}"), false, rule, input)
}

/// The only definition, which failed.
fn failed(rego: &str, rule: &str, input: serde_json::Value) -> Failed {
    failure(explain(rego, rule, input))
}

fn failure(mut definitions: Vec<Definition>) -> Failed {
    assert_eq!(definitions.len(), 1, "{definitions:#?}");
    match definitions.remove(0).verdict {
        Verdict::Failed(failed) => *failed,
        other => panic!("{other:#?}"),
    }
}

/// Where, what, and the parts of the first way.
fn told(failed: &Failed) -> (String, &str, Vec<String>) {
    let operands = failed.examples.first().map(|way| way.operands.iter());
    let operands = operands.into_iter().flatten().map(ToString::to_string);
    (failed.place.to_string(), &failed.text, operands.collect())
}

#[test]
fn the_first_expression_that_fails_is_told_with_its_values() {
    let rego =
        "deny contains msg if {\n  c := input.cpu\n  c <= data.limits.cpu\n  c == 3\n  msg := \"three\"\n}\n";
    let one = failed(rego, "deny", json!({"cpu": 8}));
    assert_eq!(
        told(&one),
        (
            "p.rego:4:3".to_owned(),
            "c <= data.limits.cpu",
            vec!["c is 8".to_owned(), "data.limits.cpu is 4".to_owned()]
        )
    );
    assert_eq!((one.ways, one.error.as_deref()), (1, None));
    assert_eq!(one.examples[0].variables, [("c".to_owned(), "8".to_owned())]);
    let one = failed(rego, "deny", json!({"cpu": 2}));
    assert_eq!(
        told(&one),
        ("p.rego:5:3".to_owned(), "c == 3", vec!["c is 2".to_owned()])
    );
    let (left, right) = one.examples[0].sides.clone().unwrap();
    assert_eq!(
        (left.to_json().unwrap(), right.to_json().unwrap()),
        (json!(2), json!(3))
    );
}

#[test]
fn what_fires_is_told_with_its_place_and_what_it_gives() {
    let rego = "deny contains msg if {\n  some c in input.cs\n  c.bad\n  msg := c.name\n}\n\ndeny contains \"x\" if input.x\n";
    let definitions = explain(
        rego,
        "deny",
        json!({"cs": [{"name": "a", "bad": true}, {"name": "b", "bad": true}]}),
    );
    let [first, second] = definitions.as_slice() else {
        panic!("{definitions:#?}")
    };
    assert_eq!(
        (first.place.to_string().as_str(), first.head.as_str()),
        ("p.rego:2:1", "deny contains msg")
    );
    let Verdict::Fired { values, count } = &first.verdict else {
        panic!("{first:#?}")
    };
    assert_eq!(*count, 2);
    assert_eq!(
        values.iter().map(|value| value.notation(20)).collect::<Vec<_>>(),
        ["\"a\"", "\"b\""]
    );
    assert_eq!(second.place.to_string(), "p.rego:8:1");
    assert!(
        matches!(&second.verdict, Verdict::Failed(failed) if failed.text == "input.x"),
        "{second:#?}"
    );
}

#[test]
fn of_a_reference_it_is_told_how_far_it_is_defined() {
    let one = failed(
        "deny contains \"x\" if input.object.metadata.labels.owner == \"me\"\n",
        "deny",
        json!({"object": {"metadata": {"name": "web"}}}),
    );
    assert_eq!(
        told(&one).2,
        ["input.object.metadata.labels.owner is undefined: input.object.metadata is {\"name\": \"web\"}"]
    );
    assert_eq!(one.examples[0].sides, None);
    // What is explained stands in `data`, too.
    let one = failed(
        "deny contains \"x\" if data.limits.memory == 4\n",
        "deny",
        json!({}),
    );
    assert_eq!(told(&one).2, ["data.limits.memory is undefined"]);
}

#[test]
fn of_a_pattern_whose_variables_are_not_bound_the_other_side_is_told() {
    let rego = "deny contains \"x\" if {\n  [x, 2] = input.pair\n  x > 0\n}\n";
    let one = failed(rego, "deny", json!({"pair": [1, 3]}));
    assert_eq!(
        told(&one),
        (
            "p.rego:3:3".to_owned(),
            "[x, 2] = input.pair",
            vec!["input.pair is [1, 3]".to_owned()]
        )
    );
    assert_eq!(one.examples[0].sides, None);
}

#[test]
fn of_an_iteration_the_furthest_ways_are_told() {
    let rego = "deny contains msg if {\n  some c in input.cs\n  some port in c.ports\n  port > 1024\n  msg := \"x\"\n}\n";
    let cs: Vec<_> = (0..5).map(|n| json!({"name": n, "ports": [80, 443]})).collect();
    let one = failed(rego, "deny", json!({"cs": cs}));
    assert_eq!(
        (one.text.as_str(), one.ways, one.examples.len()),
        ("port > 1024", 10, MAX_EXAMPLES)
    );
    let variables = &one.examples[0].variables;
    assert_eq!(
        variables
            .iter()
            .map(|(name, _)| name.as_str())
            .collect::<Vec<_>>(),
        ["c", "port"]
    );
    assert_eq!(told(&one).2, ["port is 80"]);
    // Nothing to go through: the iteration itself fails.
    let one = failed(rego, "deny", json!({"cs": []}));
    assert_eq!(told(&one).1, "some c in input.cs");
    assert_eq!(told(&one).2, ["input.cs is []"]);
    let one = failed(rego, "deny", json!({"cs": "no list"}));
    assert_eq!(
        told(&one),
        (
            "p.rego:3:3".to_owned(),
            "some c in input.cs",
            vec!["input.cs is \"no list\"".to_owned()]
        )
    );
}

#[test]
fn what_an_expression_iterates_over_has_several_values() {
    let one = failed(
        "deny contains \"x\" if input.cs[_].image == \"a\"\n",
        "deny",
        json!({"cs": [{"image": "b"}, {"image": "c"}]}),
    );
    assert_eq!(told(&one).2, ["input.cs[_].image is each of 2: \"b\", \"c\""]);
}

#[test]
fn a_negation_is_told_as_its_author_wrote_it() {
    let rego = "deny contains \"x\" if {\n  not startswith(input.name, \"a\")\n}\n";
    let one = failed(rego, "deny", json!({"name": "abc"}));
    assert_eq!(
        told(&one),
        (
            "p.rego:3:3".to_owned(),
            "not startswith(input.name, \"a\")",
            vec!["input.name is \"abc\"".to_owned()]
        )
    );
    assert_eq!(one.examples[0].variables, []);
    // What it is given has to be defined.
    let one = failed(rego, "deny", json!({}));
    assert_eq!(
        told(&one),
        (
            "p.rego:3:3".to_owned(),
            "not startswith(input.name, \"a\")",
            vec!["input.name is undefined: input is {}".to_owned()]
        )
    );
}

#[test]
fn a_head_that_is_undefined_is_told_where_it_stands() {
    let rego = "deny contains sprintf(\"%s\", [input.name]) if {\n  input.bad\n}\n";
    let one = failed(rego, "deny", json!({"bad": true}));
    assert_eq!(
        (told(&one).0, told(&one).1),
        ("p.rego:2:15".to_owned(), "sprintf(\"%s\", [input.name])")
    );
    assert_eq!(
        told(&one).2,
        ["input.name is undefined: input is {\"bad\": true}"]
    );
    // Without a body, too.
    let one = failed("size := input.size\n", "size", json!({}));
    assert_eq!(
        told(&one),
        (
            "p.rego:2:9".to_owned(),
            "input.size",
            vec!["input.size is undefined: input is {}".to_owned()]
        )
    );
}

#[test]
fn an_else_is_reached_only_where_nothing_before_it_held() {
    let rego = "size := \"big\" if {\n  input.n > 10\n} else := \"middle\" if {\n  input.n > 5\n} else := \"small\" if {\n  input.n > 0\n}\n";
    let verdicts = |n: i64| {
        let definitions = explain(rego, "size", json!({"n": n}));
        let word = |verdict: &Verdict| match verdict {
            Verdict::Fired { values, .. } => values[0].notation(20),
            Verdict::Failed(failed) => failed.text.clone(),
            Verdict::NotReached => "not reached".into(),
            Verdict::Unknown(why) => why.clone(),
        };
        let words = definitions
            .iter()
            .map(|one| format!("{} {}: {}", one.place, one.head, word(&one.verdict)));
        words.collect::<Vec<_>>()
    };
    assert_eq!(
        verdicts(7),
        [
            "p.rego:2:1 size := \"big\": input.n > 10",
            "p.rego:4:3 else := \"middle\": \"middle\"",
            "p.rego:6:3 else := \"small\": not reached"
        ]
    );
    assert_eq!(verdicts(0)[2], "p.rego:6:3 else := \"small\": input.n > 0");
}

#[test]
fn an_expression_keeps_its_with() {
    let rego = "allow if input.user == \"a\"\n\ntest_allowed if {\n  u := \"b\"\n  allow with input as {\"user\": u}\n}\n\n\
                test_count if {\n  count(names) == 2 with input as {\"names\": [\"a\"]}\n}\n\nnames contains n if some n in input.names\n";
    let one = failed(rego, "test_allowed", json!({}));
    assert_eq!(
        told(&one),
        (
            "p.rego:6:3".to_owned(),
            "allow with input as {\"user\": u}",
            vec!["allow is undefined".to_owned()]
        )
    );
    let one = failed(rego, "test_count", json!({}));
    assert_eq!(told(&one).2, ["count(names) is 1", "names is {\"a\"}"]);
    let (left, right) = one.examples[0].sides.clone().unwrap();
    assert_eq!((left.lines(), right.lines()), ("1".to_owned(), "2".to_owned()));
}

#[test]
fn expressions_may_stand_before_what_binds_their_variables() {
    let rego = "deny contains \"x\" if {\n  some i\n  i > 3\n  input.ns[i] == 7\n}\n";
    let one = failed(rego, "deny", json!({"ns": [7]}));
    assert_eq!(
        told(&one),
        ("p.rego:4:3".to_owned(), "i > 3", vec!["i is 0".to_owned()])
    );
}

#[test]
fn declared_variables_an_every_and_comprehensions_are_one_expression_each() {
    let rego = "deny contains \"x\" if {\n  some i, j\n  input.cs[i].ports[j] == 80\n  every c in input.cs { c.ok }\n}\n";
    let one = failed(rego, "deny", json!({"cs": [{"ports": [80]}]}));
    assert_eq!(told(&one).1, "every c in input.cs { c.ok }");
    assert_eq!(told(&one).2, ["input.cs is [{\"ports\": [80]}]"]);
    assert_eq!(
        one.examples[0].variables,
        [("i".to_owned(), "0".to_owned()), ("j".to_owned(), "0".to_owned())]
    );
    let one = failed(rego, "deny", json!({"cs": [{"ports": [81]}]}));
    assert_eq!(told(&one).1, "input.cs[i].ports[j] == 80");
    assert_eq!(told(&one).2[0], "input.cs[i].ports[j] is 81");
    let rego = "deny contains \"x\" if {\n  bad := [c | some c in input.cs; c.bad]\n  count(bad) > 0\n}\n";
    let one = failed(rego, "deny", json!({"cs": [{}]}));
    assert_eq!(
        told(&one),
        (
            "p.rego:4:3".to_owned(),
            "count(bad) > 0",
            vec!["count(bad) is 0".to_owned(), "bad is []".to_owned()]
        )
    );
}

#[test]
fn a_builtin_that_fails_is_told_with_its_error() {
    let one = failed(
        "deny contains \"x\" if to_number(input.n) > 3\n",
        "deny",
        json!({"n": "many"}),
    );
    assert_eq!(told(&one).1, "to_number(input.n) > 3");
    assert!(
        one.error
            .as_ref()
            .is_some_and(|error| error.contains("to_number")),
        "{one:#?}"
    );
    assert_eq!(
        told(&one).2,
        ["to_number(input.n) is undefined", "input.n is \"many\""]
    );
}

#[test]
fn rules_of_the_older_language_are_explained_too() {
    let rego = "package p\nimport data.limits as l\ndeny[msg] {\n  input.cpu > l.cpu\n  msg := \"x\"\n} {\n  input.b\n  msg := \"y\"\n}\n";
    let definitions = explain_as(rego, true, "deny", json!({"cpu": 5}));
    let [first, second] = definitions.as_slice() else {
        panic!("{definitions:#?}")
    };
    assert!(
        matches!(&first.verdict, Verdict::Fired { count: 1, .. }),
        "{first:#?}"
    );
    assert!(
        matches!(&second.verdict, Verdict::Failed(failed) if failed.text == "input.b" && failed.place.line == 7),
        "{second:#?}"
    );
    let definitions = explain_as(rego, true, "deny", json!({"cpu": 4}));
    let Verdict::Failed(one) = &definitions[0].verdict else {
        panic!("{definitions:#?}")
    };
    assert_eq!(told(one).2, ["input.cpu is 4", "l.cpu is 4"]);
}

/// What came of the rules that a failing expression names: place, and what failed or fired.
fn because(failed: &Failed) -> Vec<String> {
    let definitions = failed.because.iter().flat_map(|named| {
        named
            .definitions
            .iter()
            .map(move |definition| match &definition.verdict {
                Verdict::Failed(failed) => format!("{} fails at {}", named.rule, failed.text),
                Verdict::Fired { values, .. } => {
                    format!(
                        "{} is {} by {}",
                        named.rule,
                        values[0].notation(20),
                        definition.place
                    )
                }
                other => format!("{other:?}"),
            })
    });
    definitions.collect()
}

#[test]
fn rules_that_the_failing_expression_names_are_explained_too() {
    let rego = "deny contains \"x\" if {\n  is_large\n}\n\nis_large if limit_known\n\nis_large if input.n > 10\n\n\
                limit_known if input.limit\n";
    let one = failed(rego, "deny", json!({"n": 3}));
    assert_eq!(told(&one).1, "is_large");
    assert_eq!(
        because(&one),
        ["is_large fails at limit_known", "is_large fails at input.n > 10"]
    );
    let Verdict::Failed(inner) = &one.because[0].definitions[0].verdict else {
        panic!("{one:#?}")
    };
    assert_eq!(because(inner), ["limit_known fails at input.limit"]);

    // What holds where it should not is told as well.
    let rego = "deny contains \"x\" if not exempt\n\nexempt if input.user == \"root\"\n";
    let one = failed(rego, "deny", json!({"user": "root"}));
    assert_eq!(because(&one), ["exempt is true by p.rego:4:1"]);
}

#[test]
fn rules_are_explained_on_the_input_that_a_test_gives_them() {
    let rego = "package p\nimport data.p as policy\ndeny contains \"x\" if input.n > 10\n\n\
                test_deny if {\n  n := 7\n  count(policy.deny) == 1 with input as {\"n\": n}\n}\n\n\
                test_data if count(data.p.deny) == 1 with data.limits as {}\n";
    let mut definitions = explain_as(rego, false, "test_deny", json!({}));
    let Verdict::Failed(one) = definitions.remove(0).verdict else {
        panic!("it failed")
    };
    assert_eq!(because(&one), ["policy.deny fails at input.n > 10"]);
    let Verdict::Failed(inner) = &one.because[0].definitions[0].verdict else {
        panic!("{one:#?}")
    };
    assert_eq!(told(inner).2, ["input.n is 7"]);
    // What else `with` changes is not known there.
    let mut definitions = explain_as(rego, false, "test_data", json!({}));
    let Verdict::Failed(one) = definitions.remove(0).verdict else {
        panic!("it failed")
    };
    assert_eq!(one.because, []);
}
