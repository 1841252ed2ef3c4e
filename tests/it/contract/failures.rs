//! The rows of the failure contract that are about Regate and its policies, whatever a review says.

use std::sync::Arc;
use std::time::{Duration, Instant};

use arc_swap::ArcSwapOption;
use regate::gate::Gate;
use regate::policy::files::{Files, Sources};
use regate::policy::load::load;
use regate::review::{self, Answer, EnvelopeHint, Failure, OnFault, Record};
use regate::server::{Decide, Policies, Workers};

use super::*;
use crate::process::{directory, soon};
use crate::serving::{Server, Strings};

const DEFERRING: &[&str] = &[
    "--policy",
    "policies",
    "--on-fault",
    "authz=defer",
    "--on-fault",
    "mutate=defer",
    "--on-fault",
    "validate=defer",
];

const FAULT: &str = "the policies could not be evaluated";
const LATE: &str = "the policies did not answer in time";
const OVERLOAD: &str = "too many reviews are waiting";
const NO_SET: &str = "no policies are loaded";

#[test]
fn a_fault_is_answered_as_its_gate_says() {
    let cell = |kind: &Kind, defers: bool| match kind.gate {
        "authn" => Line(503, FAULT),
        "image" => Refusal(500, FAULT),
        _ if defers => Line(503, FAULT),
        _ => Refusal(500, FAULT),
    };
    for (arguments, defers) in [(SERVED, false), (DEFERRING, true)] {
        let process = Process::start(&policies(), arguments);
        let mut client = process.client();
        for kind in &KINDS {
            assert_cell(
                &mut client,
                kind,
                "",
                &kind.review("fault", "1"),
                &cell(kind, defers),
            );
        }
    }
}

#[test]
fn a_deadline_is_answered_as_its_gate_says() {
    let cell = |kind: &Kind, defers: bool| match kind.gate {
        "authn" | "image" => Line(503, LATE),
        _ if defers => Line(503, LATE),
        _ => Refusal(504, LATE),
    };
    for (arguments, defers) in [(SERVED, false), (DEFERRING, true)] {
        let process = Process::start(&policies(), arguments);
        std::thread::scope(|scope| {
            for kind in &KINDS {
                let mut client = process.client();
                scope.spawn(move || {
                    let begin = Instant::now();
                    let review = kind.review("slow", "1");
                    assert_cell(&mut client, kind, "?timeout=1s", &review, &cell(kind, defers));
                    assert!(
                        begin.elapsed() >= Duration::from_millis(250),
                        "{:?}",
                        begin.elapsed()
                    );
                });
            }
        });
    }
}

#[test]
fn a_fault_that_could_not_hide_a_denial_is_no_opinion() {
    const ALLOWS: &str = r#"package kubernetes.authorization.words
allow if input.spec.user == "good"
allow if { input.spec.user == "fault"; to_number(input.spec.user) == 1 }
allow if { input.spec.user == "slow"; data.long.work }
"#;
    let files = [("policies/authz.rego", ALLOWS), crate::reviews::LONG];
    for arguments in [SERVED, DEFERRING] {
        let process = Process::start(&files, arguments);
        let mut client = process.client();
        for kind in KINDS.iter().filter(|kind| kind.gate == "authz") {
            for word in ["fault", "slow"] {
                let review = kind.review(word, "1");
                let nothing = Review(r#"{"allowed":false}"#);
                assert_cell(&mut client, kind, "?timeout=1s", &review, &nothing);
            }
        }
    }
}

#[test]
fn without_policies_nothing_is_decided() {
    let cell = |kind: &Kind, defers: bool| match kind.gate {
        "mutate" | "validate" if !defers => Refusal(503, NO_SET),
        _ => Line(503, NO_SET),
    };
    for (arguments, defers) in [(SERVED, false), (DEFERRING, true)] {
        let process = Process::start(&[("policies/README", "none yet")], arguments);
        let mut client = process.client();
        for kind in &KINDS {
            // What it is about makes no difference, and neither does content that could not be read.
            for free in ["1", "1e400"] {
                let review = kind.review("good", free);
                assert_cell(&mut client, kind, "", &review, &cell(kind, defers));
            }
        }
    }
}

#[test]
fn a_caller_who_is_not_let_in_learns_nothing() {
    let made = directory(&[]);
    let paths = regate::certs::write(made.path(), &regate::certs::Request::default(), false).unwrap();
    let ca = std::fs::read_to_string(&paths.ca).unwrap();
    let mut files = policies();
    files.push(("ca.crt", &ca));
    let arguments = [SERVED, &["--client-ca", "ca.crt", "--allow-client", "somebody"]].concat();
    let process = Process::start(&files, &arguments);
    for kind in &KINDS {
        for body in [
            kind.review("good", "1"),
            kind.review("no", "1e400"),
            "{".into(),
            String::new(),
        ] {
            let mut client = process.client();
            let response = client.post(&kind.target(), body);
            let line = "a client certificate that this gate accepts is required\n";
            assert_answered(&response, 401, line, true);
            assert!(client.closed_after() < Duration::from_secs(2));
        }
    }
}

/// The real policies, held or brought to panic by a review's word.
struct Held {
    policies: Policies,
    strings: Strings,
}

impl Decide for Held {
    fn decide(&self, gate: Gate, body: &[u8], hint: &EnvelopeHint, deadline: Instant) -> (Answer, Record) {
        let has = |word: &[u8]| body.windows(word.len()).any(|window| window == word);
        if has(b"\"hold\"") {
            self.strings.wait();
        }
        assert!(!has(b"\"panic\""), "asked to");
        self.policies.decide(gate, body, hint, deadline)
    }

    fn refuse(&self, gate: Gate, hint: &EnvelopeHint, failure: &Failure) -> (Answer, Record) {
        self.policies.refuse(gate, hint, failure)
    }

    fn checks(&self) -> Vec<(&'static str, bool)> {
        self.policies.checks()
    }
}

/// A server with one thread a gate and room for one review before it.
fn held(on_fault: OnFault) -> Server {
    let files = directory(&policies());
    let sources = Sources {
        policies: vec![files.path().join("policies")],
        ..Sources::default()
    };
    let set = load(&Files::read(&sources).unwrap()).unwrap();
    let settings = review::Settings {
        on_fault_authz: on_fault,
        on_fault_mutate: on_fault,
        on_fault_validate: on_fault,
        ..review::Settings::default()
    };
    let policies = Policies::new(Arc::new(ArcSwapOption::from_pointee(set)), settings);
    Server::start_deciding(
        |strings| Arc::new(Held { policies, strings }),
        |settings, _| {
            settings.workers = Workers {
                threads: 1,
                queue: 1,
                ..Workers::default()
            }
        },
    )
}

/// Sends a review without waiting for its answer.
fn begin(server: &Server, kind: &Kind, review: &str) -> Client {
    let mut client = server.client();
    let headers = format!("content-type: {JSON}\r\ncontent-length: {}\r\n", review.len());
    client.send(head(&kind.target(), &headers) + review);
    client
}

#[test]
fn overload_is_answered_from_the_envelope_alone() {
    for on_fault in [OnFault::Deny, OnFault::Defer] {
        let server = held(on_fault);
        for kind in &KINDS {
            let mut running = begin(&server, kind, &kind.review("hold", "1"));
            server.wait_started();
            let mut queued = begin(&server, kind, &kind.review("good", "1"));
            soon("a review waits", || {
                (server.metric("regate_queue_depth")? == "regate_queue_depth 1").then_some(())
            });
            let mut client = server.client();
            let mut seen = std::collections::BTreeSet::new();
            for number in 0..64 {
                let uid = format!("u-{number}");
                let response = client.post(&kind.target(), kind.review_as(&uid, "good", "1e400"));
                if kind.is_admission() && on_fault == OnFault::Deny {
                    let seconds = seconds(&response);
                    let details = format!(r#""details":{{"retryAfterSeconds":{seconds}}},"#);
                    assert_answered(
                        &response,
                        200,
                        &kind.refusal(&uid, 429, OVERLOAD, &details),
                        false,
                    );
                    let again = client.post(&kind.target(), kind.review_as(&uid, "good", "1"));
                    assert_eq!(again.body, response.body, "the same uid waits as long");
                    seen.insert(seconds);
                } else {
                    assert_answered(&response, 503, &format!("{OVERLOAD}\n"), false);
                }
            }
            let spread = if seen.is_empty() {
                vec![]
            } else {
                (1..=8).collect()
            };
            assert_eq!(seen.into_iter().collect::<Vec<_>>(), spread);
            server.release();
            assert_eq!(running.response().status, 200);
            assert_eq!(queued.response().body, kind.allowed());
        }
    }
}

/// `retryAfterSeconds` of an answer.
fn seconds(response: &Response) -> u64 {
    let answer: serde_json::Value = serde_json::from_str(&response.body).unwrap();
    answer["response"]["status"]["details"]["retryAfterSeconds"]
        .as_u64()
        .unwrap()
}

#[test]
fn a_panic_is_answered_as_a_fault() {
    let cell = |kind: &Kind, on_fault: OnFault| match kind.gate {
        "authn" => Line(503, FAULT),
        "image" => Refusal(500, FAULT),
        _ if on_fault == OnFault::Defer => Line(503, FAULT),
        _ => Refusal(500, FAULT),
    };
    for on_fault in [OnFault::Deny, OnFault::Defer] {
        let server = held(on_fault);
        let mut client = server.client();
        for kind in &KINDS {
            assert_cell(
                &mut client,
                kind,
                "",
                &kind.review("panic", "1"),
                &cell(kind, on_fault),
            );
            assert_eq!(
                client.post(&kind.target(), kind.review("good", "1")).body,
                kind.allowed()
            );
        }
    }
}
