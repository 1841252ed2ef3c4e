//! Handshakes as no client makes them: each ends, and the server goes on answering others.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rcgen::{ExtendedKeyUsagePurpose, SanType};
use regate::certs::{Authority, Leaf, Validity};
use regate::gate::Gate;
use rustls::ClientConnection;
use rustls::pki_types::ServerName;

use crate::serving::{Options, PATIENCE, Server, UNAUTHENTICATED, named};

/// The first bytes of an ordinary client.
fn client_hello(server: &Server) -> Vec<u8> {
    let config = Options::default().config(&server.paths.ca);
    let name = ServerName::try_from("localhost").unwrap();
    let mut session = ClientConnection::new(Arc::clone(&config), name).unwrap();
    let mut bytes = Vec::new();
    session.write_tls(&mut bytes).unwrap();
    bytes
}

/// Sends bytes, piece by piece, and waits until the server closes; how long it takes.
fn closed_after<'a>(server: &Server, pieces: impl IntoIterator<Item = &'a [u8]>) -> Duration {
    let mut socket = TcpStream::connect(server.running.address()).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    socket.set_nodelay(true).unwrap();
    let begin = Instant::now();
    for piece in pieces {
        if socket.write_all(piece).is_err() {
            break;
        }
    }
    let mut answer = Vec::new();
    // An alert may come first; a reset is an end, too.
    let _ = socket.read_to_end(&mut answer);
    begin.elapsed()
}

#[test]
fn handshakes_in_pieces_and_of_rubbish_end_in_time() {
    let server = Server::start(|settings, _| settings.limits.handshake = Duration::from_secs(1));
    let hello = client_hello(&server);
    let (kind, content) = (&hello[..3], &hello[5..]);
    let record = |content: &[u8]| {
        let length = u16::try_from(content.len()).unwrap().to_be_bytes();
        [kind, &length, content].concat()
    };
    let bytewise: Vec<u8> = content.chunks(1).flat_map(record).collect();
    let hundred: Vec<u8> = content
        .chunks(content.len().div_ceil(100))
        .flat_map(record)
        .collect();
    let empty_records = [22, 3, 1, 0, 0].repeat(10_000);
    let huge_hello = record(&[&[1, 0xff, 0xff, 0xff][..], &vec![0; 16_000]].concat()).repeat(20);
    let table: [(&str, Vec<u8>); 8] = [
        ("records of one byte", bytewise),
        ("a hundred records", hundred),
        ("empty records", empty_records),
        ("a hello that never ends", huge_hello),
        ("rubbish", vec![0xff; 100_000]),
        ("zeros", vec![0; 100_000]),
        (
            "plain HTTP",
            b"POST /v1/validate HTTP/1.1\r\nhost: regate\r\n\r\n".to_vec(),
        ),
        ("a record of the largest length", vec![22, 3, 3, 0xff, 0xff]),
    ];
    std::thread::scope(|scope| {
        for (name, bytes) in &table {
            let server = &server;
            scope.spawn(move || {
                let took = closed_after(server, [bytes.as_slice()]);
                assert!(took < PATIENCE / 2, "{name}: {took:?}");
            });
        }
        // The same hello, byte by byte on the wire.
        let took = closed_after(&server, hello.chunks(1));
        assert!(took < PATIENCE / 2, "{took:?}");
    });
    assert_eq!(server.client().post("/v1/validate", "{}").status, 200);
}

#[test]
fn a_large_client_certificate_is_refused_like_any_other() {
    let server = Server::start(|settings, directory| {
        settings.client_ca = Some(directory.join("ca.crt"));
        settings.gates = Gate::ALL.map(|gate| (gate, named(&["somebody"]))).into();
    });
    let authority = Authority::new("stranger", Validity::days(1).unwrap()).unwrap();
    let issue = |names: usize| {
        authority.issue(&Leaf {
            common_name: "somebody".to_owned(),
            usages: vec![ExtendedKeyUsagePurpose::ClientAuth],
            names: (0..names)
                .map(|number| SanType::DnsName(format!("name-{number:04}.example").try_into().unwrap()))
                .collect(),
            ..Leaf::new(Validity::days(1).unwrap())
        })
    };
    let large = issue(1_200).unwrap();
    let small = issue(1).unwrap();
    let chains = [
        (large.certificate.clone(), large.key.clone()),
        // A chain of many that lead nowhere.
        (small.certificate.repeat(40), small.key.clone()),
    ];
    for (certificate, key) in chains {
        let options = Options {
            identity: Some((certificate, key)),
            ..Options::default()
        };
        let response = server.connect(&options).unwrap().post("/v1/validate", "{}");
        assert_eq!((response.status, response.body.as_str()), (401, UNAUTHENTICATED));
    }
    let begin = Instant::now();
    assert_eq!(server.client().post("/v1/validate", "{}").status, 401);
    assert!(begin.elapsed() < PATIENCE / 2, "{:?}", begin.elapsed());
}
