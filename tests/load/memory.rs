//! Bodies that together are larger than the memory: what the process takes, and who still gets an answer.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::either;
use crate::process::Process;
use crate::serving::{Client, Response, head};

crate::cases![many_large_bodies_take_no_more_memory_than_there_is];

const VALIDATE: &str = r#"
package kubernetes.admission.names
deny contains sprintf("no %s", [input.request.uid]) if startswith(input.request.uid, "bad")
"#;
const SUBJECT: &str = r#"
package kubernetes.authorization.people
allow if input.spec.user == "jane"
"#;
const TOKEN: &str = r#"
package kubernetes.authentication.tokens
user := {"username": "jane"} if input.spec.token == "secret"
"#;

/// MiB that the process may have taken at its peak.
const MEMORY: usize = 256;
/// The same after many bursts: the system's allocator keeps for each thread what it once needed. The limit of a Pod in
/// docs/operations.md.
const MEMORY_AT_LENGTH: usize = 320;
const LARGE: usize = 7 << 20;

fn many_large_bodies_take_no_more_memory_than_there_is() {
    let files = [
        ("policies/validate.rego", VALIDATE),
        ("policies/subject.rego", SUBJECT),
        ("policies/token.rego", TOKEN),
    ];
    let process = Process::start(&files, &["--policy", "policies"]);
    let body = admission("good", LARGE);
    let codes = Mutex::new(BTreeMap::new());
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        let small = scope.spawn(|| ask_small(&process, &over));
        let clients = (0..200).map(|_| {
            scope.spawn(|| {
                for _ in 0..either(1, 10) {
                    let code = ask_large(&process, &body);
                    *codes.lock().unwrap().entry(code).or_insert(0) += 1;
                }
            })
        });
        let clients: Vec<_> = clients.collect();
        clients.into_iter().for_each(|client| client.join().unwrap());
        over.store(true, Ordering::Relaxed);
        let times = small.join().unwrap();
        let peak = memory(&process, "VmHWM");
        let codes = codes.lock().unwrap();
        println!(
            "peak {peak} MiB, then {} MiB; answers {codes:?}; {} small, p99 {:?}",
            memory(&process, "VmRSS"),
            times.len(),
            times[times.len() * 99 / 100]
        );
        assert!(peak <= either(MEMORY, MEMORY_AT_LENGTH), "{peak} MiB");
    });
    drop(process);
    // One alone gets a real decision, and so does the largest that the API server sends; this machine may be slow.
    let process = Process::start(&files, &["--policy", "policies", "--deadline", "30s"]);
    assert_eq!(ask_large(&process, &body), 200);
    for length in [17_400_000, 30_000_000] {
        assert_eq!(ask_large(&process, &escaped("good", length)), 200);
        assert_eq!(ask_large(&process, &escaped("bad", length)), 403);
    }
    assert!(memory(&process, "VmHWM") <= MEMORY);
}

/// The code of the answer to a large review; 200 if it allows. Whatever was no room for says so.
fn ask_large(process: &Process, body: &str) -> u64 {
    let response = send_until_answered(&mut process.client(), "/v1/validate", body);
    assert_eq!(response.status, 200);
    let answer: Value = serde_json::from_str(&response.body).unwrap();
    let answer = &answer["response"];
    let code = answer["status"]["code"].as_u64().unwrap_or(200);
    assert_eq!(answer["allowed"], code == 200, "{answer}");
    assert!(matches!(code, 200 | 403 | 429 | 504), "{answer}");
    code
}

/// How long small reviews take, in order, until it is over; each must be decided.
fn ask_small(process: &Process, over: &AtomicBool) -> Vec<Duration> {
    let token = r#"{"kind":"TokenReview","apiVersion":"authentication.k8s.io/v1","spec":{"token":"secret"}}"#;
    let subject = r#"{"kind":"SubjectAccessReview","apiVersion":"authorization.k8s.io/v1",
        "spec":{"user":"jane","resourceAttributes":{"verb":"get","version":"v1","resource":"pods"}}}"#;
    let small = admission("good", 4_000);
    let reviews = [
        ("/v1/authn", token, r#""authenticated":true"#),
        ("/v1/authz", subject, r#""allowed":true"#),
        ("/v1/validate", &small, r#""allowed":true"#),
    ];
    let mut client = process.client();
    let mut times = Vec::new();
    while !over.load(Ordering::Relaxed) {
        for (path, review, expected) in reviews {
            let begin = Instant::now();
            let response = client.post(path, review);
            assert!(response.body.contains(expected), "{path}: {response:?}");
            times.push(begin.elapsed());
        }
    }
    times.sort();
    times
}

/// Sends a review as a client does that looks at what comes back meanwhile.
fn send_until_answered(client: &mut Client, path: &str, body: &str) -> Response {
    let headers = format!(
        "content-type: application/json\r\ncontent-length: {}\r\n",
        body.len()
    );
    client.send(head(path, &headers));
    for piece in body.as_bytes().chunks(64 << 10) {
        client.stream.sock.set_nonblocking(true).unwrap();
        let answered = client.stream.sock.peek(&mut [0]).is_ok();
        client.stream.sock.set_nonblocking(false).unwrap();
        if answered || client.stream.write_all(piece).is_err() {
            break;
        }
    }
    client.response()
}

/// A review of so many bytes of containers.
fn admission(uid: &str, length: usize) -> String {
    let container = r#"{"name":"c","image":"registry.example/app:1","env":[{"name":"A","value":"b"},{"name":"C",
        "value":"d"}],"ports":[{"containerPort":80}],"resources":{"limits":{"cpu":"1","memory":"1Gi"}}}"#;
    let containers = vec![container; length / container.len()].join(",");
    review(uid, &format!(r#""containers":[{containers}]"#))
}

/// A review of so many bytes of a text of `<`, as the API server writes it.
fn escaped(uid: &str, length: usize) -> String {
    review(uid, &format!(r#""text":"{}""#, "\\u003c".repeat(length / 6)))
}

fn review(uid: &str, spec: &str) -> String {
    format!(
        r#"{{"kind":"AdmissionReview","apiVersion":"admission.k8s.io/v1","request":{{"uid":"{uid}",
        "kind":{{"group":"","version":"v1","kind":"Pod"}},
        "resource":{{"group":"","version":"v1","resource":"pods"}},"operation":"CREATE",
        "userInfo":{{"username":"jane"}},"object":{{"apiVersion":"v1","kind":"Pod","metadata":{{}},
        "spec":{{{spec}}}}}}}}}"#
    )
}

/// A line of what the system says of the process, in MiB.
fn memory(process: &Process, key: &str) -> usize {
    let status = fs::read_to_string(format!("/proc/{}/status", process.id())).unwrap();
    let line = status.lines().find(|line| line.starts_with(key)).unwrap();
    let kibibytes: usize = line.split_whitespace().nth(1).unwrap().parse().unwrap();
    kibibytes / 1024
}
