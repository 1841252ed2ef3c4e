//! What names mean: variables, rules of this file and of others, and what normalising wrote.

use super::*;

#[test]
fn a_name_of_a_rule_is_no_variable() {
    let rego =
        "name := input.n if input.n\n\ndeny contains \"x\" if {\n  input.names[name]\n  input.bad\n}\n";
    let one = failed(rego, "deny", json!({"names": {"a": true}}));
    assert_eq!(told(&one).1, "input.names[name]");
    let one = failed(rego, "deny", json!({"n": "a", "names": {"a": true}}));
    assert_eq!(told(&one).1, "input.bad");
    assert_eq!(one.examples[0].variables, []);
}

#[test]
fn a_name_of_a_rule_in_another_file_is_no_variable_either() {
    let files = [
        "package p\nname := input.n if input.n\n",
        "package p\ndeny contains \"x\" if {\n  input.names[name]\n  input.bad\n}\n",
    ];
    let errors = BuiltinErrors::Fault;
    let (group, package) = group_of(&files, false, errors);
    let input = Document::from_json(&json!({"n": "a", "names": {"a": true}}));
    let one = failure(group.explain(&package, "deny", &input, errors, &limits(LONG)));
    assert_eq!((told(&one).0.as_str(), told(&one).1), ("q.rego:4:3", "input.bad"));
    assert_eq!(one.examples[0].variables, []);
}

#[test]
fn definitions_of_several_files_are_told_in_the_order_of_the_files() {
    let files = [
        "package p\n\ndeny contains \"a\" if input.a\n",
        "package p\ndeny contains \"b\" if input.b\n",
    ];
    let errors = BuiltinErrors::Fault;
    let (group, package) = group_of(&files, false, errors);
    let definitions = group.explain(&package, "deny", &Document::empty(), errors, &limits(LONG));
    let places: Vec<String> = definitions.iter().map(|one| one.place.to_string()).collect();
    assert_eq!(places, ["p.rego:3:1", "q.rego:2:1"]);
}

#[test]
fn a_variable_is_no_rule_of_its_name() {
    let rego =
        "name := \"a\" if input.n\n\ndeny contains \"x\" if {\n  name := input.other\n  name == \"b\"\n}\n";
    let one = failed(rego, "deny", json!({"other": "c"}));
    assert_eq!((told(&one).1, because(&one)), ("name == \"b\"", vec![]));
}

#[test]
fn a_variable_that_looks_like_one_of_ours_is_its_authors() {
    let one = failed(
        "deny contains \"x\" if {\n  __n := input.n\n  __n > 3\n}\n",
        "deny",
        json!({"n": 1}),
    );
    assert_eq!(
        told(&one),
        ("p.rego:4:3".to_owned(), "__n > 3", vec!["__n is 1".to_owned()])
    );
    assert_eq!(one.examples[0].variables, [("__n".to_owned(), "1".to_owned())]);
}

#[test]
fn what_has_no_definition_with_a_body_is_not_explained() {
    let one = failed(
        "default allowed := false\n\ndeny contains \"x\" if allowed\n",
        "deny",
        json!({}),
    );
    assert_eq!(
        (told(&one).2, one.because),
        (vec!["allowed is false".to_owned()], vec![])
    );
    let function = "large(n) := n if n > 10\n";
    assert_eq!(explain(function, "large", json!({})), []);
}

#[test]
fn a_rule_that_is_named_twice_is_explained_once() {
    let rego = "deny contains \"x\" if [size, size] == [1, 1]\n\nsize := 2 if input.n\n";
    let one = failed(rego, "deny", json!({"n": 1}));
    assert_eq!(because(&one), ["size is 2 by p.rego:4:1"]);
}

#[test]
fn imports_count_where_the_engine_is_asked() {
    for (import, name) in [
        ("import data.limits", "limits.cpu"),
        ("import data.limits as known", "known.cpu"),
        ("import data.limits[\"cpu\"]", "cpu"),
        ("import data[\"limits\"]", "limits.cpu"),
        ("import data[\"\\\"\"]\nimport data.limits", "limits.cpu"),
    ] {
        let rego = format!("{import}\ndeny contains \"x\" if {name} > 4\n");
        let one = failed(&rego, "deny", json!({}));
        assert_eq!(told(&one).2, [format!("{name} is 4")], "{import}");
    }
}

#[test]
fn rules_in_what_with_gives_and_in_queries_are_not_explained() {
    let rules = "allowed if input.n > 3\n\ngiven := {\"n\": 1}\n";
    let rego = format!("test_a if allowed with input as given\n\n{rules}");
    assert_eq!(
        because(&failed(&rego, "test_a", json!({}))),
        ["allowed fails at input.n > 3"]
    );
    let rego = format!("test_b if count([given | input.x]) > 0\n\n{rules}");
    assert_eq!(because(&failed(&rego, "test_b", json!({}))), Vec::<String>::new());
}
