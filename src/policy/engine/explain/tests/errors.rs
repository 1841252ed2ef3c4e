//! Errors of builtins, and questions that cannot be answered.

use super::*;

const FAILING: &str = "package p\ndeny contains \"x\" if {\n  print(\"first\")\n  10 / input.n > 3\n}\n\n\
                       warn contains \"y\" if {\n  deny\n  print(\"second\")\n}\n";

#[test]
fn an_error_is_told_as_the_policy_wants_it() {
    let explain = |errors| {
        let (group, package) = group_of(&[FAILING], false, errors);
        let input = Document::from_json(&json!({"n": 0}));
        failure(group.explain(&package, "deny", &input, errors, &limits(LONG)))
    };
    let fault = explain(BuiltinErrors::Fault);
    assert_eq!(fault.text, "10 / input.n > 3");
    assert!(fault.error.is_some(), "{fault:#?}");
    let undefined = explain(BuiltinErrors::Undefined);
    assert_eq!((undefined.text, undefined.error), (fault.text, None));
}

#[test]
fn what_is_printed_ends_with_an_error_only_where_that_is_a_fault() {
    let prints = |errors| {
        let (group, _) = group_of(&[FAILING], false, errors);
        let input = Document::from_json(&json!({"n": 0}));
        group.prints("data.p.warn", &input, errors, &limits(LONG))
    };
    assert_eq!(prints(BuiltinErrors::Fault), ["p.rego:3: first"]);
    assert_eq!(
        prints(BuiltinErrors::Undefined),
        ["p.rego:3: first", "p.rego:9: second"]
    );
}

#[test]
fn a_part_that_cannot_be_asked_does_not_hide_the_variables() {
    let rego = "size := 1 if input.a\n\nsize := 2 if input.b\n\n\
                deny contains \"x\" if {\n  n := input.n\n  input.missing[_] == size + n\n}\n";
    let one = failed(rego, "deny", json!({"a": 1, "b": 1, "n": 3}));
    assert_eq!((one.text.as_str(), one.ways), ("input.missing[_] == size + n", 1));
    assert_eq!(one.examples[0].variables, [("n".to_owned(), "3".to_owned())]);
    assert_eq!(one.examples[0].operands, []);
}
