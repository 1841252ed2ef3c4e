//! What expressions and heads are made of, as their authors wrote it.

use super::*;
use crate::policy::engine::normalize::Origin;

#[test]
fn what_stands_in_brackets_is_a_part_of_its_own() {
    let rego = "deny contains \"x\" if input.sizes[input.name] == 3\n";
    let one = failed(rego, "deny", json!({"sizes": {"a": 2}, "name": "a"}));
    assert_eq!(
        told(&one).2,
        ["input.sizes[input.name] is 2", "input.name is \"a\""]
    );
}

#[test]
fn a_comprehension_is_a_part() {
    let rego = "deny contains \"x\" if count([a | a := input.n + 1]) == 3\n";
    let one = failed(rego, "deny", json!({"n": 2}));
    assert_eq!(
        told(&one).2,
        [
            "count([a | a := input.n + 1]) is 1",
            "[a | a := input.n + 1] is [3]"
        ]
    );
}

#[test]
fn an_iteration_is_one_expression_whatever_it_goes_through() {
    for collection in ["some_list", "some_list.x", "so.me[_]", "input.a[_].b"] {
        let rego = format!(
            "deny contains \"x\" if {{\n  some c in {collection}\n  c > 3\n}}\n\nsome_list := {{\"x\": 1}} if input.a\n\nso.me := [1]\n"
        );
        let definitions = explain(&rego, "deny", json!({"a": [{"b": "text"}]}));
        let one = failure(definitions);
        let expression = match collection {
            // What is in it is looked at.
            "some_list" => "c > 3".to_owned(),
            _ => format!("some c in {collection}"),
        };
        assert_eq!(told(&one).1, expression);
    }
    let one = failed(
        "deny contains \"x\" if input.some_list >= []\n",
        "deny",
        json!({"some_list": 1}),
    );
    assert_eq!(told(&one).1, "input.some_list >= []");
}

#[test]
fn what_is_given_without_a_body_is_told_with_its_error() {
    let one = failed("size := to_number(input.n)\n", "size", json!({"n": "many"}));
    assert_eq!(
        (told(&one).0.as_str(), told(&one).1),
        ("p.rego:2:9", "to_number(input.n)")
    );
    assert!(
        one.error
            .as_ref()
            .is_some_and(|error| error.contains("to_number")),
        "{one:#?}"
    );
}

#[test]
fn an_else_without_a_value_and_a_computed_name_are_told_as_written() {
    let definitions = explain("x if input.a else if input.b\n", "x", json!({"b": 1}));
    let heads: Vec<&str> = definitions.iter().map(|one| one.head.as_str()).collect();
    assert_eq!(heads, ["x", "else"]);
    let definitions = explain(
        "sizes[name] := n if some name, n in input.sizes\n",
        "sizes",
        json!({"sizes": {"a": 1, "b": 2}}),
    );
    assert_eq!(definitions[0].head, "sizes[name] := n");
    assert!(
        matches!(definitions[0].verdict, Verdict::Fired { count: 2, .. }),
        "{definitions:#?}"
    );
}

#[test]
fn keywords_that_are_imported_are_there_where_the_engine_is_asked() {
    let rego = "package p\nimport future.keywords.in\ndeny[\"x\"] {\n  some c in input.cs\n  c > 3\n}\n";
    let one = failure(explain_as(rego, true, "deny", json!({"cs": [1]})));
    assert_eq!((told(&one).1, told(&one).2), ("c > 3", vec!["c is 1".to_owned()]));
}

#[test]
fn in_a_template_an_expression_is_told_at_its_place_in_the_file() {
    let text = "package p\ndeny contains \"x\" if {\n  input.n >= []\n  some c in input.cs\n  c > 3\n}\n";
    let inside = Origin::Inside {
        lines: 10,
        columns: 4,
    };
    let source = Source::parse_inside(&file("t.yaml", text, false), inside).unwrap();
    let errors = BuiltinErrors::Fault;
    let (group, package) = group_from(&[source], errors);
    let failure = |input| {
        let input = Document::from_json(&input);
        let one = failure(group.explain(&package, "deny", &input, errors, &limits(LONG)));
        (one.place.to_string(), one.text)
    };
    for (input, place, text) in [
        (json!({"n": 1}), "t.yaml:13:7", "input.n >= []"),
        (json!({"n": [], "cs": 1}), "t.yaml:14:7", "some c in input.cs"),
        (json!({"n": [], "cs": [1]}), "t.yaml:15:7", "c > 3"),
    ] {
        assert_eq!(failure(input), (place.to_owned(), text.to_owned()));
    }
}
