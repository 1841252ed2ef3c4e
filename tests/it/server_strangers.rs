//! Clients that nobody listed, and what they can take away from those who are: time, connections and seats.

use std::net::TcpStream;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rcgen::{CertificateParams, ExtendedKeyUsagePurpose, KeyPair, SanType};
use regate::gate::Gate;
use regate::server::Settings;

use crate::pki::{Issuer, authority_params, intermediate, params, root};
use crate::serving::{Client, Options, PATIENCE, Server, named};

const REVIEW: &str = r#"{"kind":"K","apiVersion":"v","request":{"uid":"u-1"}}"#;

/// Those of eight seats that are before the reserve.
const FREE: usize = 6;
const SHORT: Duration = Duration::from_millis(300);

/// A server that lets nobody in at the gates of admission but the API server, whose certificates `ca` signs.
fn server(ca: &Issuer, adjust: impl FnOnce(&mut Settings)) -> Server {
    Server::start(|settings, directory| {
        let file = directory.join("callers.crt");
        std::fs::write(&file, ca.pem()).unwrap();
        settings.client_ca = Some(file);
        for gate in Gate::ALL {
            settings.gates.insert(gate, named(&["apiserver"]));
        }
        adjust(settings);
    })
}

fn caller() -> CertificateParams {
    let mut params = params("apiserver");
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    params
}

/// Shows a certificate that `issuer` signed, and these others after it.
fn showing(issuer: &Issuer, others: &[Arc<Issuer>]) -> Options {
    let key = KeyPair::generate().unwrap();
    let mut chain = caller().signed_by(&key, issuer).unwrap().pem();
    for other in others {
        chain.push_str(&other.pem());
    }
    Options {
        identity: Some((chain, key.serialize_pem())),
        ..Options::default()
    }
}

/// Authorities that do not lead to anybody's trust; each could have signed each.
fn maze(name: &str, count: usize) -> Vec<Arc<Issuer>> {
    let make = |_| Arc::new(root(authority_params(name)));
    (0..count).map(make).collect()
}

#[test]
fn a_caller_may_show_four_authorities_and_no_more() {
    let ca = root(authority_params("callers"));
    let server = server(&ca, |_| {});
    let mut between: Vec<Arc<Issuer>> = Vec::new();
    for number in 0..4 {
        let issuer = between.last().map_or(&ca, |last| last);
        let next = intermediate(authority_params(&format!("between {number}")), issuer);
        between.push(Arc::new(next));
    }
    // Seventy took an I/O thread seconds.
    let mut statuses = Vec::new();
    for extra in 0..2 {
        let mut shown = between.clone();
        shown.extend(maze("x", extra));
        let caller = showing(between.last().unwrap(), &shown);
        statuses.push(
            server
                .connect(&caller)
                .unwrap()
                .post("/v1/validate", REVIEW)
                .status,
        );
    }
    assert_eq!(statuses, [200, 401]);
}

#[test]
fn certificates_that_would_fill_the_memory_are_not_kept() {
    let ca = root(authority_params("callers"));
    let server = server(&ca, |_| {});
    let mut outcomes = Vec::new();
    for names in [50, 600] {
        let mut params = caller();
        let name =
            |number| SanType::DnsName(format!("{number}.{}.example", "x".repeat(50)).try_into().unwrap());
        params.subject_alt_names = (0..names).map(name).collect();
        let key = KeyPair::generate().unwrap();
        let shown = Options {
            // The client of the later version learns of it only with its first answer.
            versions: Some(&rustls::version::TLS12),
            identity: Some((params.signed_by(&key, &ca).unwrap().pem(), key.serialize_pem())),
            ..Options::default()
        };
        let outcome = server.connect(&shown);
        outcomes.push(outcome.map(|mut client| client.post("/v1/validate", REVIEW).status));
    }
    let refused = "received fatal alert: AccessDenied".to_owned();
    assert_eq!(outcomes, [Ok(200), Err(refused)]);
}

#[test]
fn silent_strangers_make_room_for_a_listed_caller_at_every_gate() {
    let ca = root(authority_params("callers"));
    let server = server(&ca, |settings| {
        settings.limits.connections = 8;
        // Only making room ends them, and a busy machine must not make the caller late.
        settings.limits.handshake = 3 * PATIENCE;
        settings.limits.head = 3 * PATIENCE;
        settings.limits.hurried = 3 * PATIENCE;
    });
    let _raw: Vec<_> = (0..FREE / 2)
        .map(|_| TcpStream::connect(server.running.address()).unwrap())
        .collect();
    let _greeted: Vec<Client> = (FREE / 2..FREE).map(|_| server.client()).collect();
    for path in ["/v1/validate", "/v1/mutate", "/v1/image"] {
        let mut caller = server.connect(&showing(&ca, &[])).unwrap();
        for _ in 0..2 {
            let response = caller.post(path, REVIEW);
            assert_eq!(response.status, 200, "{path}: {response:?}");
        }
    }
}

#[test]
fn a_listed_caller_may_keep_an_unused_connection_and_a_stranger_may_not() {
    let ca = root(authority_params("callers"));
    let server = server(&ca, |settings| {
        settings.limits.head = SHORT;
        settings.limits.keep_alive = 5 * SHORT;
    });
    let listed = showing(&ca, &[]);
    let mut stranger = server.client();
    let mut unused = server.connect(&listed).unwrap();
    let mut used_late = server.connect(&listed).unwrap();
    let begin = Instant::now();
    stranger.closed_after();
    // Time for a head is given once there is a first byte of it.
    used_late.send("POST /v1/validate HTTP/1.1\r\nhost: regate\r\n");
    used_late.send(format!(
        "content-type: application/json\r\ncontent-length: {}\r\n\r\n{REVIEW}",
        REVIEW.len()
    ));
    assert_eq!(used_late.response().status, 200);
    unused.closed_after();
    let open = begin.elapsed();
    assert!((3 * SHORT..PATIENCE).contains(&open), "{open:?}");
}
