//! Heads and framings that two readers could read differently, or not at all: each gets one answer, and its connection
//! then ends before anything that follows could be taken for a request.

use std::io::Read;
use std::io::Write;
use std::time::{Duration, Instant};

use crate::serving::{Client, PATIENCE, Server, head};

const SHORT: Duration = Duration::from_millis(300);
const JSON: &str = "content-type: application/json\r\n";
/// What follows every hostile request; its answer would tell.
const SMUGGLED: &str = "POST /v1/authz HTTP/1.1\r\nhost: regate\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}";

/// Everything that the server sends until it closes.
fn answers(client: &mut Client, request: impl AsRef<[u8]>) -> String {
    // It may have closed before all was sent.
    let _ = client
        .stream
        .write_all(request.as_ref())
        .and_then(|()| client.stream.flush());
    let mut answers = Vec::new();
    let mut chunk = [0; 4096];
    while let Ok(length @ 1..) = client.stream.read(&mut chunk) {
        answers.extend_from_slice(&chunk[..length]);
    }
    String::from_utf8(answers).unwrap()
}

#[test]
fn what_two_readers_could_read_differently_is_refused_once() {
    let server = Server::start(|_, _| {});
    let line = "POST /v1/validate HTTP/1.1\r\n";
    let host = "host: regate\r\n";
    let table = [
        (
            "two lengths",
            format!("{line}{host}{JSON}content-length: 2\r\ncontent-length: 2\r\n\r\n{{}}"),
        ),
        (
            "a list of lengths",
            format!("{line}{host}{JSON}content-length: 2, 2\r\n\r\n{{}}"),
        ),
        (
            "a negative length",
            format!("{line}{host}{JSON}content-length: -2\r\n\r\n{{}}"),
        ),
        (
            "a length with a sign",
            format!("{line}{host}{JSON}content-length: +2\r\n\r\n{{}}"),
        ),
        (
            "a length that is no number",
            format!("{line}{host}{JSON}content-length: 0x2\r\n\r\n{{}}"),
        ),
        (
            "a length beyond 64 bits",
            format!("{line}{host}{JSON}content-length: 18446744073709551618\r\n\r\n{{}}"),
        ),
        (
            "a length and chunks",
            format!("{line}{host}{JSON}content-length: 2\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n"),
        ),
        (
            "chunks and a length",
            format!("{line}{host}{JSON}transfer-encoding: chunked\r\ncontent-length: 2\r\n\r\n0\r\n\r\n"),
        ),
        (
            "two encodings",
            format!(
                "{line}{host}{JSON}transfer-encoding: chunked\r\ntransfer-encoding: identity\r\n\r\n0\r\n\r\n"
            ),
        ),
        (
            "an encoding before chunks",
            format!("{line}{host}{JSON}transfer-encoding: gzip, chunked\r\n\r\n0\r\n\r\n"),
        ),
        (
            "an unknown encoding",
            format!("{line}{host}{JSON}transfer-encoding: xchunked\r\n\r\n0\r\n\r\n"),
        ),
        (
            "chunks of HTTP/1.0",
            format!("POST /v1/validate HTTP/1.0\r\n{JSON}transfer-encoding: chunked\r\n\r\n0\r\n\r\n"),
        ),
        (
            "two hosts",
            format!("{line}{host}{host}{JSON}content-length: 2\r\n\r\n{{}}"),
        ),
        ("no host", format!("{line}{JSON}content-length: 2\r\n\r\n{{}}")),
        (
            "a space before a colon",
            format!("{line}{host}{JSON}content-length : 2\r\n\r\n{{}}"),
        ),
        (
            "a folded line",
            format!("{line}{host}{JSON}x: a\r\n b\r\ncontent-length: 2\r\n\r\n{{}}"),
        ),
        (
            "a NUL in a value",
            format!("{line}{host}{JSON}x: a\0b\r\ncontent-length: 2\r\n\r\n{{}}"),
        ),
        (
            "a NUL in the path",
            format!("POST /v1/vali\0date HTTP/1.1\r\n{host}{JSON}content-length: 2\r\n\r\n{{}}"),
        ),
        (
            "a return in a value",
            format!("{line}{host}{JSON}x: a\rb\r\ncontent-length: 2\r\n\r\n{{}}"),
        ),
        ("HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_owned()),
        (
            "an unknown version",
            format!("POST /v1/validate HTTP/1.2\r\n{host}{JSON}content-length: 2\r\n\r\n{{}}"),
        ),
        ("no version", format!("POST /v1/validate\r\n{host}{JSON}\r\n")),
        ("rubbish", "\u{1}\u{2}\u{3}\r\n\r\n".to_owned()),
    ];
    std::thread::scope(|scope| {
        for (name, request) in &table {
            let server = &server;
            scope.spawn(move || {
                let answers = answers(&mut server.client(), format!("{request}{SMUGGLED}"));
                assert!(answers.starts_with("HTTP/1.1 400 "), "{name}: {answers:?}");
                assert_eq!(answers.matches("HTTP/1.").count(), 1, "{name}: {answers:?}");
            });
        }
    });
}

#[test]
fn odd_targets_and_old_versions_are_harmless() {
    let server = Server::start(|_, _| {});
    let rest = format!("host: regate\r\nconnection: close\r\n{JSON}content-length: 2\r\n\r\n{{}}");
    let table = [
        ("POST https://elsewhere.example/v1/validate HTTP/1.1", "200"),
        ("POST * HTTP/1.1", "404"),
        ("OPTIONS * HTTP/1.1", "404"),
        ("POST /v1/validate HTTP/1.0", "200"),
        ("POST /v1/validate?a=/v1/authn HTTP/1.1", "200"),
        ("CONNECT /v1/validate HTTP/1.1", "4"),
    ];
    for (line, status) in table {
        let answers = answers(&mut server.client(), format!("{line}\r\n{rest}"));
        assert!(
            answers.starts_with(&format!("HTTP/1.{} {status}", i32::from(!line.ends_with("1.0")))),
            "{line}: {answers:?}"
        );
        assert_eq!(answers.matches("HTTP/1.").count(), 1, "{line}: {answers:?}");
    }
}

#[test]
fn chunks_are_read_as_they_are_framed() {
    let server = Server::start(|_, _| {});
    let ask = |chunks: &str| {
        let request = head(
            "/v1/validate",
            &format!("{JSON}connection: close\r\ntransfer-encoding: chunked\r\n"),
        );
        answers(&mut server.client(), format!("{request}{chunks}"))
    };
    for chunks in [
        "2\r\n{}\r\n0\r\n\r\n",
        "2;a=b\r\n{}\r\n0\r\n\r\n",
        "1\r\n{\r\n1\r\n}\r\n0\r\n\r\n",
    ] {
        let answers = ask(chunks);
        assert!(
            answers.starts_with("HTTP/1.1 200 ") && answers.contains("\"length\":2"),
            "{answers}"
        );
    }
    for chunks in [
        "-2\r\n{}\r\n0\r\n\r\n",
        "+2\r\n{}\r\n0\r\n\r\n",
        "0x2\r\n{}\r\n0\r\n\r\n",
        "fffffffffffffffff\r\n{}",
        "2\r\n{}x0\r\n\r\n",
    ] {
        let answers = ask(&format!("{chunks}{SMUGGLED}"));
        assert!(answers.starts_with("HTTP/1.1 400 "), "{chunks:?}: {answers:?}");
        assert_eq!(answers.matches("HTTP/1.").count(), 1, "{chunks:?}: {answers:?}");
    }
}

#[test]
fn what_follows_a_body_that_was_announced_too_short_is_no_request() {
    let server = Server::start(|settings, _| settings.limits.head = SHORT);
    let request = head("/v1/validate", &format!("{JSON}content-length: 2\r\n")) + r#"{}"more":1}"#;
    let answers = answers(&mut server.client(), request);
    assert!(answers.starts_with("HTTP/1.1 200 "), "{answers:?}");
    let second = answers.rsplit_once("HTTP/1.1 ").unwrap().1;
    assert!(
        second.starts_with("400 ") || answers.matches("HTTP/1.").count() == 1,
        "{answers:?}"
    );
}

#[test]
fn a_head_beyond_its_size_is_refused_and_closed() {
    // Just beyond it: what a server leaves unread makes the system drop its answer.
    const LIMIT: usize = 33 << 10;
    let server = Server::start(|_, _| {});
    for request in [
        format!(
            "POST /v1/validate HTTP/1.1\r\nhost: regate\r\nx: {}",
            "a".repeat(LIMIT)
        ),
        format!("POST /{} HTTP/1.1\r\n", "a".repeat(LIMIT)),
        format!(
            "POST /v1/validate HTTP/1.1\r\nhost: regate\r\n{}\r\n",
            "x: y\r\n".repeat(200)
        ),
    ] {
        let answers = answers(&mut server.client(), request);
        assert!(answers.starts_with("HTTP/1.1 4"), "{answers:?}");
        assert_eq!(answers.matches("HTTP/1.").count(), 1, "{answers:?}");
    }
}

#[test]
fn a_body_that_comes_with_its_head_is_no_part_of_it() {
    let server = Server::start(|_, _| {});
    let body = "x".repeat(60 << 10);
    let length = format!("content-length: {}\r\n", body.len());
    let head = head(
        "/v1/validate",
        &format!("{JSON}{length}x: {}\r\n", "a".repeat(20 << 10)),
    );
    let mut client = server.client();
    for _ in 0..3 {
        client.send(head.clone() + &body);
        assert_eq!(client.response().status, 200);
    }
}

#[test]
fn nobody_is_asked_to_go_on_before_the_guards() {
    let server = Server::start(|_, _| {});
    for framing in ["content-length: 1000000\r\n", "transfer-encoding: chunked\r\n"] {
        let mut client = server.client();
        let begin = Instant::now();
        let answers = answers(
            &mut client,
            head(
                "/v1/validate",
                &format!("{JSON}expect: 100-continue\r\n{framing}"),
            ),
        );
        assert!(answers.starts_with("HTTP/1.1 417 "), "{answers:?}");
        assert_eq!(answers.matches("HTTP/1.").count(), 1, "{answers:?}");
        assert!(begin.elapsed() < PATIENCE / 2, "{:?}", begin.elapsed());
    }
}

#[test]
fn a_second_head_that_came_in_part_with_the_first_request_is_limited_too() {
    let server = Server::start(|settings, _| {
        settings.limits.head = SHORT;
        settings.limits.keep_alive = 4 * SHORT;
    });
    let mut client = server.client();
    let request = head("/v1/validate", &format!("{JSON}content-length: 2\r\n")) + "{}POST /v1/val";
    let begin = Instant::now();
    let answers = answers(&mut client, request);
    assert_eq!(answers.matches("HTTP/1.1 200").count(), 1, "{answers:?}");
    assert!(begin.elapsed() < PATIENCE / 2, "{:?}", begin.elapsed());
}
