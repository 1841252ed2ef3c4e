//! The failure contract: every event at every gate and in every version, with the exact bytes of the answer.
//!
//! Who reads docs/ARCHITECTURE.md on failures finds here what it comes to on the wire. No answer may carry `Retry-After`,
//! be a redirect or HTTP 429: the API server's client would repeat or follow it.
//!
//! | event | test |
//! |---|---|
//! | a policy says no | `a_policy_that_says_no_is_heard_at_every_gate` |
//! | envelope unreadable | `an_envelope_that_cannot_be_read_is_a_bad_request` |
//! | content unreadable | `content_that_cannot_be_read_is_a_review_that_refuses` |
//! | body too large | `a_body_that_is_too_large_is_a_review_that_refuses` |
//! | a fault that counts | `a_fault_is_answered_as_its_gate_says`, `a_fault_that_could_not_hide_a_denial_is_no_opinion` |
//! | deadline | `a_deadline_is_answered_as_its_gate_says`, and the second of the faults |
//! | overload | `overload_is_answered_from_the_envelope_alone` |
//! | no policy set | `without_policies_nothing_is_decided` |
//! | caller without identity | `a_caller_who_is_not_let_in_learns_nothing` |
//! | a panic outside of a policy | `a_panic_is_answered_as_a_fault` |

use std::sync::Arc;
use std::time::{Duration, Instant};

use arc_swap::ArcSwapOption;
use regate::gate::Gate;
use regate::policy::files::{Files, Sources};
use regate::policy::load::load;
use regate::review::{self, Answer, EnvelopeHint, Failure, OnFault, Record};
use regate::server::{Decide, Policies, Workers};

use crate::process::{Process, directory, soon};
use crate::reviews::{KINDS, Kind, UID, policies};
use crate::serving::{Client, Response, Server, Strings, head};

const JSON: &str = "application/json";
const TEXT: &str = "text/plain; charset=utf-8";
const SERVED: &[&str] = &["--policy", "policies"];
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

/// What a kind of review is answered.
enum Cell {
    /// An HTTP error with this line.
    Line(u16, &'static str),
    /// A review that refuses: code and text.
    Refusal(u16, &'static str),
    /// A review with this member.
    Review(&'static str),
}
use Cell::{Line, Refusal, Review};

const FAULT: &str = "the policies could not be evaluated";
const LATE: &str = "the policies did not answer in time";
const OVERLOAD: &str = "too many reviews are waiting";
const NO_SET: &str = "no policies are loaded";

/// Asserts status, body and every header but the date.
#[track_caller]
fn assert_answered(response: &Response, status: u16, body: &str, closes: bool) {
    assert_eq!((response.status, response.body.as_str()), (status, body));
    let mut headers: Vec<_> = response
        .head
        .trim_end()
        .lines()
        .skip(1)
        .map(str::to_lowercase)
        .collect();
    headers.retain(|line| !line.starts_with("date: "));
    headers.sort();
    let mut expected = vec![
        format!("content-length: {}", body.len()),
        format!("content-type: {}", if status == 200 { JSON } else { TEXT }),
    ];
    if closes {
        expected.insert(0, "connection: close".to_owned());
    }
    assert_eq!(headers, expected, "{}", response.head);
}

/// Asserts that a review on a connection that stays open is answered as the cell says.
#[track_caller]
fn assert_cell(client: &mut Client, kind: &Kind, query: &str, review: &str, cell: &Cell) {
    let response = client.post(&format!("{}{query}", kind.target()), review);
    let (status, body) = match cell {
        Line(status, text) => (*status, format!("{text}\n")),
        Refusal(code, text) => (200, kind.refusal(UID, *code, text, "")),
        Review(member) => (200, kind.answer(member)),
    };
    assert_answered(&response, status, &body, false);
}

#[test]
fn a_policy_that_says_no_is_heard_at_every_gate() {
    let process = Process::start(&policies(), SERVED);
    let mut client = process.client();
    for kind in &KINDS {
        assert_cell(
            &mut client,
            kind,
            "",
            &kind.review("no", "1"),
            &Refusal(403, "[words] no such luck"),
        );
        assert_eq!(
            client.post(&kind.target(), kind.review("good", "1")).body,
            kind.allowed()
        );
    }
    // Whom no policy knows.
    let stranger = |kind: &Kind| match kind.gate {
        "authn" => Review(r#"{"authenticated":false}"#),
        "authz" => Review(r#"{"allowed":false}"#),
        "image" => Review(r#"{"allowed":true}"#),
        _ => Review(r#"{"allowed":true,"uid":"705ab4f5-6393-11e8-b7cc-42010a800002"}"#),
    };
    for kind in &KINDS {
        let review = kind.review("stranger", "1");
        assert_cell(&mut client, kind, "", &review, &stranger(kind));
    }
}

#[test]
fn an_envelope_that_cannot_be_read_is_a_bad_request() {
    let process = Process::start(&policies(), SERVED);
    let mut client = process.client();
    for kind in &KINDS {
        let review = kind.review("good", "1");
        let content = kind.content(UID, "good", "1");
        let (name, version) = (kind.kind, kind.api_version);
        let typed = format!(r#""kind":"{name}","apiVersion":"{version}""#);
        let wrong_kind = format!("`kind` must be {name}");
        let versions: Vec<_> = KINDS
            .iter()
            .filter(|other| other.gate == kind.gate)
            .map(|other| other.api_version)
            .collect();
        let wrong_version = format!("`apiVersion` must be {}", versions.join(" or "));
        let after = review.len();
        let mut shapes = vec![
            (String::new(), "not valid JSON (at byte 0)".to_owned()),
            (" \t\r\n".into(), "not valid JSON (at byte 4)".into()),
            ("null".into(), wrong_kind.clone()),
            ("7".into(), wrong_kind.clone()),
            (r#""text""#.into(), wrong_kind.clone()),
            (format!("[{review}]"), wrong_kind.clone()),
            ("{}".into(), wrong_kind.clone()),
            (format!("\u{feff}{review}"), "not valid JSON (at byte 0)".into()),
            (
                format!("{review}x"),
                format!("text after the JSON document (at byte {after})"),
            ),
            (
                format!("{review}{review}"),
                format!("text after the JSON document (at byte {after})"),
            ),
            (
                format!("{review}\0"),
                format!("text after the JSON document (at byte {after})"),
            ),
            (
                review[..after - 1].to_owned(),
                format!("not valid JSON (at byte {})", after - 1),
            ),
            (format!("{{{content}}}"), wrong_kind.clone()),
            (
                format!(r#"{{"kind":null,"apiVersion":"{version}",{content}}}"#),
                wrong_kind.clone(),
            ),
            (
                format!(r#"{{"kind":7,"apiVersion":"{version}",{content}}}"#),
                wrong_kind.clone(),
            ),
            (
                format!(r#"{{"kind":"Pod","apiVersion":"{version}",{content}}}"#),
                wrong_kind.clone(),
            ),
            (
                format!(r#"{{"Kind":"{name}","apiVersion":"{version}",{content}}}"#),
                wrong_kind.clone(),
            ),
            (format!(r#"{{"kind":"{name}",{content}}}"#), wrong_version.clone()),
            (
                format!(r#"{{"kind":"{name}","apiVersion":"v1",{content}}}"#),
                wrong_version.clone(),
            ),
            (
                format!(r#"{{"kind":"{name}","apiVersion":"{version}0",{content}}}"#),
                wrong_version.clone(),
            ),
            (
                format!(r#"{{"kind":"{name}","apiVersion":["{version}"],{content}}}"#),
                wrong_version.clone(),
            ),
            (
                format!(r#"{{"kind":"{name}",{typed},{content}}}"#),
                format!("an object has the same key twice (at byte {})", name.len() + 18),
            ),
            (
                format!(r#"{{{typed},"k\u0069nd":"{name}",{content}}}"#),
                format!("an object has the same key twice (at byte {})", typed.len() + 14),
            ),
        ];
        for other in KINDS.iter().filter(|other| other.kind != kind.kind) {
            shapes.push((other.review("good", "1"), wrong_kind.clone()));
        }
        if kind.is_admission() {
            let wrong = "`request.uid` must be a string that is not empty";
            for request in [
                "",
                r#","request":null"#,
                r#","request":[]"#,
                r#","request":"uid""#,
                r#","request":{}"#,
            ] {
                shapes.push((format!("{{{typed}{request}}}"), wrong.into()));
            }
            for uid in ["\"\"", "null", "7", "[\"u\"]", "{}"] {
                let review = review.replace(&format!("\"{UID}\""), uid);
                shapes.push((review, wrong.into()));
            }
            let upper = review.replace("\"uid\"", "\"UID\"");
            shapes.push((upper, wrong.into()));
            let twice = review.replace("\"request\":{", r#""request":{"uid":"other","#);
            let at = twice.find(&format!("\"{UID}\"")).unwrap();
            shapes.push((twice, format!("an object has the same key twice (at byte {at})")));
        }
        for (body, line) in &shapes {
            let response = client.post(&kind.target(), body);
            assert_answered(&response, 400, &format!("{line}\n"), false);
        }
    }
}

#[test]
fn content_that_cannot_be_read_is_a_review_that_refuses() {
    let process = Process::start(&policies(), SERVED);
    let mut client = process.client();
    for kind in &KINDS {
        let review = kind.review("good", "FREE");
        let at = review.find("FREE").unwrap();
        let shapes = [
            (
                r#"{"a":1,"a":2}"#.to_owned(),
                "an object has the same key twice",
                13,
            ),
            (
                r#"{"a":1,"\u0061":2}"#.to_owned(),
                "an object has the same key twice",
                18,
            ),
            ("18446744073709551616".to_owned(), "a number out of range", 0),
            ("1e400".to_owned(), "a number out of range", 0),
            (r#""\ud800""#.to_owned(), "a string that is not Unicode", 1),
            (
                "[".repeat(1_000) + &"]".repeat(1_000),
                "nested more than 128 levels deep",
                0,
            ),
        ];
        for (free, problem, behind) in shapes {
            // How deep the free place is differs.
            let behind = if problem.starts_with("nested") {
                128 - depth(&review[..at])
            } else {
                behind
            };
            let text = format!("the review cannot be read: {problem} (at byte {})", at + behind);
            let expected = kind.refusal(UID, 400, &text, "");
            let response = client.post(&kind.target(), kind.review("good", &free));
            assert_answered(&response, 200, &expected, false);
        }
        for (from, to, problem) in wrong_parts(kind.gate) {
            let review = kind.review("good", "1");
            assert!(review.contains(from), "{from}");
            let text = format!("the review cannot be read: {problem}");
            let response = client.post(&kind.target(), review.replacen(from, to, 1));
            assert_answered(&response, 200, &kind.refusal(UID, 400, &text, ""), false);
        }
    }
}

/// Containers that are open at the end of a text without braces in strings.
fn depth(text: &str) -> usize {
    let count = |wanted: &[char]| text.matches(wanted).count();
    count(&['{', '[']) - count(&['}', ']'])
}

/// Parts of a gate's reviews, what to put there instead, and what is then wrong.
fn wrong_parts(gate: &str) -> &'static [(&'static str, &'static str, &'static str)] {
    match gate {
        "authn" => &[
            ("\"token\":\"good\"", "\"token\":\"\"", "`spec.token` is empty"),
            ("\"token\":\"good\",", "", "`spec.token` is empty"),
            ("\"token\":\"good\"", "\"token\":null", "`spec.token` is empty"),
            (
                "\"token\":\"good\"",
                "\"token\":7",
                "`token` must be a string, it is of type number",
            ),
            ("\"spec\":{", "\"other\":{", "`spec.token` is empty"),
            (
                "\"free\":1",
                "\"audiences\":\"api\"",
                "`audiences` must be a list of strings, it is of type string",
            ),
        ],
        "authz" => &[
            ("\"spec\":{", "\"other\":{", "`spec` is missing"),
            (
                "\"resourceAttributes\"",
                "\"ResourceAttributes\"",
                "neither `resourceAttributes` nor `nonResourceAttributes`",
            ),
            (
                "\"free\":1",
                "\"nonResourceAttributes\":{\"path\":\"/\",\"verb\":\"get\"}",
                "both `resourceAttributes` and `nonResourceAttributes`",
            ),
            (
                "\"verb\":\"get\"",
                "\"verb\":\"get\",\"labelSelector\":{\"rawSelector\":\"a\",\"requirements\":[]}",
                "`labelSelector` has both `rawSelector` and `requirements`",
            ),
            ("\"verb\":\"get\"", "\"verb\":\"\"", "`verb` is missing"),
            (
                "\"free\":1",
                "\"extra\":{\"a\":\"b\"}",
                "`extra` must be an object of lists of strings",
            ),
            (
                "\"user\":\"good\"",
                "\"user\":{}",
                "`user` must be a string, it is of type object",
            ),
        ],
        "image" => &[
            ("\"spec\":{", "\"other\":{", "`spec` is missing"),
            (
                "\"containers\":[{\"image\":\"good\"}]",
                "\"containers\":{}",
                "`containers` must be a list, it is of type object",
            ),
            (
                "\"image\":\"good\"",
                "\"image\":7",
                "`image` must be a string, it is of type number",
            ),
            (
                "\"free\":1",
                "\"annotations\":{\"a\":1}",
                "`annotations` must be an object of strings",
            ),
        ],
        _ => &[
            (
                "\"operation\":\"CREATE\"",
                "\"operation\":\"PATCH\"",
                "`operation` must be CREATE, UPDATE, DELETE or CONNECT",
            ),
            (
                "\"operation\":\"CREATE\"",
                "\"Operation\":\"CREATE\"",
                "`operation` must be CREATE, UPDATE, DELETE or CONNECT",
            ),
            (
                "\"operation\":\"CREATE\"",
                "\"operation\":\"UPDATE\"",
                "`oldObject` is missing",
            ),
            (
                "\"operation\":\"CREATE\"",
                "\"operation\":\"DELETE\"",
                "`oldObject` is missing",
            ),
            ("\"object\":{", "\"Object\":{", "`object` is missing"),
            (
                "\"oldObject\":null",
                "\"oldObject\":[]",
                "`oldObject` must be an object, it is of type array",
            ),
            ("\"userInfo\":", "\"USERINFO\":", "`userInfo` is missing"),
            (
                "\"dryRun\":false",
                "\"dryRun\":\"true\"",
                "`dryRun` must be a boolean, it is of type string",
            ),
            (
                "\"username\":\"jane\"",
                "\"username\":\"jane\",\"groups\":[1]",
                "`groups` must be a list of strings, it is of type number",
            ),
        ],
    }
}

#[test]
fn a_body_that_is_too_large_is_a_review_that_refuses() {
    let process = Process::start(&policies(), SERVED);
    for kind in &KINDS {
        let limit = if kind.is_admission() { 32 << 20 } else { 1 << 20 };
        let review = |length: usize| {
            let review = kind.review("good", "\"\"");
            let padding = "x".repeat(length - review.len());
            kind.review("good", &format!("\"{padding}\""))
        };
        let mut client = process.client();
        let refused = kind.refusal(UID, 413, "the review is too large", "");
        assert_answered(
            &client.post(&kind.target(), review(limit + 1)),
            200,
            &refused,
            false,
        );
        // It was read to its end, so the connection serves on; and what just fits is decided.
        let response = client.post(&kind.target(), review(limit));
        assert_answered(&response, 200, &kind.allowed(), false);
        // What is announced beyond draining is not waited for.
        let headers = format!("content-type: {JSON}\r\ncontent-length: {}\r\n", (64 << 20) + 1);
        client.send(head(&kind.target(), &headers));
        assert_answered(&client.response(), 413, "the request body is too large\n", true);
        assert!(client.closed_after() < Duration::from_secs(2));
    }
}

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
        |settings, _| settings.workers = Workers { threads: 1, queue: 1 },
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
