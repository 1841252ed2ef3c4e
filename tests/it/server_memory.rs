//! Room for bodies: who waits for it, what is answered when there is none, and that it is given back.

use std::time::{Duration, Instant};

use regate::server::{Limits, Memory};

use crate::serving::{Client, PATIENCE, Server, head};

/// More than is read of every body, so that it needs a share.
const LARGE: usize = 200_000;

/// Room for one large text, and for one between large and small.
fn short_of_text(limits: &mut Limits) {
    limits.text = Memory {
        small: 64 << 10,
        medium: 100_000,
        all_medium: 150_000,
        all_large: LARGE * 3 / 2,
    };
}

fn review(uid: &str, length: usize) -> String {
    let begin = format!(r#"{{"kind":"K","apiVersion":"v","request":{{"uid":"{uid}","x":""#);
    let rest = length - begin.len() - 3;
    begin + &"a".repeat(rest) + "\"}}"
}

/// Sends the head of a review and so much of its body.
fn begin(server: &Server, target: &str, body: &str, sent: usize) -> Client {
    let mut client = server.client();
    let headers = format!(
        "content-type: application/json\r\ncontent-length: {}\r\n",
        body.len()
    );
    client.send(head(target, &headers));
    client.send(&body[..sent]);
    client
}

#[test]
fn a_large_body_waits_for_room_until_its_deadline_and_a_small_one_never() {
    let server = Server::start(|settings, _| short_of_text(&mut settings.limits));
    let body = review("u-1", LARGE);
    let mut first = begin(&server, "/v1/validate", &body, LARGE - 1);
    wait_until_taken(&server);
    // All of it is on the wire, as far as the systems between hold it.
    let sent = Instant::now();
    let mut second = begin(&server, "/v1/validate?timeout=2s", &body, 100_000);
    for length in [2, 60_000, 90_000] {
        let small = review("u-2", 60.max(length));
        assert_eq!(
            server.client().post("/v1/validate", &small).status,
            200,
            "{length}"
        );
    }
    let response = second.response();
    assert_eq!((response.status, response.body.as_str()), (503, "overload u-1"));
    assert_eq!(response.header("connection"), Some("close"));
    assert!(
        sent.elapsed() >= Duration::from_millis(990),
        "{:?}",
        sent.elapsed()
    );
    // Whoever had the room is not disturbed, and gives it back.
    first.send(&body[LARGE - 1..]);
    assert_eq!(first.response().status, 200);
    assert_eq!(server.client().post("/v1/validate", &body).status, 200);
}

/// The room is taken once another body does not get it any more.
fn wait_until_taken(server: &Server) {
    let body = review("u-0", LARGE);
    let begin_waiting = Instant::now();
    loop {
        let response = begin(server, "/v1/validate?timeout=1s", &body, 100_000).response();
        if response.body == "overload u-0" {
            break;
        }
        assert!(begin_waiting.elapsed() < PATIENCE, "{response:?}");
    }
}

#[test]
fn a_body_that_waits_for_room_is_read_when_there_is_some() {
    let server = Server::start(|settings, _| short_of_text(&mut settings.limits));
    let body = review("u-1", LARGE);
    let mut first = begin(&server, "/v1/validate", &body, LARGE - 1);
    wait_until_taken(&server);
    std::thread::scope(|scope| {
        let second = scope.spawn(|| server.client().post("/v1/validate", &body));
        first.send(&body[LARGE - 1..]);
        assert_eq!(first.response().status, 200);
        let response = second.join().unwrap();
        assert!(
            response.body.contains(&format!("\"length\":{LARGE}")),
            "{response:?}"
        );
    });
}

#[test]
fn a_body_that_is_not_there_at_its_deadline_keeps_no_room() {
    let server = Server::start(|settings, _| short_of_text(&mut settings.limits));
    let body = review("u-1", LARGE);
    let sent = Instant::now();
    let mut stalled = begin(&server, "/v1/validate?timeout=1s", &body, 100_000);
    let response = stalled.response();
    assert_eq!((response.status, response.body.as_str()), (503, "deadline u-1"));
    assert!(sent.elapsed() < Duration::from_secs(3), "{:?}", sent.elapsed());
    assert_eq!(response.header("connection"), Some("close"));
    assert_eq!(server.client().post("/v1/validate", &body).status, 200);
}

#[test]
fn room_is_kept_until_an_evaluation_is_over_though_its_caller_was_answered() {
    let server = Server::start(|settings, _| {
        settings.limits.decoded = Memory {
            small: 1,
            medium: 1,
            all_medium: 0,
            all_large: 1 << 10,
        };
    });
    let mut first = begin(&server, "/v1/validate?timeout=1s", "wait", 4);
    server.wait_started();
    assert_eq!(first.response().body, "deadline -");
    let filling = "{}".repeat(50);
    let response = server.client().post("/v1/authn?timeout=1s", &filling);
    assert_eq!((response.status, response.body.as_str()), (503, "overload -"));
    server.release();
    assert_eq!(server.client().post("/v1/authn", &filling).status, 200);
}

#[test]
fn a_body_that_would_not_fit_when_decoded_is_too_large() {
    let server = Server::start(|settings, _| settings.limits.decoded_body = 1 << 20);
    let objects = |count: usize| {
        format!(
            r#"{{"request":{{"uid":"u-1","x":[{}]}}}}"#,
            vec!["{}"; count].join(",")
        )
    };
    let mut client = server.client();
    assert_eq!(client.post("/v1/validate", objects(1_000)).status, 200);
    // A gate that changes objects holds them more often.
    for (path, count) in [("/v1/mutate", 1_000), ("/v1/validate", 10_000)] {
        let response = client.post(path, objects(count));
        assert_eq!(
            (response.status, response.body.as_str()),
            (503, "body_too_large u-1"),
            "{path}"
        );
    }
    // What only looks like objects costs nothing.
    let text = format!(
        r#"{{"request":{{"uid":"u-1","x":"{}"}}}}"#,
        r#"\"{[,"#.repeat(10_000)
    );
    assert_eq!(client.post("/v1/validate", text).status, 200);
}
