//! Evaluations that take as long as they can: every answer comes at its deadline.
//!
//! The clock of the engine is read between its steps, not within a builtin, so each of these works on the largest values
//! that builtins take, again and again. The answer does not wait for that: it leaves from another thread.

use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::either;
use crate::pace;
use crate::process::Process;

crate::cases![an_answer_comes_at_its_deadline_whatever_is_evaluated];

/// Each works when the review's uid begins with its name; 9999 times, if it were let.
const WORKS: [(&str, &str); 9] = [
    ("loops", "some a in turns; some b in turns; a + b + turn == 0"),
    (
        "regex",
        r#"count(regex.find_n("(a|b)+c?", text, -1)) + turn == 0"#,
    ),
    ("replace", r#"replace(text, "a", "b") == turn"#),
    ("split", r#"count(split(text, "b")) + turn == 0"#),
    ("concat", r#"concat(",", list) == turn"#),
    ("sprintf", r#"sprintf("%v", [list]) == turn"#),
    ("json", "json.unmarshal(json.marshal(list)) == turn"),
    ("walk", "count([1 | walk(list, [_, value]); value == turn]) > 0"),
    ("sort", "sort([x | some x in list]) == turn"),
];

/// A third of a second is what a caller with `timeoutSeconds: 1` leaves.
const TARGET: &str = "/v1/validate?timeout=1s";
const DEADLINE: Duration = Duration::from_millis(300);

fn an_answer_comes_at_its_deadline_whatever_is_evaluated() {
    let policies = WORKS.map(|(name, work)| policy(name, work));
    let files: Vec<_> = policies
        .iter()
        .map(|(path, text)| (path.as_str(), text.as_str()))
        .collect();
    let process = Process::start(&files, &["--policy", "policies"]);
    let rounds = either(1, 200);
    // Two at once, as many as there are threads: nobody waits in line.
    let mut took: Vec<(Duration, &str)> = thread::scope(|scope| {
        let halves = [0, 1].map(|half| {
            let process = &process;
            scope.spawn(move || run(process, half, rounds))
        });
        halves.into_iter().flat_map(|half| half.join().unwrap()).collect()
    });
    took.sort();
    let at = |share: usize| took[(took.len() * share).div_ceil(1_000) - 1];
    let stuck = process.metrics("regate_stuck_evaluations_total");
    eprintln!(
        "{} answers: p50 {:?}, p99.9 {:?}, last {:?}; {stuck:?}",
        took.len(),
        at(500),
        at(999),
        at(1_000)
    );
    // What the machine does beside this may take a while in a short run.
    let late = DEADLINE + Duration::from_millis(either(2_000, 250));
    assert!(at(1_000).0 <= late, "{:?}", at(1_000));
    assert!(
        at(999).0 <= DEADLINE + Duration::from_millis(either(2_000, 50)),
        "{:?}",
        at(999)
    );
}

fn policy(name: &str, work: &str) -> (String, String) {
    let text = format!(
        r#"package kubernetes.admission.{name}
turns := numbers.range(1, 9999)
text := input.request.object.data.text
list := input.request.object.data.list
deny contains "much" if {{
	startswith(input.request.uid, "{name}-")
	some turn in turns
	{work}
}}
"#
    );
    (format!("policies/{name}.rego"), text)
}

/// Sends a review of every kind so many times, and gives how long each answer took.
fn run(process: &Process, half: usize, rounds: usize) -> Vec<(Duration, &'static str)> {
    let mut client = process.client();
    let mut took = Vec::new();
    let bodies = WORKS.map(|(name, _)| (name, review(&format!("{name}-{half}"))));
    for _ in 0..rounds {
        for (name, body) in &bodies {
            let sent = Instant::now();
            let response = client.post(TARGET, body);
            took.push((sent.elapsed(), *name));
            let answer: Value = serde_json::from_str(&response.body).unwrap();
            let answer = &answer["response"];
            assert_eq!(answer["allowed"], false, "{name}: {answer}");
            // 429: the thread is still at the one before, and there is no other.
            let code = answer["status"]["code"].as_u64().unwrap();
            assert!([429, 500, 504].contains(&code), "{name}: {answer}");
        }
    }
    took
}

/// A review of an object with a text of 512 KiB and a list of 20,000 texts. The uid comes first, as it does on the wire.
fn review(uid: &str) -> String {
    let text = "aaaaaaab".repeat(64 << 10);
    let list: Vec<_> = (0..20_000).map(|item| format!("item-{item}")).collect();
    let list = serde_json::json!(list);
    let object =
        format!(r#"{{"apiVersion":"v1","kind":"ConfigMap","data":{{"text":"{text}","list":{list}}}}}"#);
    let without = r#""object":{"apiVersion":"v1","kind":"ConfigMap"}"#;
    pace::admission(uid).replace(without, &format!(r#""object":{object}"#))
}
