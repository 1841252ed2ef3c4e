//! Certificates of every kind that a caller may show the real binary, over both versions of TLS, at every gate.
//!
//! Left out, because nothing here makes them: RSA keys below 2048 bits and signatures by SHA-1.

use std::io::{Read, Write};
use std::sync::Arc;
use std::time::{Duration, Instant};

use regate::gate::Gate;
use rustls::client::ResolvesClientCert;
use rustls::sign::CertifiedKey;
use rustls::version::{TLS12, TLS13};
use rustls::{SignatureScheme, SupportedProtocolVersion};

use crate::pki::{authority_params, root};
use crate::process::Process;
use crate::serving::{Client, Options, head};

mod cases;

use cases::{alternatives, chains, keys, leaves, names, strangers};

/// Everyone who may ask: at every gate, but for the last one.
const ALLOWED: [&str; 7] = [
    "apiserver",
    "authority",
    "10.0.0.7",
    "a.callers.example",
    "spiffe://cluster/apiserver",
    "apiserver@callers.example",
    "image=image-only",
];

/// Shorter than a body may take, longer than a refusal.
const SOON: Duration = Duration::from_secs(8);

/// What becomes of a caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Expected {
    /// It may ask everywhere.
    In,
    /// It may ask one gate.
    At(Gate),
    /// It gets the one refusal.
    Refused,
    /// There is no connection: the holder of the key could not be proved.
    Unproved,
}
use Expected::{At, In, Refused, Unproved};

/// A caller: what it is, the chain that it shows, the key that it signs with.
struct Case {
    what: String,
    shown: Option<Arc<CertifiedKey>>,
    expected: Expected,
}

/// Shows a certificate whatever the server asks for.
#[derive(Debug)]
struct Shown(Option<Arc<CertifiedKey>>);

impl ResolvesClientCert for Shown {
    fn resolve(&self, _: &[&[u8]], _: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        self.0.clone()
    }

    fn has_certs(&self) -> bool {
        self.0.is_some()
    }
}

fn connect(
    process: &Process,
    case: &Case,
    version: &'static SupportedProtocolVersion,
) -> Result<Client, String> {
    let options = Options {
        versions: Some(version),
        ..Options::default()
    };
    let mut config = Arc::unwrap_or_clone(options.config(&process.ca));
    config.client_auth_cert_resolver = Arc::new(Shown(case.shown.clone()));
    Client::connect(process.address(), Arc::new(config), None)
}

/// What a caller is answered that announces a body and never sends it: all bytes but for the date.
fn refusal(
    process: &Process,
    case: &Case,
    gate: Gate,
    version: &'static SupportedProtocolVersion,
) -> Result<String, String> {
    let mut client = connect(process, case, version)?;
    let begin = Instant::now();
    let head = head(
        &format!("/v1/{gate}"),
        "content-type: application/json\r\ncontent-length: 1000\r\n",
    );
    let sent = client
        .stream
        .write_all(head.as_bytes())
        .and_then(|()| client.stream.flush());
    sent.map_err(|error| error.to_string())?;
    let mut answer = Vec::new();
    if let Err(error) = client.stream.read_to_end(&mut answer)
        && answer.is_empty()
    {
        return Err(error.to_string());
    }
    assert!(
        begin.elapsed() < SOON,
        "{}: the connection is left open",
        case.what
    );
    let text = String::from_utf8(answer).unwrap();
    Ok(text
        .lines()
        .filter(|line| !line.starts_with("date:"))
        .collect::<Vec<_>>()
        .join("\n"))
}

fn judge(
    process: &Process,
    case: &Case,
    refused: &[(Gate, String)],
    version: &'static SupportedProtocolVersion,
) {
    for (gate, refused) in refused {
        let what = format!("{} at {gate}, {version:?}", case.what);
        match case.expected {
            Refused => assert_eq!(
                refusal(process, case, *gate, version).as_ref(),
                Ok(refused),
                "{what}"
            ),
            At(one) if one != *gate => {
                assert_eq!(
                    refusal(process, case, *gate, version).as_ref(),
                    Ok(refused),
                    "{what}"
                );
            }
            In | At(_) => {
                let mut client = connect(process, case, version).unwrap();
                let response = client.post(&format!("/v1/{gate}"), "{}");
                assert_ne!(response.status, 401, "{what}");
            }
            Unproved => {
                let error = refusal(process, case, *gate, version).expect_err(&what);
                // The alert, or its end of the connection if the client still wrote.
                let ends = ["fatal alert", "reset", "Broken pipe"];
                assert!(ends.iter().any(|end| error.contains(end)), "{what}: {error}");
            }
        }
    }
}

#[test]
fn only_allowed_callers_are_let_in_and_all_others_are_told_the_same() {
    let ca = root(authority_params("authority"));
    let mut arguments = vec!["--client-ca", "clients.crt"];
    for name in ALLOWED {
        arguments.extend(["--allow-client", name]);
    }
    let process = Process::start(&[("clients.crt", &ca.pem())], &arguments);
    let nobody = Case {
        what: "nobody".to_owned(),
        shown: None,
        expected: Refused,
    };
    let refused = Gate::ALL.map(|gate| (gate, refusal(&process, &nobody, gate, &TLS13).unwrap()));
    for (gate, answer) in &refused {
        assert!(
            answer.starts_with("HTTP/1.1 401 Unauthorized\n"),
            "{gate}: {answer}"
        );
    }
    let mut cases = vec![nobody];
    for more in [names, alternatives, leaves, chains, strangers, keys] {
        cases.extend(more(&ca));
    }
    assert!(cases.len() > 60, "only {} cases", cases.len());
    std::thread::scope(|scope| {
        for case in &cases {
            let (process, refused) = (&process, &refused);
            scope.spawn(move || {
                judge(process, case, refused, &TLS13);
                // The versions differ in how the proof of the key is made, not in what follows.
                judge(process, case, &refused[..1], &TLS12);
            });
        }
    });
    // Nothing of the names is told to anybody but the operator.
    for (_, answer) in &refused {
        for name in ALLOWED {
            assert!(!answer.contains(name), "{answer}");
        }
    }
}
