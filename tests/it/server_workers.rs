//! What becomes of a review that was taken in: its deadline, a full queue, a panic, threads of its own.

use std::time::{Duration, Instant};

use crate::serving::{Client, PATIENCE, Server, get, head};

/// Sends a review without waiting for its answer.
fn begin(server: &Server, target: &str, body: &str) -> Client {
    let mut client = server.client();
    let headers = format!(
        "content-type: application/json\r\ncontent-length: {}\r\n",
        body.len()
    );
    client.send(head(target, &headers) + body);
    client
}

/// Waits until so many reviews wait for a thread.
#[track_caller]
fn wait_queued(server: &Server, depth: usize) {
    let expected = format!("regate_queue_depth {depth}");
    let begin = Instant::now();
    while server.metric("regate_queue_depth") != Some(expected.clone()) {
        assert!(
            begin.elapsed() < PATIENCE,
            "{:?}",
            server.metric("regate_queue_depth")
        );
        std::thread::park_timeout(Duration::from_millis(5));
    }
}

#[test]
fn an_answer_comes_at_the_deadline_while_the_evaluation_goes_on() {
    let server = Server::start(|_, _| {});
    let sent = Instant::now();
    let mut client = begin(&server, "/v1/validate?timeout=1s", "wait");
    server.wait_started();
    let response = client.response();
    assert_eq!((response.status, response.body.as_str()), (503, "deadline -"));
    let took = sent.elapsed();
    assert!(
        (Duration::from_millis(290)..PATIENCE / 2).contains(&took),
        "{took:?}"
    );
    // The thread is still busy, and the connection is not.
    let mut next = begin(&server, "/v1/validate", "{}");
    wait_queued(&server, 1);
    server.release();
    assert_eq!(next.response().status, 200);
    assert_eq!(client.post("/v1/validate", "{}").status, 200);
}

#[test]
fn the_deadline_counts_from_the_first_byte_of_the_head() {
    let server = Server::start(|settings, _| settings.deadline = Duration::from_secs(10));
    let mut client = server.client();
    // Long enough that a busy machine cannot hide one of them.
    let pause = Duration::from_millis(600);
    let (_keep, nothing) = crossbeam_channel::bounded::<()>(0);
    // A first and a later request of a connection.
    for _ in 0..2 {
        client.send("POST /v1/validate HTT");
        let _ = nothing.recv_timeout(pause);
        client.send("P/1.1\r\nhost: regate\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{");
        let _ = nothing.recv_timeout(pause);
        client.send("}");
        let left = left(&client.response().body);
        assert!(left <= Duration::from_secs(10) - pause * 3 / 2, "{left:?}");
        assert!(left > Duration::from_secs(5), "{left:?}");
    }
    // An idle time between two requests is not part of the later one.
    let _ = nothing.recv_timeout(2 * pause);
    let left = left(&client.post("/v1/validate", "{}").body);
    assert!(left > Duration::from_secs(10) - pause, "{left:?}");
}

#[test]
fn the_callers_timeout_shortens_the_deadline() {
    let server = Server::start(|settings, _| settings.deadline = Duration::from_secs(10));
    let mut client = server.client();
    for (query, most) in [
        ("?timeout=10s", 6_000),
        ("?timeout=2s", 1_000),
        ("?timeout=30s", 10_000),
        ("?timeout=x", 10_000),
    ] {
        let left = left(&client.post(&format!("/v1/validate{query}"), "{}").body).as_millis();
        assert!(left <= most && left + 500 > most, "{query}: {left}");
    }
}

/// The time that was left when the fake decided.
fn left(body: &str) -> Duration {
    let (_, left) = body.trim_end_matches('}').rsplit_once(':').unwrap();
    Duration::from_millis(left.parse().unwrap())
}

#[test]
fn a_full_queue_is_answered_as_overload_at_once() {
    let server = Server::start(|settings, _| settings.workers.queue = 1);
    let mut running = begin(&server, "/v1/validate", "wait");
    server.wait_started();
    let mut queued = begin(&server, "/v1/validate", "{}");
    wait_queued(&server, 1);
    let response = server
        .client()
        .post("/v1/validate", r#"{"request":{"uid":"u-1"}}"#);
    assert_eq!((response.status, response.body.as_str()), (503, "overload u-1"));
    assert_eq!(response.header("retry-after"), None);
    server.release();
    assert_eq!(running.response().status, 200);
    assert_eq!(queued.response().status, 200);
    wait_queued(&server, 0);
}

#[test]
fn a_review_whose_deadline_passed_in_the_queue_is_not_evaluated() {
    let server = Server::start(|_, _| {});
    let mut running = begin(&server, "/v1/validate", "wait");
    server.wait_started();
    let mut late = begin(&server, "/v1/validate?timeout=1s", "wait");
    assert_eq!(late.response().body, "deadline -");
    server.release();
    assert_eq!(running.response().status, 200);
    assert_eq!(server.client().post("/v1/validate", "{}").status, 200);
    assert!(
        server.started.try_recv().is_err(),
        "the late review was evaluated"
    );
}

#[test]
fn a_panic_is_the_answer_of_its_own_review_only() {
    let server = Server::start(|_, _| {});
    let mut client = server.client();
    for _ in 0..2 {
        let response = client.post("/v1/validate", "panic");
        assert_eq!((response.status, response.body.as_str()), (503, "panic -"));
        // There is one thread: the same one goes on.
        assert_eq!(client.post("/v1/validate", "{}").status, 200);
    }
}

#[test]
fn a_gate_does_not_wait_for_the_threads_of_another() {
    let server = Server::start(|settings, _| settings.workers.queue = 1);
    let mut busy = begin(&server, "/v1/validate", "wait");
    server.wait_started();
    for gate in ["authn", "authz", "image", "mutate"] {
        assert_eq!(
            server.client().post(&format!("/v1/{gate}"), "{}").status,
            200,
            "{gate}"
        );
    }
    server.release();
    assert_eq!(busy.response().status, 200);
}

#[test]
fn a_decision_is_counted_with_its_times() {
    let server = Server::start(|_, _| {});
    let mut client = server.client();
    for body in ["{}", "{}", "deny", "fault"] {
        client.post("/v1/validate", body);
    }
    let count = |series: &str| {
        server
            .metric(series)
            .map(|line| line[series.len()..].trim().to_owned())
    };
    let requests = |decision, code| {
        count(&format!(
            "regate_requests_total{{gate=\"validate\",decision=\"{decision}\",code=\"{code}\"}}"
        ))
    };
    assert_eq!(requests("allow", 200).as_deref(), Some("3"));
    assert_eq!(requests("deny", 403).as_deref(), Some("1"));
    assert_eq!(
        count("regate_request_duration_seconds_count{gate=\"validate\"}").as_deref(),
        Some("4")
    );
    assert_eq!(
        count("regate_evaluation_duration_seconds_bucket{le=\"0.0001\",gate=\"validate\"}").as_deref(),
        Some("4")
    );
    assert_eq!(
        count("regate_evaluation_duration_seconds_bucket{le=\"0.00005\",gate=\"validate\"}").as_deref(),
        Some("0")
    );
    assert_eq!(
        count("regate_evaluation_errors_total{reason=\"builtin\"}").as_deref(),
        Some("1")
    );
    assert_eq!(count("regate_requests_in_flight").as_deref(), Some("0"));
}

#[test]
fn a_request_counts_as_in_flight_while_it_is_decided() {
    let server = Server::start(|_, _| {});
    let mut client = begin(&server, "/v1/validate", "wait");
    server.wait_started();
    assert_eq!(
        server.metric("regate_requests_in_flight").as_deref(),
        Some("regate_requests_in_flight 1")
    );
    server.release();
    assert_eq!(client.response().status, 200);
}

/// Waits until a probe is answered so.
#[track_caller]
fn wait_alive(server: &Server, expected: (u16, &str)) {
    let begin = Instant::now();
    loop {
        let (status, _, body) = get(server.running.probe_address(), "/livez");
        if (status, body.as_str()) == expected {
            return;
        }
        assert!(begin.elapsed() < PATIENCE, "{status} {body}");
        std::thread::park_timeout(Duration::from_millis(5));
    }
}

#[test]
fn a_gate_whose_threads_do_not_come_back_refuses_and_then_fails_the_liveness_probe() {
    let server = Server::start(|settings, _| {
        settings.workers.stuck_after = Duration::from_millis(10);
        settings.workers.lifeless_after = Duration::from_millis(10);
    });
    let mut client = server.client();
    // One thread, and the one that replaces it.
    for _ in 0..2 {
        assert_eq!(client.post("/v1/validate?timeout=1s", "wait").body, "deadline -");
        server.wait_started();
    }
    wait_alive(&server, (503, "no threads left: validate\n"));
    assert_eq!(
        server
            .metric("regate_stuck_threads{gate=\"validate\"}")
            .as_deref(),
        Some("regate_stuck_threads{gate=\"validate\"} 2")
    );
    let response = client.post("/v1/validate", r#"{"request":{"uid":"u-1"}}"#);
    assert_eq!((response.status, response.body.as_str()), (503, "overload u-1"));
    assert_eq!(client.post("/v1/authn", "{}").status, 200);
    // One of the two comes back, and the gate with it.
    server.release();
    wait_alive(&server, (200, "ok\n"));
    assert_eq!(client.post("/v1/validate", "{}").status, 200);
    server.release();
}

#[test]
fn an_evaluation_that_does_not_end_does_not_hold_up_the_end_of_the_server() {
    let server = Server::start(|settings, _| settings.workers.stuck_after = Duration::from_millis(10));
    let mut client = server.client();
    for _ in 0..2 {
        assert_eq!(client.post("/v1/validate?timeout=1s", "wait").body, "deadline -");
        server.wait_started();
    }
    let begin = Instant::now();
    let Server { running, release, .. } = server;
    running.stop().unwrap();
    assert!(begin.elapsed() < PATIENCE / 2, "{:?}", begin.elapsed());
    drop(release);
}
