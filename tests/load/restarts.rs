//! Connections that outlive the API server's patience, and a start after an end that nobody announced.

use std::io::{Read, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::either;
use crate::process::{Process, soon};
use crate::serving::{Client, head};

crate::cases![
    a_connection_that_was_idle_is_served,
    after_a_kill_under_load_the_first_decisions_are_right,
];

/// Each policy of a set denies its own number.
fn policies(count: usize) -> Vec<(String, String)> {
    (0..count)
        .map(|number| {
            let text = format!(
                "package kubernetes.admission.p{number}\n\
                 deny contains \"not {number}\" if input.request.object.data.number == \"{number}\"\n"
            );
            (format!("policies/p{number}.rego"), text)
        })
        .collect()
}

fn start(policies: &[(String, String)], more: &[&str]) -> Process {
    let files: Vec<_> = policies
        .iter()
        .map(|(name, text)| (name.as_str(), text.as_str()))
        .collect();
    Process::start(&files, &[&["--policy", "policies"], more].concat())
}

fn review(number: &str) -> String {
    format!(
        r#"{{"kind":"AdmissionReview","apiVersion":"admission.k8s.io/v1","request":{{"uid":"u-{number}",
        "kind":{{"group":"","version":"v1","kind":"ConfigMap"}},
        "resource":{{"group":"","version":"v1","resource":"configmaps"}},"operation":"CREATE",
        "userInfo":{{"username":"jane"}},
        "object":{{"apiVersion":"v1","kind":"ConfigMap","data":{{"number":"{number}"}}}}}}}}"#
    )
}

/// What forbids `number`, if anything does.
fn decide(client: &mut Client, number: &str) -> Option<String> {
    let response = client.post("/v1/validate", review(number));
    assert_eq!(response.status, 200, "{response:?}");
    let answer: Value = serde_json::from_str(&response.body).unwrap();
    let answer = &answer["response"];
    let message = answer["status"]["message"].as_str().map(str::to_owned);
    assert_eq!(answer["allowed"], message.is_none(), "{answer}");
    message
}

/// The API server's client keeps an idle connection for 90 s: a shorter patience here would lose what it sends.
fn a_connection_that_was_idle_is_served() {
    let process = start(&policies(2), &[]);
    let times: &[u64] = either(&[6], &[6, 60, 89]);
    thread::scope(|scope| {
        for &seconds in times {
            let mut client = process.client();
            scope.spawn(move || {
                assert_eq!(decide(&mut client, "none"), None);
                idle(Duration::from_secs(seconds));
                assert_eq!(
                    decide(&mut client, "1").as_deref(),
                    Some("[p1] not 1"),
                    "after {seconds} s"
                );
            });
        }
    });
}

fn idle(time: Duration) {
    let begin = Instant::now();
    while let Some(left) = time.checked_sub(begin.elapsed()) {
        thread::park_timeout(left);
    }
}

fn after_a_kill_under_load_the_first_decisions_are_right() {
    let policies = policies(either(50, 500));
    let kept = tempfile::tempdir().unwrap();
    let last_good = ["--last-good", kept.path().to_str().unwrap()];
    let mut starts = Vec::new();
    for _ in 0..either(2, 20) {
        let mut process = start(&policies, &last_good);
        let answered = Arc::new(AtomicU64::new(0));
        let callers: Vec<_> = (0..4)
            .map(|_| call_until_it_ends(process.client(), &answered))
            .collect();
        soon("it is under load", || {
            (answered.load(Ordering::Relaxed) > 50).then_some(())
        });
        process.signal("KILL");
        assert_eq!(process.ended().0.code(), None);
        for caller in callers {
            caller.join().unwrap();
        }
        let begin = Instant::now();
        starts.push(first_decisions(begin, &start(&policies, &last_good)));
    }
    // A busy machine and a build that is not optimised are no fault of the start.
    let bound = either(Duration::from_secs(15), Duration::from_secs(1));
    assert!(starts.iter().all(|start| *start < bound), "{starts:?}");
}

/// How long after `begin` a server has denied what it must and allowed what it must.
fn first_decisions(begin: Instant, process: &Process) -> Duration {
    let mut client = process.client();
    assert_eq!(decide(&mut client, "7").as_deref(), Some("[p7] not 7"));
    assert_eq!(decide(&mut client, "none"), None);
    begin.elapsed()
}

/// Sends reviews, one after the other, for as long as they are answered.
fn call_until_it_ends(mut client: Client, answered: &Arc<AtomicU64>) -> JoinHandle<()> {
    let answered = Arc::clone(answered);
    thread::spawn(move || {
        let review = review("7");
        let headers = format!(
            "content-type: application/json\r\ncontent-length: {}\r\n",
            review.len()
        );
        let request = head("/v1/validate", &headers) + &review;
        let mut answer = [0; 4096];
        while client.stream.write_all(request.as_bytes()).is_ok()
            && client.stream.read(&mut answer).is_ok_and(|length| length > 0)
        {
            answered.fetch_add(1, Ordering::Relaxed);
        }
    })
}
