//! What a connection is: TLS versions, protocol, names, and the limits in time.

use std::io::Write;
use std::net::TcpStream;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustls::HandshakeKind;

use crate::serving::{LARGE, Options, PATIENCE, Server, head};

const SHORT: Duration = Duration::from_millis(300);

#[test]
fn answers_without_server_name_in_both_tls_versions() {
    let server = Server::start(|_, _| {});
    for version in [&rustls::version::TLS12, &rustls::version::TLS13] {
        let options = Options {
            versions: Some(version),
            ..Options::default()
        };
        let mut client = server.connect(&options).unwrap();
        let response = client.post("/v1/validate", "{}");
        assert_eq!(response.status, 200, "{response:?}");
        assert_eq!(client.stream.conn.protocol_version(), Some(version.version));
    }
    let named = Options {
        name: Some("localhost"),
        ..Options::default()
    };
    assert_eq!(
        server.connect(&named).unwrap().post("/v1/authn", "{}").status,
        200
    );
}

#[test]
fn speaks_http_1_1_only() {
    let server = Server::start(|_, _| {});
    let both = Options {
        alpn: vec![b"h2".to_vec(), b"http/1.1".to_vec()],
        ..Options::default()
    };
    let client = server.connect(&both).unwrap();
    assert_eq!(client.stream.conn.alpn_protocol(), Some(b"http/1.1".as_slice()));
    let h2 = Options {
        alpn: vec![b"h2".to_vec()],
        ..Options::default()
    };
    let error = server.connect(&h2).err().unwrap();
    assert_eq!(error, "received fatal alert: NoApplicationProtocol");
}

#[test]
fn no_session_is_ever_resumed() {
    let server = Server::start(|_, _| {});
    for version in [&rustls::version::TLS12, &rustls::version::TLS13] {
        let config = Options {
            versions: Some(version),
            ..Options::default()
        }
        .config(&server.paths.ca);
        for _ in 0..2 {
            let mut client = server.connect_with(Arc::clone(&config), None).unwrap();
            assert_eq!(client.post("/v1/validate", "{}").status, 200);
            assert_eq!(client.stream.conn.handshake_kind(), Some(HandshakeKind::Full));
        }
    }
}

#[test]
fn a_handshake_that_stalls_is_given_up() {
    let server = Server::start(|settings, _| settings.limits.handshake = SHORT);
    let mut socket = TcpStream::connect(server.running.address()).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    // The beginning of a record that never comes.
    socket.write_all(&[22, 3, 1]).unwrap();
    let begin = Instant::now();
    let closed = std::io::Read::read(&mut socket, &mut [0; 16]);
    assert!(matches!(closed, Ok(0) | Err(_)), "{closed:?}");
    assert!(
        (SHORT..PATIENCE).contains(&begin.elapsed()),
        "{:?}",
        begin.elapsed()
    );
}

#[test]
fn every_head_has_a_limit_not_only_the_first() {
    let server = Server::start(|settings, _| settings.limits.head = SHORT);
    for requests in 0..3 {
        let mut client = server.client();
        for _ in 0..requests {
            assert_eq!(client.post("/v1/validate", "{}").status, 200);
        }
        client.send("POST /v1/validate HTTP/1.1\r\nhost: reg");
        let closed = client.closed_after();
        assert!(
            (SHORT / 2..Duration::from_secs(5)).contains(&closed),
            "after {requests} requests: {closed:?}"
        );
    }
}

#[test]
fn a_head_that_trickles_in_does_not_outlast_its_limit() {
    let server = Server::start(|settings, _| settings.limits.head = SHORT);
    let mut client = server.client();
    assert_eq!(client.post("/v1/validate", "{}").status, 200);
    client
        .stream
        .sock
        .set_read_timeout(Some(Duration::from_millis(20)))
        .unwrap();
    let begin = Instant::now();
    let mut byte = [0; 1];
    loop {
        let sent = client.stream.write_all(b"P").and_then(|()| client.stream.flush());
        match std::io::Read::read(&mut client.stream, &mut byte) {
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock && sent.is_ok() => {}
            _ => break,
        }
        assert!(begin.elapsed() < PATIENCE, "still open");
    }
    assert!(begin.elapsed() >= SHORT, "{:?}", begin.elapsed());
}

#[test]
fn a_connection_that_never_speaks_is_closed() {
    let server = Server::start(|settings, _| {
        settings.limits.head = SHORT;
        // Anybody may call here, and need not do so at once.
        settings.limits.keep_alive = SHORT;
    });
    let closed = server.client().closed_after();
    assert!(
        (SHORT / 2..Duration::from_secs(5)).contains(&closed),
        "{closed:?}"
    );
}

#[test]
fn an_idle_connection_lives_as_long_as_keep_alive_says() {
    let keep_alive = Duration::from_millis(900);
    let server = Server::start(|settings, _| {
        settings.limits.keep_alive = keep_alive;
        // The limit of a head says nothing about an idle connection.
        settings.limits.head = SHORT;
    });
    let mut client = server.client();
    for _ in 0..2 {
        assert_eq!(client.post("/v1/validate", "{}").status, 200);
    }
    let closed = client.closed_after();
    assert!(
        (keep_alive / 2..Duration::from_secs(4)).contains(&closed),
        "{closed:?}"
    );
}

#[test]
fn a_client_that_takes_no_answer_loses_its_connection() {
    let server = Server::start(|settings, _| settings.limits.write = SHORT);
    let mut client = server.client();
    let headers = "content-type: application/json\r\ncontent-length: 5\r\n";
    client.send(head("/v1/validate", headers) + "large");
    let (_keep, nothing) = crossbeam_channel::bounded::<()>(0);
    let _ = nothing.recv_timeout(4 * SHORT);
    let mut taken = Vec::new();
    let ended = std::io::Read::read_to_end(&mut client.stream, &mut taken);
    assert!(taken.len() < LARGE, "{} bytes, {ended:?}", taken.len());
}

#[test]
fn a_client_that_takes_an_answer_in_small_bites_loses_its_connection() {
    let server = Server::start(|settings, _| settings.limits.write = SHORT);
    let mut client = server.client();
    let headers = "content-type: application/json\r\ncontent-length: 5\r\n";
    client.send(head("/v1/validate", headers) + "large");
    let (_keep, nothing) = crossbeam_channel::bounded::<()>(0);
    let (begin, mut taken, mut bite) = (Instant::now(), 0, vec![0; 16 << 10]);
    while begin.elapsed() < 5 * SHORT {
        let _ = nothing.recv_timeout(SHORT / 15);
        for _ in 0..8 {
            taken += std::io::Read::read(&mut client.stream, &mut bite).unwrap_or(0);
        }
    }
    let mut rest = Vec::new();
    let ended = std::io::Read::read_to_end(&mut client.stream, &mut rest);
    taken += rest.len();
    assert!(taken < LARGE, "{taken} bytes, {ended:?}");
    // One that does not dawdle gets all of it.
    let server = Server::start(|_, _| {});
    assert_eq!(server.client().post("/v1/validate", "large").body.len(), LARGE);
}

#[test]
fn the_defaults_outlive_the_idle_time_of_the_api_server() {
    let limits = regate::server::Limits::default();
    assert!(limits.keep_alive > Duration::from_secs(90));
    assert_eq!(
        (limits.head, limits.body, limits.handshake),
        (
            Duration::from_secs(10),
            Duration::from_secs(10),
            Duration::from_secs(3)
        )
    );
}

#[test]
fn pipelined_requests_are_answered_in_order() {
    let server = Server::start(|settings, _| settings.limits.head = SHORT);
    let mut client = server.client();
    let request = |target, body: &str| {
        let headers = format!(
            "content-type: application/json\r\ncontent-length: {}\r\n",
            body.len()
        );
        head(target, &headers) + body
    };
    client.send(request("/v1/authn", "1") + &request("/v1/authz", "12") + &request("/v1/image", "123"));
    for gate in ["authn", "authz", "image"] {
        let body = client.response().body;
        assert!(body.starts_with(&format!("{{\"gate\":\"{gate}\"")), "{body}");
    }
}

#[test]
fn responses_are_not_held_back() {
    let server = Server::start(|_, _| {});
    let mut client = server.client();
    let request = head(
        "/v1/validate",
        "content-type: application/json\r\ncontent-length: 2\r\n",
    ) + "{}";
    let pair = request.clone() + &request;
    // The second of two responses would wait for the delayed acknowledgement of the first, 40 ms, once the client's
    // system has seen that requests follow responses.
    let mut fastest = PATIENCE;
    for round in 0..40 {
        let begin = Instant::now();
        client.send(&pair);
        assert_eq!((client.response().status, client.response().status), (200, 200));
        if round >= 30 {
            fastest = fastest.min(begin.elapsed());
        }
    }
    assert!(fastest < Duration::from_millis(20), "{fastest:?}");
}
