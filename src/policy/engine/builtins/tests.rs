//! The table as a whole, and what needs no comparison with OPA; the rest is compared in the tests in OPA.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use regorus::unstable::BUILTINS;

use super::*;

mod caps;
mod huge;
mod jwks;
mod jwt;
mod x509;

fn evaluate(context: Context, errors: BuiltinErrors, expression: &str) -> anyhow::Result<Value> {
    let mut engine = Engine::new();
    add_to(&mut engine, |_| true)?;
    engine.add_policy("t.rego".into(), format!("package t\nx := {expression}\n"))?;
    enter(context, errors);
    engine.eval_rule("data.t.x".into())
}

fn eval(context: Context, expression: &str) -> anyhow::Result<Value> {
    evaluate(context, BuiltinErrors::Fault, expression)
}

fn error(expression: &str) -> String {
    eval(Context::default(), expression).unwrap_err().to_string()
}

#[test]
fn sha256_is_lower_case_hex_of_the_text() {
    assert_eq!(
        eval(Context::default(), "crypto.sha256(\"abc\")").unwrap(),
        Value::from("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad")
    );
    assert!(error("crypto.sha256(1)").contains("crypto.sha256: operand 1 must be a string"));
}

#[test]
fn decoding_rubbish_is_an_error_and_undefined_at_authn() {
    let authn = Context {
        lenient_decoding: true,
        ..Context::default()
    };
    for (expression, message) in [
        ("base64.decode(\"%\")", "base64.decode: not base64"),
        (
            "base64url.decode(\"_w\")",
            "base64url.decode: the bytes are not UTF-8",
        ),
        ("json.unmarshal(\"{\")", "json.unmarshal: not valid JSON"),
    ] {
        assert!(error(expression).contains(message), "{expression}");
        assert_eq!(eval(authn, expression).unwrap(), Value::Undefined, "{expression}");
    }
    assert_eq!(
        eval(authn, "base64url.decode(\"YWI\")").unwrap(),
        Value::from("ab")
    );
    assert_eq!(eval(authn, "base64.decode(\"YWI=\")").unwrap(), Value::from("ab"));
}

#[test]
fn unmarshalled_objects_keep_every_key() {
    let expression = r#"object.keys(json.unmarshal("{\"$serde_json::private::Number\":\"1\"}"))"#;
    let keys = eval(Context::default(), expression).unwrap();
    assert!(
        keys.as_set()
            .unwrap()
            .contains(&Value::from("$serde_json::private::Number"))
    );
}

#[test]
fn a_document_is_not_a_number_whatever_its_keys() {
    let expression = r#"to_number("{\"$serde_json::private::Number\":\"1\"}")"#;
    assert!(error(expression).contains("to_number: the text is not a number"));
}

#[test]
fn time_and_random_values_are_those_of_the_review() {
    let context = Context {
        now_ns: 1_700_000_000_000_000_000,
        seed: 7,
        lenient_decoding: false,
    };
    let other = Context { seed: 8, ..context };
    assert_eq!(
        eval(context, "time.now_ns()").unwrap(),
        Value::from(1_700_000_000_000_000_000_i64)
    );
    for expression in ["uuid.rfc4122(\"a\")", "rand.intn(\"a\", 1000000)"] {
        assert_eq!(
            eval(context, expression).unwrap(),
            eval(context, expression).unwrap()
        );
        assert_ne!(
            eval(context, expression).unwrap(),
            eval(other, expression).unwrap()
        );
    }
    let uuid = eval(context, "uuid.rfc4122(\"a\")").unwrap();
    let uuid = uuid.as_string().unwrap();
    assert_eq!((uuid.len(), uuid.as_bytes()[14]), (36, b'4'));
    assert_eq!(eval(context, "rand.intn(\"a\", 0)").unwrap(), Value::from(0u64));
}

#[test]
fn the_table_is_in_order_and_tells_arities() {
    assert!(FUNCTIONS.is_sorted_by(|(a, _, _), (b, _, _)| a < b));
    assert!(OUTGOING.is_sorted_by(|(a, _, _), (b, _, _)| a < b));
    let functions = FUNCTIONS.iter().map(|(name, operands, _)| (*name, *operands));
    let outgoing = OUTGOING.iter().map(|(name, operands, _)| (*name, *operands));
    for (name, operands) in functions.chain(outgoing) {
        assert_eq!(operands_of(name), Some(usize::from(operands)));
        assert!(is_ours(name));
        let engines = BUILTINS.get(name).map(|(_, operands)| *operands);
        assert!(engines.is_none_or(|engines| engines == operands), "{name}");
    }
    // Whatever the engine has besides is guarded or known to be harmless.
    for name in BUILTINS.keys().filter(|name| !is_ours(name)) {
        let guarded = guarded::all().any(|(guarded, _, _)| guarded == *name);
        assert_ne!(guarded, guarded::FREE.contains(name), "{name}");
    }
    assert!(declared::rows().is_sorted_by(|a, b| a.name < b.name));
    for (name, (_, operands)) in BUILTINS.iter().filter(|(name, _)| !name.starts_with("__")) {
        assert_eq!(operands_of(name), Some(usize::from(*operands)), "{name}");
    }
    assert_eq!(operands_of("startswith"), Some(2));
    assert!(!is_ours("startswith"));
    assert_eq!(operands_of("sprint"), None);
    assert_eq!(nearest("sprintff"), Some("sprintf"));
}

#[test]
fn the_result_of_an_overridden_builtin_may_stand_as_its_last_operand() {
    let of = |body: &str| {
        let mut engine = Engine::new();
        add_to(&mut engine, |_| true).unwrap();
        engine
            .add_policy("t.rego".into(), format!("package t\nx := y if {body}\n"))
            .unwrap();
        enter(Context::default(), BuiltinErrors::Fault);
        engine
            .eval_rule("data.t.x".into())
            .map_err(|error| error.to_string())
    };
    assert_eq!(of("{ sprintf(\"%5d\", [1], y) }"), Ok(Value::from("    1")));
    let range = vec![Value::from(2), Value::from(1)];
    assert_eq!(of("{ numbers.range(2, 1, y) }"), Ok(Value::from(range)));
    // The engine knows this form of its own names only.
    let unsafe_result = of("{ crypto.sha256(\"a\", y) }").unwrap_err();
    assert!(unsafe_result.contains("var y is unsafe"), "{unsafe_result}");
}

#[test]
fn where_errors_are_undefined_ours_are_too() {
    for expression in [
        "sprintf(1, [])",
        "units.parse(\"a\")",
        "to_number(\"a\")",
        "strings.count(\"a\", 1)",
    ] {
        assert!(eval(Context::default(), expression).is_err(), "{expression}");
        let value = evaluate(Context::default(), BuiltinErrors::Undefined, expression).unwrap();
        assert_eq!(value, Value::Undefined, "{expression}");
    }
}

/// Small operands that ask for much.
const BOMBS: [(&str, &str); 21] = [
    (
        "sprintf(\"%9999999d\", [1])",
        "sprintf: the result would be longer than 4 MiB",
    ),
    ("sprintf(\"%.9999999d\", [1])", "longer than 4 MiB"),
    ("sprintf(\"%.9999999f\", [1.5])", "longer than 4 MiB"),
    ("sprintf(\"%.9999999e\", [1.5])", "longer than 4 MiB"),
    ("sprintf(\"%.9999999x\", [1.5])", "longer than 4 MiB"),
    ("sprintf(\"%.9999999U\", [1])", "longer than 4 MiB"),
    ("sprintf(\"%9999999s\", [\"a\"])", "longer than 4 MiB"),
    ("sprintf(\"%#9999999g\", [1.5])", "longer than 4 MiB"),
    (
        "sprintf(\"%[1]*[1]d%[1]*[1]d%[1]*[1]d%[1]*[1]d%[1]*[1]d\", [1000000])",
        "longer than 4 MiB",
    ),
    ("numbers.range(1, 100001)", "the range has more than 100000 items"),
    (
        "numbers.range(0, 1000000000000000000000000000000)",
        "more than 100000 items",
    ),
    ("numbers.range_step(1, 1000000, 3)", "more than 100000 items"),
    (
        "net.cidr_expand(\"10.0.0.0/15\")",
        "net.cidr_expand: the network has more than 65536 addresses",
    ),
    ("net.cidr_expand(\"::/0\")", "more than 65536 addresses"),
    (
        "bits.lsh(1, 1023)",
        "bits.lsh: the result has more than 1023 bits",
    ),
    ("bits.lsh(1, 18446744073709551615)", "more than 1023 bits"),
    (
        "to_number(concat(\"\", [\"1\" | numbers.range(1, 1001)[_]]))",
        "to_number: the number has more than 1000 digits",
    ),
    (
        "units.parse(\"1e999999\")",
        "units.parse: the number has more than 1000 digits",
    ),
    (
        "replace(sprintf(\"%99999s\", [\"\"]), \" \", sprintf(\"%99999s\", [\"\"]))",
        "replace: the result would be longer than 4 MiB",
    ),
    (
        "regex.replace(sprintf(\"%99999s\", [\"\"]), \" \", sprintf(\"%99999s\", [\"\"]))",
        "regex.replace: the result would be longer than 4 MiB",
    ),
    (
        "concat(sprintf(\"%99999s\", [\"\"]), [\"\" | numbers.range(1, 99999)[_]])",
        "concat: the result would be longer than 4 MiB",
    ),
];

#[test]
fn small_operands_that_ask_for_much_are_refused_at_once_and_leniently_too() {
    let started = Instant::now();
    for (expression, message) in BOMBS {
        for errors in [BuiltinErrors::Fault, BuiltinErrors::Undefined] {
            let error = evaluate(Context::default(), errors, expression).unwrap_err();
            assert!(error.to_string().contains(message), "{expression}: {error}");
            assert!(took_too_much(), "{expression}");
        }
        eval(Context::default(), "sprintf(\"%d\", [1])").unwrap();
        assert!(!took_too_much());
    }
    assert!(
        started.elapsed() < Duration::from_secs(20),
        "{:?}",
        started.elapsed()
    );
}

#[test]
fn paths_of_a_dense_graph_are_not_all_walked() {
    let dense = "graph.reachable_paths({a: [b | some b in numbers.range(1, 30)] | some a in numbers.range(1, 30)}, [1])";
    assert!(error(dense).contains("graph.reachable_paths: the graph has too many or too long paths"));
    let chain = "graph.reachable_paths({a: [a + 1] | some a in numbers.range(1, 90000)}, [1])";
    assert!(error(chain).contains("too many or too long paths"));
    let few =
        "count(graph.reachable_paths({\"a\": [\"b\", \"c\"], \"b\": [\"c\"], \"c\": [\"a\"]}, [\"a\"]))";
    assert_eq!(eval(Context::default(), few).unwrap(), Value::from(2));
}

#[test]
fn the_largest_results_that_are_allowed_are_given() {
    let length = |expression: &str| eval(Context::default(), &format!("count({expression})")).unwrap();
    assert_eq!(length("numbers.range(1, 100000)"), Value::from(100_000));
    assert_eq!(length("numbers.range_step(100000, 1, 1)"), Value::from(100_000));
    assert_eq!(length("net.cidr_expand(\"10.0.0.0/16\")"), Value::from(65_536));
    assert_eq!(
        length("sprintf(\"%4194304s\", [\"\"])"),
        Value::from(4 * 1024 * 1024)
    );
    assert_eq!(length("sprintf(\"%d\", [bits.lsh(1, 1022)])"), Value::from(308));
}

/// Operands that nobody thought of.
fn odd_values() -> Vec<Value> {
    let texts = [
        "",
        " ",
        "a",
        "é",
        "日本",
        "\u{0}",
        "%",
        "{",
        "[",
        "(",
        "1",
        "-1",
        "1e5",
        "..",
        "a/b",
        "10.0.0.0/24",
        "::1/127",
        "2006é",
        "UTC",
        "{\"a\":1}",
        "a: [1]",
    ];
    let numbers = [
        "0",
        "-1",
        "1",
        "2",
        "1.5",
        "-0.0",
        "1e300",
        "9223372036854775807",
        "-9223372036854775808",
        "18446744073709551616",
    ];
    let mut values: Vec<Value> = texts.into_iter().map(Value::from).collect();
    values.extend(numbers.map(|number| Value::from_numeric_string(number).unwrap()));
    let json = [
        "null",
        "true",
        "[]",
        "{}",
        "[\"\"]",
        "[1, \"UTC\", \"é\"]",
        "[[\"a\"]]",
        "{\"a\": \"b\", \"\": \"\"}",
        "{\"a\": null}",
        "[{\"op\": \"add\", \"path\": \"/a\", \"value\": 1}]",
        "[9223372036854775807, \"Asia/Kathmandu\"]",
    ];
    values.extend(json.map(|json| Value::from_json_str(json).unwrap()));
    values.push(Value::new_set());
    values.push(Value::from(std::collections::BTreeSet::from([
        Value::from("a"),
        Value::from(1),
    ])));
    values
}

/// All lists of so many values, or where they are too many every so manieth of them.
fn operands(values: &[Value], count: u32) -> impl Iterator<Item = Vec<Value>> {
    let all = values.len().pow(count);
    // Prime to the number of values, so that each value comes to each place.
    let step = (all / 5_000).max(1) | 1;
    (0..all).step_by(step).map(move |mut number| {
        (0..count)
            .map(|_| {
                let value = values[number % values.len()].clone();
                number /= values.len();
                value
            })
            .collect()
    })
}

/// Operands that are right in their types more often than not, of pieces that mean something to one builtin or another;
/// the same in every run.
fn drawn_values(count: usize) -> Vec<Value> {
    const PIECES: [&str; 40] = [
        "1", "2006", "-07:00", "Jan", "05", ".000", "MST", "_2", "Z07:00", "pm", "é", "日", "%", "s", "h",
        ".", "-", "+", "e", "E", "[", "]", "(", ")", "{", "}", "*", "?", "\\", "/", ":", ",", "\"", "\u{0}",
        " ", "\n", "a", "Ki", "0x", "$1",
    ];
    let mut state = 0x9e37_79b9_7f4a_7c15u64;
    let mut draw = |below: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        usize::try_from(state % below as u64).unwrap()
    };
    let mut value = || {
        let mut text = |most: usize| {
            let pieces = draw(most);
            Value::from(
                (0..pieces)
                    .map(|_| PIECES[draw(PIECES.len())])
                    .collect::<String>(),
            )
        };
        let (short, long, other) = (text(2), text(7), text(7));
        match draw(10) {
            0..5 => long,
            5 => short,
            6 => Value::from(vec![short]),
            7 => Value::from(vec![long, other]),
            8 => Value::from(std::collections::BTreeMap::from([(long, other)])),
            _ => Value::from(i64::try_from(draw(7)).unwrap() - 3),
        }
    };
    (0..count).map(|_| value()).collect()
}

#[test]
fn no_builtin_panics_on_drawn_operands() {
    let values = drawn_values(10_000);
    assert_none_panics(|count| {
        let windows = values
            .windows(count.max(1))
            .map(move |window| window[..count].to_vec());
        // Times carry their layout within an array.
        let within = values.iter().filter(move |_| count == 1).map(|text| {
            let layout = vec![
                Value::from(1_700_000_000_000_000_000u64),
                Value::from("UTC"),
                text.clone(),
            ];
            vec![Value::from(layout)]
        });
        windows.chain(within).collect()
    });
}

#[test]
fn no_builtin_panics_on_odd_operands() {
    let values = odd_values();
    assert_none_panics(|count| operands(&values, u32::try_from(count).unwrap()).collect());
}

/// How many operands a builtin takes, also one of the engine's that policies cannot name.
fn operand_count(name: &str) -> usize {
    let of_the_engine = || BUILTINS.get(name).map(|(_, operands)| usize::from(*operands));
    operands_of(name).or_else(of_the_engine).unwrap()
}

fn assert_none_panics(operands: impl Fn(usize) -> Vec<Vec<Value>>) {
    enter(Context::default(), BuiltinErrors::Fault);
    let mut panicked = Vec::new();
    let mut calls = 0u32;
    let names = BUILTINS.keys().copied().filter(|name| !is_ours(name));
    let names = names.chain(FUNCTIONS.iter().map(|(name, _, _)| *name));
    let names: Vec<&str> = names.chain(OUTGOING.iter().map(|(name, _, _)| *name)).collect();
    for name in names {
        let ours = FUNCTIONS.iter().copied().find(|(ours, _, _)| *ours == name);
        let outgoing = OUTGOING.iter().copied().find(|(ours, _, _)| *ours == name);
        let guard = guarded::all().find(|(guarded, _, _)| *guarded == name);
        for operands in operands(operand_count(name)) {
            calls += 1;
            enter(Context::default(), BuiltinErrors::Fault);
            let started = Instant::now();
            let call = || match (ours, outgoing, guard) {
                (Some((_, _, function)), _, _) => answer(name, &operands, function),
                (_, Some((_, _, function)), _) => {
                    answer(name, &operands, |values| function(values, &Outside::default()))
                }
                (_, _, Some((_, _, check))) => {
                    answer(name, &operands, |values| guarded::call(name, check, values))
                }
                _ => original::call(name, &operands),
            };
            if catch_unwind(AssertUnwindSafe(call)).is_err() {
                panicked.push(format!("{name} of {operands:?}"));
            }
            assert!(
                started.elapsed() < Duration::from_secs(5),
                "{name} of {operands:?}"
            );
        }
    }
    assert!(calls > 50_000, "only {calls} calls");
    assert!(panicked.is_empty(), "{}: {panicked:#?}", panicked.len());
}

/// What a policy gets of an expression about `input`.
fn asked(expression: &str, input: Value, errors: BuiltinErrors) -> Result<Value, String> {
    let mut engine = Engine::new();
    engine.set_strict_builtin_errors(errors == BuiltinErrors::Fault);
    add_to(&mut engine, |_| true).unwrap();
    let module = format!("package p\nx := v if {{ v := {expression} }}\n");
    engine.add_policy("p.rego".into(), module).unwrap();
    engine.set_input(input);
    enter(Context::default(), errors);
    let result = engine.eval_rule("data.p.x".into());
    result.map_err(|error| error.to_string())
}

#[test]
fn an_object_of_yaml_with_an_unusual_first_key_stays_an_object() {
    for errors in [BuiltinErrors::Fault, BuiltinErrors::Undefined] {
        for first in ["1", "x"] {
            let text = format!("a:\n  \"$serde_json::private::Number\": \"{first}\"\n  privileged: true\n");
            let read = "yaml.unmarshal(input).a.privileged";
            assert_eq!(
                asked(read, Value::from(text.clone()), errors),
                Ok(Value::from(true))
            );
            let valid = asked("yaml.is_valid(input)", Value::from(text), errors);
            assert_eq!(valid, Ok(Value::from(true)));
        }
    }
}

#[test]
fn operands_without_a_value_are_an_error_where_opa_has_one_or_an_error() {
    for (expression, name) in [
        (
            "json.patch([1], [{\"op\": \"replace\", \"path\": \"/a\", \"value\": 1}])",
            "json.patch",
        ),
        ("array.slice([1, 2], input, 2)", "array.slice"),
        ("substring(\"abc\", input, 1)", "substring"),
        ("bits.and(1, input)", "bits.and"),
        ("bits.rsh(input, 1)", "bits.rsh"),
    ] {
        for number in [1.5, 1e21] {
            let answer = asked(expression, Value::from(number), BuiltinErrors::Fault);
            let error = answer.expect_err(expression);
            assert!(error.contains(name), "{expression}: {error}");
        }
    }
    assert_eq!(
        asked("max([])", Value::Null, BuiltinErrors::Fault),
        Ok(Value::Undefined)
    );
}
