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

mod failures;

use std::time::Duration;

use Cell::{Line, Refusal, Review};

use crate::process::Process;
use crate::reviews::{KINDS, Kind, UID, policies};
use crate::serving::{Client, Response, head};

const JSON: &str = "application/json";
const TEXT: &str = "text/plain; charset=utf-8";
const SERVED: &[&str] = &["--policy", "policies"];

/// What a kind of review is answered.
enum Cell {
    /// An HTTP error with this line.
    Line(u16, &'static str),
    /// A review that refuses: code and text.
    Refusal(u16, &'static str),
    /// A review with this member.
    Review(&'static str),
}
/// Asserts status, body and every header but the date.
#[track_caller]
fn assert_answered(response: &Response, status: u16, body: &str, closes: bool) {
    assert_eq!((response.status, response.body.as_str()), (status, body));
    let mut expected = vec![
        format!("content-length: {}", body.len()),
        format!("content-type: {}", if status == 200 { JSON } else { TEXT }),
    ];
    if closes {
        expected.insert(0, "connection: close".to_owned());
    }
    assert_eq!(response.headers(), expected, "{}", response.head);
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
    // What just fits takes its time where the machine has more to do.
    let process = Process::start(&policies(), &["--policy", "policies", "--deadline", "20s"]);
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
