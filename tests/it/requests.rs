//! Requests that are wrong before a review is looked at, or in how it comes: methods, paths, types, encodings, lengths,
//! sizes and `?timeout=`, at the real binary. The guards' times and order are those of `server_guards`.
//!
//! Where each case is that must be rejected (the numbers are the project's list of them):
//!
//! | # | case | test |
//! |---|---|---|
//! | 1 | another method than POST | `only_post_is_answered_at_a_gate` |
//! | 2 | unknown path | `no_other_path_is_a_gate_and_none_redirects` |
//! | 3 | another media type than JSON | `a_body_that_is_not_declared_as_json_is_refused` |
//! | 4 | any content encoding | `nothing_is_ever_inflated` |
//! | 5 | empty, no JSON, trailing data, no object | `contract::an_envelope_that_cannot_be_read_is_a_bad_request` |
//! | 6 | body over the limit | `contract::a_body_that_is_too_large_is_a_review_that_refuses`, `large_bodies_are_decided_or_refused_by_their_size` |
//! | 7, 8 | wrong kind, version, route; no request, no uid | as 5 |
//! | 9 | unknown operation, content too deep, out of range | `contract::content_that_cannot_be_read_is_a_review_that_refuses`, `hostile` |
//! | 10, 19 | fault, deadline, result of a wrong type | `contract::failures`, `results::only_true_allows` |
//! | 11 | a patch from a validating policy | refused at load: `policy::load` |
//! | 12 | a patch for DELETE or beside a denial | `results::no_patch_is_sent_where_none_belongs` |
//! | 13 | a patch that cannot be applied | `results::a_patch_that_cannot_be_sent_is_a_denial` |
//! | 14 | odd annotations, warnings, reasons | `results::texts_of_policies_come_out_clean` |
//! | 15 | an empty token | `contract::content_that_cannot_be_read_is_a_review_that_refuses` |
//! | 16 | a user that must not be given out | `results::identities_that_must_not_be_given_out_are_refused` |
//! | 17 | both or neither attributes, selectors twice | as 15 |
//! | 18 | allow and deny together | `results::a_denial_stands_against_an_allow` |
//! | 27 | no client certificate | `contract::failures::a_caller_who_is_not_let_in_learns_nothing`, `server_callers` |
//! | 28 | overload | `contract::failures::overload_is_answered_from_the_envelope_alone` |
//! | 29 | slow or huge heads, slow bodies | `server_connections`, `server_guards`, `a_head_that_is_too_large_is_refused` |

use std::time::{Duration, Instant};

use base64::Engine as _;

use crate::process::Process;
use crate::reviews::{KINDS, Kind, UID, policies};
use crate::serving::{Client, Response, head};

const JSON: &str = "content-type: application/json\r\n";
const SERVED: &[&str] = &["--policy", "policies"];
/// For reviews that take their time where the machine has more to do.
const PATIENT: &[&str] = &["--policy", "policies", "--deadline", "20s"];
const CLOSED: Duration = Duration::from_secs(2);

/// One request on a connection of its own.
fn ask(process: &Process, request: impl AsRef<[u8]>) -> (Client, Response) {
    let mut client = process.client();
    client.send(request);
    let response = client.response();
    (client, response)
}

/// Asserts a refusal of one line that ends the connection.
#[track_caller]
fn assert_refused((mut client, response): (Client, Response), status: u16, line: &str, allow: Option<&str>) {
    assert_eq!(
        (response.status, response.body.as_str()),
        (status, line),
        "{response:?}"
    );
    assert_eq!(response.header("content-type"), Some("text/plain; charset=utf-8"));
    assert_eq!(response.header("connection"), Some("close"));
    assert_eq!(response.header("allow"), allow);
    assert_eq!(
        (response.header("retry-after"), response.header("location")),
        (None, None)
    );
    assert!(client.closed_after() < CLOSED);
}

fn with_body(method: &str, target: &str, headers: &str, body: &str) -> String {
    let length = body.len();
    format!("{method} {target} HTTP/1.1\r\nhost: regate\r\n{headers}content-length: {length}\r\n\r\n{body}")
}

#[test]
fn only_post_is_answered_at_a_gate() {
    let process = Process::start(&policies(), SERVED);
    for kind in &KINDS {
        let body = kind.review("good", "1");
        for method in [
            "GET", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "post", "POSTX", "QUERY", "PROPFIND",
        ] {
            let asked = ask(&process, with_body(method, &kind.target(), JSON, &body));
            assert_refused(asked, 405, "only POST is allowed here\n", Some("POST"));
        }
        // The answer to this one has no body, whatever its length says.
        let mut client = process.client();
        client.send(with_body("HEAD", &kind.target(), JSON, ""));
        let answer = client.until_closed();
        assert!(
            answer.starts_with("HTTP/1.1 405 ") && answer.ends_with("\r\n\r\n"),
            "{answer}"
        );
    }
}

#[test]
fn no_other_path_is_a_gate_and_none_redirects() {
    let process = Process::start(&policies(), SERVED);
    let long = format!("/v1/{}", "a".repeat(60_000));
    for kind in &KINDS {
        let (target, gate) = (kind.target(), kind.gate);
        for path in [
            format!("{target}/"),
            format!("{target}//"),
            format!("/{target}"),
            format!("/v1//{gate}"),
            format!("/v1/./{gate}"),
            format!("/v1/../v1/{gate}"),
            format!("{target}/..%2ftoken"),
            format!("{target}%2f"),
            format!("/v1%2f{gate}"),
            format!("{target}%00"),
            format!("{target}\"]"),
            format!("{target};a=b"),
            format!("/V1/{gate}"),
            format!("/v1/{}", gate.to_uppercase()),
            format!("/v2/{gate}"),
            format!("/v1/{}s", gate),
            "/".to_owned(),
            "/v1".to_owned(),
            "/livez".to_owned(),
            "/metrics".to_owned(),
            long.clone(),
        ] {
            let asked = ask(
                &process,
                with_body("POST", &path, JSON, &kind.review("good", "1")),
            );
            assert_refused(asked, 404, "no gate is served here\n", None);
        }
    }
}

#[test]
fn a_body_that_is_not_declared_as_json_is_refused() {
    let process = Process::start(&policies(), SERVED);
    let line = "the request body must be application/json without content encoding\n";
    for kind in &KINDS {
        let body = kind.review("good", "1");
        for header in [
            "",
            "content-type:\r\n",
            "content-type: text/plain\r\n",
            "content-type: application/yaml\r\n",
            "content-type: application/jsonx\r\n",
            "content-type: application/json-patch+json\r\n",
            "content-type: text/json\r\n",
            "content-type: multipart/form-data; boundary=x\r\n",
            "content-type: */*\r\n",
        ] {
            assert_refused(
                ask(&process, with_body("POST", &kind.target(), header, &body)),
                415,
                line,
                None,
            );
        }
        for header in [
            "content-type: application/json; charset=utf-8\r\n",
            "Content-TYPE: Application/JSON\r\n",
        ] {
            let (_, response) = ask(&process, with_body("POST", &kind.target(), header, &body));
            assert_eq!((response.status, response.body), (200, kind.allowed()));
        }
    }
}

/// A review of 100 kB that Regate would admit, compressed to a few hundred bytes.
const COMPRESSED: &str = "H4sIAAAAAAACA+3MMQ6CQBRF0b1MbTB2hs4tWNijTDESQUHQhLB3BxP3YHFOed/Pn0OT2jqU4VDf0jCkrj3GKcVX2ITqnk6xX1Oe\
    q99cNPuhSN122uWTPj7GODxDOYcxrV/GHLvzNV6+7Z3LGwAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\
    AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAPhbYVmWD61maVoFhwEA";

#[test]
fn nothing_is_ever_inflated() {
    let process = Process::start(&policies(), SERVED);
    let compressed = base64::engine::general_purpose::STANDARD
        .decode(COMPRESSED)
        .unwrap();
    let line = "the request body must be application/json without content encoding\n";
    for kind in &KINDS {
        for encoding in [
            "gzip",
            "x-gzip",
            "deflate",
            "br",
            "zstd",
            "identity",
            "gzip, gzip",
            "",
        ] {
            let headers = format!(
                "{JSON}content-encoding: {encoding}\r\ncontent-length: {}\r\n",
                compressed.len()
            );
            let request = [head(&kind.target(), &headers).as_bytes(), &compressed].concat();
            assert_refused(ask(&process, request), 415, line, None);
        }
        let mut client = process.client();
        let response = client.post(&kind.target(), &compressed);
        assert_eq!(
            (response.status, response.body.as_str()),
            (400, "not valid JSON (at byte 0)\n")
        );
    }
    let lock = include_str!("../../Cargo.lock");
    for inflater in [
        "flate2",
        "miniz_oxide",
        "brotli",
        "zstd",
        "libz-sys",
        "async-compression",
    ] {
        assert!(
            !lock.contains(&format!("name = \"{inflater}\"")),
            "{inflater} is linked"
        );
    }
}

#[test]
fn a_length_that_is_not_true_never_makes_an_answer_of_half_a_review() {
    let process = Process::start(&policies(), SERVED);
    for kind in &KINDS {
        let body = kind.review("good", "1");
        let half = body.len() / 2;
        // Less than there is: half a review is none, and its rest is no request.
        let mut client = process.client();
        client.send(head(&kind.target(), &format!("{JSON}content-length: {half}\r\n")) + &body);
        let response = client.response();
        let line = format!("not valid JSON (at byte {half})\n");
        assert_eq!((response.status, response.body), (400, line));
        let rest = client.until_closed();
        assert!(rest.starts_with("HTTP/1.1 400 "), "{rest}");
        // Lengths that are none, several, or beside another framing.
        for headers in [
            "content-length: -1\r\n".to_owned(),
            "content-length: 1e3\r\n".to_owned(),
            "content-length: +5\r\n".to_owned(),
            "content-length: 99999999999999999999999\r\n".to_owned(),
            format!("content-length: {}\r\ncontent-length: {half}\r\n", body.len()),
            format!("content-length: {}\r\ntransfer-encoding: chunked\r\n", body.len()),
            "transfer-encoding: gzip, chunked, gzip\r\n".to_owned(),
        ] {
            let mut client = process.client();
            client.send(head(&kind.target(), &format!("{JSON}{headers}")) + &body);
            let answer = client.until_closed();
            assert!(answer.starts_with("HTTP/1.1 400 "), "{headers}: {answer}");
            assert!(
                !answer.contains("\"allowed\":true") && !answer.contains("\"authenticated\":true"),
                "{answer}"
            );
        }
    }
}

#[test]
fn a_head_that_is_too_large_is_refused() {
    let process = Process::start(&policies(), SERVED);
    let kind = KINDS[7];
    let body = kind.review("good", "1");
    let many: String = (0..200).map(|number| format!("x-{number}: y\r\n")).collect();
    for headers in [format!("x: {}\r\n", "y".repeat(200_000)), many] {
        let mut client = process.client();
        client.send_what_is_taken(with_body(
            "POST",
            &kind.target(),
            &format!("{JSON}{headers}"),
            &body,
        ));
        let answer = client.until_closed();
        assert!(
            answer.starts_with("HTTP/1.1 431 ") || answer.starts_with("HTTP/1.1 400 "),
            "{answer}"
        );
        assert!(!answer.contains("\"allowed\":true"), "{answer}");
    }
}

/// A review of this many bytes; `<` is written as the API server writes it.
fn padded(kind: &Kind, word: &str, length: usize) -> String {
    let least = kind.review(word, "\"\"").len();
    let units = (length - least) / 6;
    let rest = "x".repeat(length - least - 6 * units);
    kind.review(word, &format!("\"{}{rest}\"", "\\u003c".repeat(units)))
}

#[test]
fn large_bodies_are_decided_or_refused_by_their_size() {
    let process = Process::start(&policies(), PATIENT);
    let lengths = [17_400_000, 30_000_000, 33_600_000];
    for (kind, length) in KINDS[5..].iter().zip(lengths.iter().cycle()) {
        for (word, chunked) in [("good", false), ("no", true)] {
            let body = padded(kind, word, *length);
            assert_eq!(body.len(), *length);
            let mut client = process.client();
            let response = if chunked {
                client.send(head(
                    &kind.target(),
                    &format!("{JSON}transfer-encoding: chunked\r\n"),
                ));
                for chunk in body.as_bytes().chunks(1 << 20) {
                    client.send([format!("{:x}\r\n", chunk.len()).as_bytes(), chunk, b"\r\n"].concat());
                }
                client.send("0\r\n\r\n");
                client.response()
            } else {
                client.post(&kind.target(), body)
            };
            let expected = if *length > 32 << 20 {
                kind.refusal(UID, 413, "the review is too large", "")
            } else if word == "no" {
                kind.refusal(UID, 403, "[words] no such luck", "")
            } else {
                kind.allowed()
            };
            assert_eq!((response.status, response.body), (200, expected), "{length}");
        }
    }
}

#[test]
fn what_is_beyond_draining_is_refused_while_it_comes() {
    let process = Process::start(&policies(), SERVED);
    for kind in [KINDS[0], KINDS[8]] {
        let mut client = process.client();
        client.send(head(
            &kind.target(),
            &format!("{JSON}transfer-encoding: chunked\r\n"),
        ));
        let chunk = [b"100000\r\n", "x".repeat(1 << 20).as_bytes(), b"\r\n"].concat();
        for _ in 0..64 {
            client.send(&chunk);
        }
        client.send("1\r\nx\r\n");
        let response = client.response();
        assert_refused((client, response), 413, "the request body is too large\n", None);
    }
}

#[test]
fn a_timeout_in_the_query_shortens_the_deadline_and_garbage_does_not() {
    let process = Process::start(&policies(), &["--policy", "policies", "--deadline", "20s"]);
    let kind = KINDS[7];
    let late = kind.refusal(UID, 504, "the policies did not answer in time", "");
    for query in [
        "timeout=1s",
        "timeout=1000ms",
        "timeout=0.5s",
        "a=b&timeout=1s",
        "timeout=1s&timeout=30s",
        "timeout=2s",
    ] {
        let begin = Instant::now();
        let response = process
            .client()
            .post(&format!("{}?{query}", kind.target()), kind.review("slow", "1"));
        assert_eq!((response.status, &response.body), (200, &late), "{query}");
        assert!(
            begin.elapsed() < Duration::from_secs(15),
            "{query}: {:?}",
            begin.elapsed()
        );
    }
    for query in [
        "",
        "timeout",
        "timeout=",
        "timeout=-1s",
        "timeout=1",
        "timeout=0s",
        "timeout=99999999999999999999s",
        "Timeout=1s",
        "timeout=%31s",
        "timeout=1s;",
    ] {
        let response = process
            .client()
            .post(&format!("{}?{query}", kind.target()), kind.review("good", "1"));
        assert_eq!((response.status, response.body), (200, kind.allowed()), "{query}");
    }
    let process = Process::start(&policies(), &["--policy", "policies", "--deadline", "700ms"]);
    for query in ["timeout=garbage", "timeout=30s"] {
        let begin = Instant::now();
        let response = process
            .client()
            .post(&format!("{}?{query}", kind.target()), kind.review("slow", "1"));
        assert_eq!((response.status, &response.body), (200, &late), "{query}");
        assert!(
            begin.elapsed() >= Duration::from_millis(600),
            "{query}: {:?}",
            begin.elapsed()
        );
    }
}
