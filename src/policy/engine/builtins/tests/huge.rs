//! Every builtin with operands as large as a review can hold, and with small ones that ask for much, each call in an
//! evaluation of its own. In a process of its own: what aborts it is told, and how much memory it took at most.

use std::fs;
use std::process::Command;
use std::time::Duration;

use regorus::utils::limits::ExecutionTimerConfig;

use super::*;

/// Set for the process that makes the calls.
const CHILD: &str = "REGATE_TEST_HUGE_OPERANDS";

/// How long one call may take: in a build for production a second, and our own code is many times slower in others.
const LONGEST: Duration = Duration::from_secs(if cfg!(debug_assertions) { 20 } else { 1 });

/// The most memory that the process may have taken at one time, its operands included.
const MOST_MEMORY: u64 = 768 * 1024 * 1024;

fn text(part: &str, times: usize) -> Value {
    Value::from(part.repeat(times))
}

fn list(items: impl Iterator<Item = Value>) -> Value {
    Value::from(items.collect::<Vec<_>>())
}

fn object(members: impl Iterator<Item = (Value, Value)>) -> Value {
    Value::from(members.collect::<BTreeMap<_, _>>())
}

fn json(text: &str) -> Value {
    Value::from_json_str(text).unwrap()
}

/// Texts that are long, or ask for much.
fn texts() -> Vec<Value> {
    const MIB: usize = 1024 * 1024;
    let mut texts = vec![
        text("a", 4 * MIB),
        text("a", 16 * MIB),
        Value::from("a".repeat(2 * MIB) + "b"),
        text("ab", MIB),
        text("é", 2 * MIB),
        text("1", 4 * MIB),
        text("/a", 2 * MIB),
        text("a&", 2 * MIB),
        text("[],", MIB),
        Value::from(format!("[{}1]", "1,".repeat(2 * MIB - 2))),
        Value::from(format!("[{}1]", "[],".repeat(MIB))),
        text("line of a text\n", 200_000),
        text("2006-01-02", 100_000),
        text("%v", MIB),
        text("<", 4 * MIB),
        text("{a,", 5000),
        text("(a|b)*", 2500),
        text("a:\n", 10),
    ];
    let short = [
        "",
        "a",
        "[a-z]",
        "b",
        "(a{1000}){1000}",
        "(a{30}){30}",
        "[ab]*a[ab]{100}c",
        "(?i)\\pL",
        "()()()()()()()()a",
        "**/a/{b,**}/*",
        "1e1000000000",
        "{\"a\":1e1000000000}",
        "{\"$ref\": \"#\"}",
        "9999999999999999999.0.0",
        "%0900000000d",
        "10.0.0.0/0",
        "::/0",
        "999999999999h",
        "1e1000000000Ki",
        "UTC",
    ];
    texts.extend(short.map(Value::from));
    let anchored = format!("a: &a [{}1]\nb: [{}*a]", "1,".repeat(1000), "*a,".repeat(100_000));
    texts.push(Value::from(anchored));
    texts
}

/// Numbers at the edges of what they are held in, and counts that nothing has.
fn numbers() -> Vec<Value> {
    let numbers = [
        "0",
        "1",
        "-1",
        "1.5",
        "1000000000",
        "1000000000000000000",
        "-9223372036854775808",
        "18446744073709551615",
        "18446744073709551616",
        "1e300",
    ];
    let mut numbers: Vec<Value> = numbers
        .iter()
        .map(|number| Value::from_numeric_string(number).unwrap())
        .collect();
    numbers.push(Value::from_numeric_string(&"9".repeat(300)).unwrap());
    numbers
}

fn collections() -> Vec<Value> {
    let whole = |count: u32| (0..count).map(Value::from);
    let name = |number: Value| Value::from(format!("name-{number}"));
    let mut doubled = Value::from("a");
    for _ in 0..40 {
        doubled = list([doubled.clone(), doubled].into_iter());
    }
    let mut deep = Value::from("a");
    for _ in 0..120 {
        deep = object([(Value::from("a"), deep)].into_iter());
    }
    let clique = list(whole(1000));
    let long = text("a", 1024 * 1024);
    vec![
        Value::new_array(),
        Value::new_object(),
        list(whole(1_000_000)),
        list(whole(100_000).map(name)),
        list(std::iter::repeat_n(Value::from(u64::MAX), 1_000_000)),
        list(std::iter::repeat_n(long, 2000)),
        list(whole(100_000).map(|key| object([(name(key.clone()), key)].into_iter()))),
        list(whole(100_000).map(|item| list([item].into_iter()))),
        list(whole(1000).map(|_| list(whole(500)))),
        list(std::iter::repeat_n(
            json(r#"{"op": "copy", "from": "", "path": "/a"}"#),
            40,
        )),
        list(std::iter::repeat_n(
            json(r#"{"op": "add", "path": "/a", "value": [[[]]]}"#),
            100_000,
        )),
        list([text("/a", 1_000_000), Value::from("a/1e1000000000")].into_iter()),
        list(whole(100_000).map(|key| Value::from(format!("a/b/name-{key}")))),
        Value::from(
            whole(300_000)
                .map(name)
                .collect::<std::collections::BTreeSet<_>>(),
        ),
        Value::from(
            whole(1000)
                .map(|item| Value::from(std::collections::BTreeSet::from([item])))
                .collect::<std::collections::BTreeSet<_>>(),
        ),
        object(whole(300_000).map(|key| (name(key.clone()), key))),
        object(whole(100_000).map(|key| (name(key.clone()), name(key)))),
        object(whole(1000).map(|key| (key, clique.clone()))),
        object([(Value::from("a"), list(whole(1_000_000)))].into_iter()),
        doubled,
        deep,
    ]
}

/// Lists of so many values: a part of all of them that is the same each time, and a large one in a long run.
fn lists_of_operands(values: &[Value], count: usize) -> Vec<Vec<Value>> {
    let most = match std::env::var_os("REGATE_LONG_RUN") {
        Some(_) => 10_000,
        None => 20,
    };
    let all = values.len().pow(u32::try_from(count).unwrap());
    // Prime to the number of values, so that each comes to each place.
    let step = (all / most.max(values.len())).max(1) | 1;
    (0..all)
        .step_by(step)
        .map(|mut number| {
            (0..count)
                .map(|_| {
                    let value = values[number % values.len()].clone();
                    number /= values.len();
                    value
                })
                .collect()
        })
        .collect()
}

/// What is told of a value that may be huge.
fn told(value: &Value) -> String {
    match value {
        Value::String(text) => {
            let begin: String = text.chars().take(20).collect();
            format!("{begin:?} of {}", text.len())
        }
        Value::Array(items) => format!("array of {}", items.len()),
        Value::Set(items) => format!("set of {}", items.len()),
        Value::Object(members) => format!("object of {}", members.len()),
        Value::Number(number) => number.format_decimal().chars().take(20).collect(),
        value => format!("{value:?}"),
    }
}

/// `VmHWM` of this process in bytes: the most memory it has taken.
fn peak() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() * 1024
}

/// How long this thread has been on a processor: the machine may have others to run.
fn busy() -> Duration {
    let times = fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    Duration::from_nanos(times.split_whitespace().next().unwrap().parse().unwrap())
}

/// One call in an evaluation; how long it took. Its result is refused or not too large.
fn call(name: &str, operands: &[Value]) -> Duration {
    let mut engine = Engine::new();
    add_to(&mut engine, |called| called == name).unwrap();
    add_outgoing_to(&mut engine, |called| called == name, &Arc::default()).unwrap();
    let places: Vec<String> = (0..operands.len()).map(|at| format!("input[{at}]")).collect();
    engine
        .add_policy(
            "t.rego".into(),
            format!("package t\nx := {name}({})\n", places.join(", ")),
        )
        .unwrap();
    engine.set_strict_builtin_errors(true);
    engine.set_execution_timer_config(ExecutionTimerConfig {
        limit: 10 * LONGEST,
        check_interval: std::num::NonZeroU32::MIN,
    });
    engine.set_input(Value::from(operands.to_vec()));
    enter(Context::default(), BuiltinErrors::Fault);
    let started = busy();
    let result = catch_unwind(AssertUnwindSafe(|| engine.eval_rule("data.t.x".into())));
    let took = busy().saturating_sub(started);
    let result = result.unwrap_or_else(|_| panic!("{name} panicked"));
    if let Ok(value) = result {
        assert!(weight::size(&value, 3) < MAX_MADE, "the result is too large");
    }
    took
}

fn call_all() {
    let values: Vec<Value> = [texts(), numbers(), collections()].concat();
    let names = BUILTINS.keys().copied().filter(|name| !is_ours(name));
    let names = names
        .chain(FUNCTIONS.iter().map(|(name, _, _)| *name))
        .chain(OUTGOING.iter().map(|(name, _, _)| *name));
    let mut calls = 0;
    // These are not offered to policies.
    for name in names.filter(|name| !matches!(*name, "opa.runtime" | "trace")) {
        let mut longest = (Duration::ZERO, String::new());
        for operands in lists_of_operands(&values, operand_count(name)) {
            let told: Vec<String> = operands.iter().map(told).collect();
            println!("{name} of {told:?}");
            let took = call(name, &operands);
            assert!(took < LONGEST, "{took:?}");
            longest = longest.max((took, format!("{told:?}")));
            calls += 1;
        }
        println!(
            "{name} took at most {:?} for {}, with {} MiB",
            longest.0,
            longest.1,
            peak() >> 20
        );
        assert!(peak() < MOST_MEMORY, "{} MiB", peak() >> 20);
    }
    assert!(calls > 3000, "only {calls} calls");
}

#[test]
fn no_builtin_hangs_or_aborts_on_huge_operands() {
    if std::env::var_os(CHILD).is_some() {
        std::thread::Builder::new()
            .stack_size(64 * 1024 * 1024)
            .spawn(call_all)
            .unwrap()
            .join()
            .unwrap();
        return;
    }
    let child = Command::new(std::env::current_exe().unwrap())
        .args([
            "policy::engine::builtins::tests::huge::no_builtin_hangs_or_aborts_on_huge_operands",
            "--exact",
            "--nocapture",
        ])
        .env(CHILD, "1")
        .output()
        .unwrap();
    let report = String::from_utf8_lossy(&child.stdout);
    let last: Vec<&str> = report.lines().rev().take(5).collect();
    assert!(
        child.status.success() && report.contains("took at most"),
        "{last:#?}{}",
        String::from_utf8_lossy(&child.stderr)
    );
}
