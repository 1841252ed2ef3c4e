//! Each cap by one call that passes it: a fault in every mode, wherever the operands come from.

use super::*;

fn text(part: &str, times: usize) -> Value {
    Value::from(part.repeat(times))
}

fn list(items: impl Iterator<Item = Value>) -> Value {
    Value::from(items.collect::<Vec<_>>())
}

/// What the expressions below call by these names.
fn values() -> Value {
    let names = |count: u32| (0..count).map(|number| Value::from(format!("name-{number}")));
    let mut doubled = Value::from("a");
    for _ in 0..40 {
        doubled = list([doubled.clone(), doubled].into_iter());
    }
    let neighbours = list((0..1000u32).map(Value::from));
    let graph: BTreeMap<Value, Value> = (0..1000u32)
        .map(|node| (Value::from(node), neighbours.clone()))
        .collect();
    let keys: BTreeMap<Value, Value> = names(10_000).map(|key| (key, Value::from(""))).collect();
    let copies = r#"{"op": "copy", "from": "", "path": "/a"}"#;
    let additions = r#"{"op": "add", "path": "/a", "value": [[[[]]]]}"#;
    let aliases = format!("a: &a [{}1]\nb: [{}*a]", "1,".repeat(1000), "*a,".repeat(1000));
    let values = [
        ("five_mib", text("a", 5 * 1024 * 1024)),
        ("four_mib", text("a", 4 * 1024 * 1024)),
        ("letters", text("a", 600_000)),
        ("pairs", text("a&", 600_000)),
        ("lines", text("name-\n", 100_000)),
        ("many", list((0..300_000u32).map(Value::from))),
        ("parts", list((0..2_000_000u32).map(Value::from))),
        ("names", list(names(30_000))),
        ("factors", list((0..17).map(|_| Value::from(u64::MAX)))),
        ("doubled", doubled),
        ("graph", Value::from(graph)),
        ("keys", Value::from(keys)),
        ("path", text("/a", 1001)),
        (
            "copies",
            list((0..40).map(|_| Value::from_json_str(copies).unwrap())),
        ),
        (
            "additions",
            list((0..2000).map(|_| Value::from_json_str(additions).unwrap())),
        ),
        ("aliases", Value::from(aliases)),
        ("pattern", text("a", 16 * 1024 + 1)),
    ];
    Value::from(
        values
            .into_iter()
            .map(|(name, value)| (Value::from(name), value))
            .collect::<BTreeMap<_, _>>(),
    )
}

const LONG_TEXT: &str = "the result would be longer than 4 MiB";
const HEAVY: &str = "the operands are more than 16 MiB";
const MANY: &str = "more than 500000 items";
const PATCH: &str = "json.patch: the patch is too large for its document";

/// Expressions over the values, in which `V` is where they come from, and the message.
const CAPS: [(&str, &str); 45] = [
    ("lower(V.five_mib)", "lower: operand 1 is longer than 4 MiB"),
    (
        "crypto.sha256(V.five_mib)",
        "crypto.sha256: operand 1 is longer than 4 MiB",
    ),
    (
        "json.unmarshal(V.five_mib)",
        "json.unmarshal: operand 1 is longer than 4 MiB",
    ),
    (
        "contains(\"a\", V.five_mib)",
        "contains: operand 2 is longer than 4 MiB",
    ),
    ("array.concat(V.many, V.many)", MANY),
    ("split(V.letters, \"\")", MANY),
    ("indexof_n(V.letters, \"a\")", MANY),
    ("urlquery.decode_object(V.pairs)", MANY),
    ("graph.reachable(V.graph, [1])", MANY),
    (
        "regex.find_n(\"a\", V.letters, -1)",
        "regex.find_n: more than 500000 matches",
    ),
    (
        "regex.find_n(\"a\", V.letters, 600000)",
        "regex.find_n: more than 500000 matches",
    ),
    ("regex.split(\"a\", V.letters)", "more than 500000 matches"),
    (
        "regex.find_all_string_submatch_n(\"(a)\", V.letters, -1)",
        "regex.find_all_string_submatch_n: more than 250000 matches",
    ),
    (
        "regex.match(V.pattern, \"a\")",
        "regex.match: the pattern is longer than 16 KiB",
    ),
    (
        "regex.is_valid(V.pattern)",
        "regex.is_valid: the pattern is longer than 16 KiB",
    ),
    (
        "glob.match(V.pattern, [], \"a\")",
        "glob.match: the pattern is longer than 16 KiB",
    ),
    (
        "strings.any_prefix_match(V.names, V.names)",
        "bytes would be compared",
    ),
    (
        "strings.any_suffix_match(V.names, V.names)",
        "bytes would be compared",
    ),
    (
        "strings.replace_n(V.keys, V.lines)",
        "strings.replace_n: more than 2147483648 bytes would be compared",
    ),
    ("walk(V.parts)", "walk: the paths have more than 4000000 steps"),
    (
        "product(V.factors)",
        "product: the result has more than 1023 bits",
    ),
    ("json.marshal(V.doubled)", LONG_TEXT),
    (
        "json.marshal_with_options(V.doubled, {\"pretty\": true})",
        LONG_TEXT,
    ),
    (
        "json.marshal_with_options(V.names, {\"prefix\": V.path, \"pretty\": true})",
        LONG_TEXT,
    ),
    (
        "json.marshal_with_options([[[V.names]]], {\"indent\": V.path, \"pretty\": true})",
        LONG_TEXT,
    ),
    ("yaml.marshal(V.doubled)", LONG_TEXT),
    ("urlquery.encode_object({\"a\": V.doubled})", LONG_TEXT),
    ("json.match_schema(V.doubled, {})", LONG_TEXT),
    (
        "json.match_schema({}, {\"enum\": V.names})",
        "the schema is more than 256 KiB",
    ),
    (
        "json.verify_schema({\"enum\": V.names})",
        "the schema is more than 256 KiB",
    ),
    ("sprintf(\"\", [V.doubled])", LONG_TEXT),
    (
        "sprintf(\"\", [v | some i in numbers.range(1, 100); v := V.names])",
        LONG_TEXT,
    ),
    ("sort(V.doubled)", HEAVY),
    ("max(V.doubled)", HEAVY),
    ("min(V.doubled)", HEAVY),
    ("union({{V.doubled}})", HEAVY),
    ("object.union({\"a\": V.doubled}, {})", HEAVY),
    ("object.union_n([{\"a\": V.doubled}])", HEAVY),
    ("object.subset({\"a\": V.doubled}, {})", HEAVY),
    ("object.remove({}, V.doubled)", HEAVY),
    ("json.patch({\"a\": V.doubled}, [])", HEAVY),
    ("json.patch({\"a\": 1}, V.copies)", PATCH),
    ("json.patch({\"a\": 1}, V.additions)", PATCH),
    (
        "json.filter({\"a\": 1}, [V.path])",
        "json.filter: a path has more than 1000 names",
    ),
    (
        "time.clock([1, V.pattern])",
        "time.clock: the operands are more than 4 KiB",
    ),
];

#[test]
fn what_would_take_too_much_is_a_fault_from_input_and_from_data_and_leniently_too() {
    let values = values();
    for (expression, message) in CAPS {
        for (root, errors) in [
            ("input", BuiltinErrors::Fault),
            ("input", BuiltinErrors::Undefined),
            ("data.v", BuiltinErrors::Fault),
        ] {
            let mut engine = Engine::new();
            add_to(&mut engine, |_| true).unwrap();
            let expression = expression.replace("V.", &format!("{root}."));
            engine
                .add_policy("t.rego".into(), format!("package t\nx := {expression}\n"))
                .unwrap();
            let data = BTreeMap::from([(Value::from("v"), values.clone())]);
            engine.add_data(Value::from(data)).unwrap();
            engine.set_input(values.clone());
            enter(Context::default(), errors);
            let error = engine.eval_rule("data.t.x".into()).unwrap_err().to_string();
            assert!(error.contains(message), "{expression}: {error}");
            assert!(took_too_much(), "{expression}: {error}");
        }
    }
}

#[test]
fn what_the_builtins_of_an_evaluation_make_is_counted_together() {
    let text = text("A", 4 * 1024 * 1024);
    let of = |times: u32| {
        let mut engine = Engine::new();
        add_to(&mut engine, |_| true).unwrap();
        let rule =
            format!("package t\nx := count([l | some i in numbers.range(1, {times}); l := lower(input)])\n");
        engine.add_policy("t.rego".into(), rule).unwrap();
        engine.set_input(text.clone());
        enter(Context::default(), BuiltinErrors::Fault);
        engine
            .eval_rule("data.t.x".into())
            .map_err(|error| error.to_string())
    };
    assert_eq!(of(50), Ok(Value::from(50)));
    let error = of(100).unwrap_err();
    let message = "lower: with it the builtins of this evaluation would make more than 256 MiB";
    assert!(error.contains(message), "{error}");
    assert!(took_too_much());
    // The next evaluation begins anew.
    assert_eq!(of(1), Ok(Value::from(1)));
}

#[test]
fn aliases_of_yaml_stand_for_no_more_than_a_list_may_hold() {
    let yaml = |aliases: usize| {
        let text = format!(
            "a: &a [{}1]\nb: [{}*a]",
            "1,".repeat(999),
            "*a,".repeat(aliases - 1)
        );
        let values = [Value::from(text)];
        enter(Context::default(), BuiltinErrors::Fault);
        answer("yaml.unmarshal", &values, |values| {
            yaml::is_valid(values)?;
            yaml::unmarshal(values).map(|_| Value::Null)
        })
    };
    assert!(yaml(400).is_ok());
    let error = yaml(600).unwrap_err().to_string();
    let message = "the text is nested too deep, or its aliases stand for more than 500000 values";
    assert!(error.contains(message), "{error}");
    assert!(took_too_much());
}

#[test]
fn a_pattern_that_compiles_to_too_much_is_a_fault_leniently_too() {
    let pattern = "regex.match(\"(a{1000}){1000}\", \"a\")";
    for errors in [BuiltinErrors::Fault, BuiltinErrors::Undefined] {
        let error = evaluate(Context::default(), errors, pattern)
            .unwrap_err()
            .to_string();
        assert!(error.contains("regex.match: "), "{error}");
        assert!(took_too_much());
    }
}

#[test]
fn the_text_of_the_largest_object_can_still_be_gone_through() {
    let lines = text(
        "key: value of a line of some sixty characters, as in a file\n",
        50_000,
    );
    for (expression, result) in [
        ("count(split(input, \"\\n\"))", 50_001),
        ("count(regex.find_n(\"v[a-z]+\", input, -1))", 50_000),
        ("count(replace(input, \"key\", \"k\"))", 2_900_000),
        ("count(base64.decode(base64.encode(input)))", 3_000_000),
        (
            "count(json.unmarshal(json.marshal(split(input, \"\\n\"))))",
            50_001,
        ),
        (
            "count(yaml.unmarshal(concat(\"\", [\"- \", replace(input, \"\\n\", \"\\n- \")])))",
            50_001,
        ),
        ("count(lower(input))", 3_000_000),
        ("indexof(input, \"nowhere\")", -1),
    ] {
        let mut engine = Engine::new();
        add_to(&mut engine, |_| true).unwrap();
        engine
            .add_policy("t.rego".into(), format!("package t\nx := {expression}\n"))
            .unwrap();
        engine.set_input(lines.clone());
        enter(Context::default(), BuiltinErrors::Fault);
        let value = engine.eval_rule("data.t.x".into()).unwrap();
        assert_eq!(value, Value::from(result), "{expression}");
    }
}

#[test]
fn the_caps_are_those_of_the_documentation() {
    let table = include_str!("../../../../../docs/policies.md");
    for row in [
        format!("takes or gives | {} MiB |", bounded::MAX_TEXT >> 20),
        format!("aliases stand for | {} |", bounded::MAX_ITEMS),
        format!(
            "| {} MiB; {} |",
            super::super::x509::MAX_TEXT >> 20,
            super::super::x509::MAX_COMPARISONS
        ),
        format!("| {} MiB |\n\n", MAX_MADE >> 20),
    ] {
        assert!(table.contains(&row), "{row}");
    }
}
