//! More connections than there are seats: who is answered, who makes room, and that nobody else notices.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use regate::gate::Gate;
use regate::server::Settings;

use crate::process::Process;
use crate::serving::{Client, Options, PATIENCE, Server, head, named};

const SEATS: usize = 8;
/// Those before the reserve.
const FREE: usize = 6;
const SHORT: Duration = Duration::from_millis(300);

fn few_seats(settings: &mut Settings) {
    settings.limits.connections = SEATS;
    // A busy machine must not make an ordinary client late.
    settings.limits.hurried = Duration::from_secs(5);
}

/// A connection that was answered once and then idles.
fn idle(server: &Server) -> Client {
    let mut client = server.client();
    assert_eq!(client.post("/v1/authn", "{}").status, 200);
    client
}

const REVIEW: &str = r#"{"kind":"K","apiVersion":"v","request":{"uid":"u-1"}}"#;

#[test]
fn the_last_seats_are_for_authentication_and_authorization() {
    let server = Server::start(|settings, _| few_seats(settings));
    let mut early: Vec<_> = (0..FREE).map(|_| idle(&server)).collect();
    for gate in ["authn", "authz"] {
        assert_eq!(server.client().post(&format!("/v1/{gate}"), REVIEW).status, 200);
    }
    for gate in ["image", "mutate", "validate"] {
        let mut client = server.client();
        let response = client.post(&format!("/v1/{gate}"), REVIEW);
        assert_eq!((response.status, response.body.as_str()), (503, "overload u-1"));
        assert_eq!(response.header("connection"), Some("close"));
        client.closed_after();
    }
    // Who sat before the reserve notices nothing.
    assert_eq!(early[0].post("/v1/validate", REVIEW).status, 200);
    // And the reserve is none once there is room again.
    drop(early);
    let begin = Instant::now();
    while server.client().post("/v1/validate", REVIEW).status != 200 {
        assert!(begin.elapsed() < PATIENCE);
    }
}

#[test]
fn the_connection_that_was_idle_for_longest_makes_room() {
    let server = Server::start(|settings, _| few_seats(settings));
    let mut clients: Vec<_> = (0..SEATS).map(|_| idle(&server)).collect();
    // The first is not the longest idle any more.
    assert_eq!(clients[0].post("/v1/authn", REVIEW).status, 200);
    let _another = idle(&server);
    clients[1].closed_after();
    for still_open in [0, 2, 3] {
        assert_eq!(
            clients[still_open].post("/v1/authn", REVIEW).status,
            200,
            "{still_open}"
        );
    }
}

#[test]
fn silent_handshakes_make_room_and_a_listed_caller_does_not() {
    let server = Server::start(|settings, directory| {
        few_seats(settings);
        // Only making room ends a handshake.
        settings.limits.handshake = 3 * PATIENCE;
        settings.limits.hurried = 3 * PATIENCE;
        settings.client_ca = Some(directory.join("ca.crt"));
        settings.gates.insert(Gate::Validate, named(&["kube-apiserver"]));
    });
    let identity = Options {
        identity: Some((
            std::fs::read_to_string(&server.paths.client_certificate).unwrap(),
            std::fs::read_to_string(&server.paths.client_key).unwrap(),
        )),
        ..Options::default()
    };
    let mut listed = server.connect(&identity).unwrap();
    assert_eq!(listed.post("/v1/validate", REVIEW).status, 200);
    let silent = || {
        let socket = TcpStream::connect(server.running.address()).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        socket
    };
    let mut first = silent();
    let _others: Vec<_> = (0..3 * SEATS).map(|_| silent()).collect();
    let ended = first.read(&mut [0]);
    assert!(
        !ended
            .as_ref()
            .is_err_and(|error| error.kind() == ErrorKind::WouldBlock),
        "{ended:?}"
    );
    // Others are answered meanwhile, by two gates at least.
    assert_eq!(server.client().post("/v1/authz", REVIEW).status, 200);
    assert_eq!(listed.post("/v1/validate", REVIEW).status, 200);
}

#[test]
fn whoever_sits_in_the_reserve_has_little_time_for_a_head() {
    let server = Server::start(|settings, _| {
        few_seats(settings);
        settings.limits.hurried = SHORT;
    });
    let mut early: Vec<_> = (0..FREE).map(|_| idle(&server)).collect();
    let mut socket = TcpStream::connect(server.running.address()).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    let begin = Instant::now();
    assert!(matches!(socket.read(&mut [0]), Ok(0) | Err(_)));
    // A handshake has three seconds otherwise.
    assert!(
        (SHORT / 2..Duration::from_secs(3)).contains(&begin.elapsed()),
        "{:?}",
        begin.elapsed()
    );
    early[0].send("POST /v1/authn HTTP/1.1\r\n");
    early[0].send(
        head("/", "content-type: application/json\r\ncontent-length: 2\r\n")
            .split_once("\r\n")
            .unwrap()
            .1
            .to_owned()
            + "{}",
    );
    assert_eq!(early[0].response().status, 200);
}

#[test]
fn probes_are_answered_one_a_connection() {
    let server = Server::start(|_, _| {});
    let mut socket = TcpStream::connect(server.running.probe_address()).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    socket
        .write_all(b"GET /livez HTTP/1.1\r\nhost: x\r\n\r\n")
        .unwrap();
    let mut answer = String::new();
    socket.read_to_string(&mut answer).unwrap();
    assert!(answer.contains("connection: close\r\n"), "{answer}");
}

const FILES: usize = 256;

/// Asks for reviews, each in a new connection, beside twice as many silent ones as there may be files; those, and how many
/// files are open then.
fn ask_beside_silent(process: &Process, silent: SocketAddr) -> (Vec<TcpStream>, usize) {
    let silent: Vec<_> = (0..2 * FILES)
        .map(|_| TcpStream::connect(silent).unwrap())
        .collect();
    let subject = r#"{"kind":"SubjectAccessReview","apiVersion":"authorization.k8s.io/v1",
        "spec":{"user":"jane","resourceAttributes":{"verb":"get","version":"v1","resource":"pods"}}}"#;
    for _ in 0..10 {
        assert_eq!(process.client().post("/v1/authz", subject).status, 200);
    }
    let open = std::fs::read_dir(format!("/proc/{}/fd", process.id()))
        .unwrap()
        .count();
    (silent, open)
}

#[test]
fn connections_for_probes_never_use_up_the_files_that_may_be_open() {
    let process = Process::start_limited(FILES, &[]);
    let (silent, open) = ask_beside_silent(&process, process.probe_address());
    assert!(open < FILES / 2, "{open}");
    drop(silent);
    assert_eq!(process.probe("/livez").0, 200);
    assert!(!process.log().contains("cannot accept"), "{}", process.log());
}

#[test]
fn connections_never_use_up_the_files_that_may_be_open() {
    let process = Process::start_limited(FILES, &[]);
    let (silent, open) = ask_beside_silent(&process, process.address());
    assert_eq!(process.probe("/livez").0, 200);
    assert!(open < FILES, "{open}");
    drop(silent);
    assert!(!process.log().contains("cannot accept"), "{}", process.log());
}
