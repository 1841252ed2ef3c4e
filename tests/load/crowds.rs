//! Slow, silent and stalled connections by the hundred: they end in time, and others are answered meanwhile.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use crate::either;
use crate::process::Process;
use crate::serving::{Client, head};

crate::cases![slow_and_idle_connections_leave_others_alone];

const POLICY: &str = r#"
package kubernetes.authorization.people
allow if input.spec.user == "jane"
"#;
const REVIEW: &str = r#"{"kind":"SubjectAccessReview","apiVersion":"authorization.k8s.io/v1",
    "spec":{"user":"jane","resourceAttributes":{"verb":"get","version":"v1","resource":"pods"}}}"#;
/// Every limit of a connection, and some time for a busy machine.
const CLOSED: Duration = Duration::from_secs(20);

fn slow_and_idle_connections_leave_others_alone() {
    let process = Process::start(&[("policies/people.rego", POLICY)], &["--policy", "policies"]);
    let mut healthy = process.client();
    ask(&mut healthy, 50);
    let alone = ask(&mut healthy, either(500, 5_000));
    let count = either(100, 500);
    let mut silent: Vec<_> = (0..2 * count)
        .map(|_| TcpStream::connect(process.address()).unwrap())
        .collect();
    let mut slow: Vec<_> = (0..count).map(|number| stalled(&process, number)).collect();
    let begin = Instant::now();
    let among = ask(&mut healthy, either(500, 5_000));
    for client in &mut slow {
        // One more byte keeps no connection.
        let _ = client.stream.write_all(b"a").and_then(|()| client.stream.flush());
    }
    println!("p99 {alone:?} alone, {among:?} among {} others", 3 * count);
    assert!(
        among <= 2 * alone + Duration::from_millis(20),
        "{among:?}, {alone:?} alone"
    );
    for socket in &mut silent {
        socket.set_read_timeout(Some(CLOSED)).unwrap();
        assert!(matches!(socket.read(&mut [0]), Ok(0)) || begin.elapsed() < CLOSED);
    }
    for client in slow.iter_mut().take(either(0, count)) {
        let mut rest = Vec::new();
        let _ = client.stream.read_to_end(&mut rest);
    }
    assert!(begin.elapsed() < CLOSED, "{:?}", begin.elapsed());
}

/// A connection that stops somewhere: in a head, in a large body, or before it takes its answer.
fn stalled(process: &Process, number: usize) -> Client {
    let mut client = process.client();
    match number % 3 {
        0 => client.send("POST /v1/authz HTTP/1.1\r\nhost: reg"),
        1 => {
            client.send(head(
                "/v1/validate",
                "content-type: application/json\r\ncontent-length: 6000000\r\n",
            ));
            client.send("{\"kind\":");
        }
        _ => {}
    }
    client
}

/// The slowest but one hundredth of so many reviews; each must be decided.
fn ask(client: &mut Client, reviews: usize) -> Duration {
    let mut times: Vec<_> = (0..reviews)
        .map(|_| {
            let begin = Instant::now();
            let response = client.post("/v1/authz", REVIEW);
            assert!(response.body.contains(r#""allowed":true"#), "{response:?}");
            begin.elapsed()
        })
        .collect();
    times.sort();
    times[times.len() * 99 / 100]
}
