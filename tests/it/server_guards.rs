//! What is refused before a review is looked at: in which order, with which bytes, and how the connection then ends.

use std::io::Write;
use std::time::{Duration, Instant};

use regate::gate::Gate;

use crate::serving::{Client, Response, Server, UNAUTHENTICATED, head, named, open};

const JSON: &str = "content-type: application/json\r\n";
const SHORT: Duration = Duration::from_millis(300);
/// What a refused connection may last.
const CLOSED: Duration = Duration::from_secs(2);

const NOT_FOUND: (u16, &str) = (404, "no gate is served here\n");
const METHOD: (u16, &str) = (405, "only POST is allowed here\n");
const MEDIA_TYPE: (u16, &str) = (
    415,
    "the request body must be application/json without content encoding\n",
);
const CALLER: (u16, &str) = (401, UNAUTHENTICATED);
const TOO_LARGE: (u16, &str) = (413, "the request body is too large\n");
const LATE: (u16, &str) = (408, "the request body did not arrive in time\n");
const BROKEN: (u16, &str) = (400, "the request body is incomplete\n");

/// A server that asks for certificates at every gate but `image`.
fn guarded() -> Server {
    Server::start(|settings, directory| {
        settings.client_ca = Some(directory.join("ca.crt"));
        settings.gates = Gate::ALL.map(|gate| (gate, named(&["somebody"]))).into();
        settings.gates.extend(open(&[Gate::Image]));
    })
}

/// Asserts every byte of a refusal but the date.
#[track_caller]
fn assert_refused(response: &Response, (status, text): (u16, &str), more: &[&str]) {
    assert_eq!(
        (response.status, response.body.as_str()),
        (status, text),
        "{response:?}"
    );
    let mut expected = vec![
        "connection: close".to_owned(),
        format!("content-length: {}", text.len()),
        "content-type: text/plain; charset=utf-8".to_owned(),
    ];
    expected.extend(more.iter().map(|line| (*line).to_owned()));
    expected.sort();
    assert_eq!(response.headers(), expected);
}

#[test]
fn only_the_served_gates_are_found() {
    let server = Server::start(|settings, _| settings.gates = open(&[Gate::Validate]));
    assert_eq!(server.client().post("/v1/validate", "{}").status, 200);
    let long = format!("/v1/{}", "a".repeat(60_000));
    for path in [
        "/",
        "/v1",
        "/v1/authn",
        "/v1/authz",
        "/v1/image",
        "/v1/mutate",
        "/v1/validate/",
        "/v1/Validate",
        "//v1/validate",
        "/v1/validate/..%2fauthn",
        "/v1/validate%00",
        "/v1/../v1/validate",
        "/livez",
        &long,
    ] {
        assert_refused(&server.client().post(path, "{}"), NOT_FOUND, &[]);
    }
}

#[test]
fn other_methods_than_post_are_not_allowed() {
    let server = guarded();
    for method in ["GET", "PUT", "DELETE", "PATCH", "OPTIONS", "PROPFIND"] {
        let mut client = server.client();
        client.send(format!("{method} /v1/validate HTTP/1.1\r\nhost: regate\r\n\r\n"));
        assert_refused(&client.response(), METHOD, &["allow: post"]);
    }
}

#[test]
fn the_body_is_plain_json() {
    let server = Server::start(|_, _| {});
    let ask = |headers: &str| {
        let mut client = server.client();
        client.send(head("/v1/validate", &format!("{headers}content-length: 2\r\n")) + "{}");
        client.response()
    };
    for accepted in [
        "application/json",
        "application/json; charset=utf-8",
        "Application/JSON;q",
    ] {
        assert_eq!(
            ask(&format!("content-type: {accepted}\r\n")).status,
            200,
            "{accepted}"
        );
    }
    for refused in [
        "text/plain",
        "application/jsonx",
        "application/json-patch+json",
        "json",
        "",
    ] {
        assert_refused(&ask(&format!("content-type: {refused}\r\n")), MEDIA_TYPE, &[]);
    }
    assert_refused(&ask(""), MEDIA_TYPE, &[]);
    for encoding in ["gzip", "identity"] {
        assert_refused(
            &ask(&format!("{JSON}content-encoding: {encoding}\r\n")),
            MEDIA_TYPE,
            &[],
        );
    }
}

#[test]
fn the_guards_have_an_order() {
    let server = guarded();
    let ask = |request: String| {
        let mut client = server.client();
        client.send(request);
        client.response()
    };
    let get = |path: &str| format!("GET {path} HTTP/1.1\r\nhost: regate\r\n\r\n");
    // Every request is wrong in all that comes later, too.
    let huge = "content-length: 99999999999\r\n";
    assert_refused(&ask(get("/v1/other")), NOT_FOUND, &[]);
    assert_refused(&ask(get("/v1/validate")), METHOD, &["allow: post"]);
    assert_refused(&ask(head("/v1/validate", huge)), MEDIA_TYPE, &[]);
    assert_refused(&ask(head("/v1/validate", &format!("{JSON}{huge}"))), CALLER, &[]);
    assert_refused(&ask(head("/v1/image", &format!("{JSON}{huge}"))), TOO_LARGE, &[]);
}

#[test]
fn a_refused_connection_ends_whatever_is_still_sent() {
    let server = guarded();
    let refusals = [
        ("/v1/other", JSON, 404),
        ("/v1/validate", "", 415),
        ("/v1/validate", JSON, 401),
    ];
    let bodies = [
        ("content-length: 1000000\r\n", false),
        ("transfer-encoding: chunked\r\n", false),
        ("content-length: 999999999999\r\n", true),
        ("transfer-encoding: chunked\r\n", true),
    ];
    let try_one = &|path, headers, status, body: &str, endless| {
        let mut client = server.client();
        client.send(head(path, &format!("{headers}{body}")));
        assert_eq!(client.response().status, status);
        let lasted = if endless {
            send_until_closed(&mut client, body)
        } else {
            client.closed_after()
        };
        assert!(lasted < CLOSED, "{status} {body:?} endless {endless}: {lasted:?}");
    };
    std::thread::scope(|scope| {
        for (path, headers, status) in refusals {
            for (body, endless) in bodies {
                scope.spawn(move || try_one(path, headers, status, body, endless));
            }
        }
    });
}

#[test]
fn a_wrong_method_with_a_body_ends_the_connection() {
    let server = Server::start(|_, _| {});
    let mut client = server.client();
    client.send(format!(
        "PUT /v1/validate HTTP/1.1\r\nhost: regate\r\n{JSON}transfer-encoding: chunked\r\n\r\n"
    ));
    assert_eq!(client.response().status, 405);
    let lasted = send_until_closed(&mut client, "chunked");
    assert!(lasted < CLOSED, "{lasted:?}");
}

/// How long the server goes on taking a body.
fn send_until_closed(client: &mut Client, framing: &str) -> Duration {
    let begin = Instant::now();
    let data = "a".repeat(16_000);
    let piece = if framing.contains("chunked") {
        format!("3e80\r\n{data}\r\n")
    } else {
        data
    };
    while client
        .stream
        .write_all(piece.as_bytes())
        .and_then(|()| client.stream.flush())
        .is_ok()
    {
        assert!(begin.elapsed() < 4 * CLOSED, "still taking");
    }
    begin.elapsed()
}

#[test]
fn a_caller_is_refused_before_the_body_is_read() {
    let server = guarded();
    let mut client = server.client();
    client.send(head("/v1/validate", &format!("{JSON}content-length: 10\r\n")));
    assert_refused(&client.response(), CALLER, &[]);
    // The whole body on the wire changes nothing.
    assert_refused(&server.client().post("/v1/validate", "{}"), CALLER, &[]);
}

#[test]
fn a_body_that_stalls_is_answered_and_closed() {
    let server = Server::start(|settings, _| settings.limits.body = SHORT);
    for (framing, part) in [
        ("content-length: 10\r\n", "{"),
        ("transfer-encoding: chunked\r\n", "1\r\n{\r\n"),
    ] {
        let mut client = server.client();
        assert_eq!(client.post("/v1/validate", "{}").status, 200);
        let begin = Instant::now();
        client.send(head("/v1/validate", &format!("{JSON}{framing}")) + part);
        assert_refused(&client.response(), LATE, &[]);
        assert!(
            (SHORT..Duration::from_secs(5)).contains(&begin.elapsed()),
            "{:?}",
            begin.elapsed()
        );
        let lasted = client.closed_after();
        assert!(lasted < CLOSED, "{lasted:?}");
    }
}

#[test]
fn a_body_that_trickles_does_not_outlast_its_limit() {
    let server = Server::start(|settings, _| {
        settings.limits.body = SHORT;
        settings.limits.review_body = 5;
    });
    // Over its limit, too: what is drained has the same time.
    for gate in ["/v1/validate", "/v1/authn"] {
        let mut client = server.client();
        client.send(head(gate, &format!("{JSON}transfer-encoding: chunked\r\n")));
        let begin = Instant::now();
        let (_keep, tick) = crossbeam_channel::bounded::<()>(0);
        while begin.elapsed() < SHORT {
            client.send("1\r\na\r\n");
            let _ = tick.recv_timeout(SHORT / 10);
        }
        assert_refused(&client.response(), LATE, &[]);
    }
}

#[test]
fn a_broken_body_is_answered_and_closed() {
    let server = Server::start(|_, _| {});
    let mut client = server.client();
    client.send(head("/v1/validate", &format!("{JSON}transfer-encoding: chunked\r\n")) + "nonsense\r\n");
    assert_refused(&client.response(), BROKEN, &[]);
    assert!(client.closed_after() < CLOSED);
}

#[test]
fn a_body_over_its_limit_is_drained_and_answered_as_a_review() {
    let server = Server::start(|settings, _| {
        settings.limits.review_body = 1_000;
        settings.limits.admission_body = 2_000;
        settings.limits.drained_body = 200_000;
    });
    let review = |length: usize| {
        let begin =
            r#"{"kind":"AdmissionReview","apiVersion":"admission.k8s.io/v1","request":{"uid":"u-1","x":""#;
        format!("{begin}{}", "a".repeat(length - begin.len()))
    };
    let mut client = server.client();
    for (gate, limit) in [
        ("authn", 1_000),
        ("authz", 1_000),
        ("image", 1_000),
        ("mutate", 2_000),
        ("validate", 2_000),
    ] {
        let path = format!("/v1/{gate}");
        let response = client.post(&path, review(limit));
        assert_eq!(response.status, 200, "{gate}: {response:?}");
        // On the same connection: it was read to its end.
        for length in [limit + 1, 100_000, 200_000] {
            let response = client.post(&path, review(length));
            assert_eq!(
                (response.status, response.body.as_str()),
                (503, "body_too_large u-1"),
                "{gate} {length}"
            );
            assert_eq!(response.header("connection"), None);
        }
    }
}

#[test]
fn a_body_beyond_draining_is_refused_and_its_connection_closed() {
    let server = Server::start(|settings, _| {
        settings.limits.review_body = 1_000;
        settings.limits.drained_body = 100_000;
    });
    let mut client = server.client();
    client.send(head("/v1/authn", &format!("{JSON}content-length: 100001\r\n")));
    assert_refused(&client.response(), TOO_LARGE, &[]);
    assert!(client.closed_after() < CLOSED);

    let mut client = server.client();
    client.send(head(
        "/v1/authn",
        &format!("{JSON}transfer-encoding: chunked\r\n"),
    ));
    for _ in 0..7 {
        client.send(format!("3e80\r\n{}\r\n", "a".repeat(16_000)));
    }
    assert_refused(&client.response(), TOO_LARGE, &[]);
    let lasted = send_until_closed(&mut client, "chunked");
    assert!(lasted < CLOSED, "{lasted:?}");
}

#[test]
fn refusals_of_a_gate_are_counted() {
    let server = guarded();
    server.client().post("/v1/validate", "{}");
    let mut client = server.client();
    client.send("GET /v1/validate HTTP/1.1\r\nhost: regate\r\n\r\n");
    client.response();
    for code in [401, 405] {
        let series = format!("regate_requests_total{{gate=\"validate\",decision=\"error\",code=\"{code}\"}}");
        assert_eq!(server.metric(&series), Some(format!("{series} 1")));
    }
}
