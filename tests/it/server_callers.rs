//! Who is let in: certificates of every kind against the list of each gate.

use std::time::{Duration, Instant, SystemTime};

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    KeyUsagePurpose, SanType,
};
use regate::certs::{Authority, Leaf, Validity};
use regate::gate::Gate;

use crate::serving::{Options, PATIENCE, Server, UNAUTHENTICATED, named, open};

const HOUR: Duration = Duration::from_secs(3600);

/// A server that trusts `ca` and lets `clients` in: a gate, or all of them, and a name.
fn server(ca: &str, clients: &[(Option<Gate>, &str)]) -> Server {
    Server::start(|settings, directory| {
        let file = directory.join("clients.crt");
        std::fs::write(&file, ca).unwrap();
        settings.client_ca = Some(file);
        let names = |of: Gate| {
            let here = clients
                .iter()
                .filter(|(gate, _)| gate.is_none_or(|gate| gate == of));
            here.map(|(_, name)| *name).collect::<Vec<_>>()
        };
        settings.gates = Gate::ALL.map(|gate| (gate, named(&names(gate)))).into();
    })
}

fn authority() -> Authority {
    Authority::new("clients", Validity::days(1).unwrap()).unwrap()
}

fn leaf(common_name: &str) -> Leaf {
    Leaf {
        common_name: common_name.to_owned(),
        usages: vec![ExtendedKeyUsagePurpose::ClientAuth],
        ..Leaf::new(Validity::days(1).unwrap())
    }
}

fn identity(authority: &Authority, leaf: &Leaf) -> Option<(String, String)> {
    let issued = authority.issue(leaf).unwrap();
    Some((issued.certificate, issued.key))
}

/// What a caller is answered: status, and head without the date, and body.
fn answer(server: &Server, identity: Option<(String, String)>, gate: Gate) -> (u16, String, String) {
    let response = server
        .connect(&Options {
            identity,
            ..Options::default()
        })
        .unwrap()
        .post(&format!("/v1/{gate}"), "{}");
    let head = response
        .head
        .lines()
        .filter(|line| !line.starts_with("date:"))
        .collect::<Vec<_>>()
        .join("\n");
    (response.status, head, response.body)
}

fn dns(name: &str) -> SanType {
    SanType::DnsName(name.try_into().unwrap())
}

#[test]
fn a_listed_name_is_let_in_wherever_it_stands() {
    let ca = authority();
    let server = server(
        &ca.pem(),
        &[
            (None, "apiserver"),
            (None, "spiffe://cluster/apiserver"),
            (None, "a@example.org"),
        ],
    );
    let listed = [
        leaf("apiserver"),
        Leaf {
            names: vec![dns("other"), dns("apiserver")],
            ..leaf("")
        },
        Leaf {
            names: vec![dns("apiserver")],
            ..leaf("somebody")
        },
        Leaf {
            names: vec![SanType::URI("spiffe://cluster/apiserver".try_into().unwrap())],
            ..leaf("")
        },
        Leaf {
            names: vec![SanType::Rfc822Name("a@example.org".try_into().unwrap())],
            ..leaf("")
        },
        Leaf {
            usages: vec![
                ExtendedKeyUsagePurpose::ServerAuth,
                ExtendedKeyUsagePurpose::ClientAuth,
            ],
            ..leaf("apiserver")
        },
    ];
    for leaf in &listed {
        assert_eq!(
            answer(&server, identity(&ca, leaf), Gate::Validate).0,
            200,
            "{leaf:?}"
        );
    }
}

#[test]
fn every_other_caller_gets_the_same_401() {
    let ca = authority();
    let server = server(&ca.pem(), &[(None, "apiserver")]);
    let now = SystemTime::now();
    let valid = |from, to| Leaf {
        validity: Validity {
            not_before: from,
            not_after: to,
        },
        ..leaf("apiserver")
    };
    let callers = [
        ("no certificate", None),
        ("unlisted", identity(&ca, &leaf("system:node:one"))),
        ("another case", identity(&ca, &leaf("Apiserver"))),
        ("a longer name", identity(&ca, &leaf("apiserver2"))),
        ("a name with white space", identity(&ca, &leaf("apiserver "))),
        ("no name", identity(&ca, &leaf(""))),
        ("another authority", identity(&authority(), &leaf("apiserver"))),
        ("expired", identity(&ca, &valid(now - 2 * HOUR, now - HOUR))),
        ("not yet valid", identity(&ca, &valid(now + HOUR, now + 2 * HOUR))),
        (
            "a server's certificate",
            identity(
                &ca,
                &Leaf {
                    usages: vec![ExtendedKeyUsagePurpose::ServerAuth],
                    ..leaf("apiserver")
                },
            ),
        ),
        (
            "an address",
            identity(
                &ca,
                &Leaf {
                    names: vec![SanType::IpAddress([127, 0, 0, 1].into())],
                    ..leaf("")
                },
            ),
        ),
    ];
    let expected = answer(&server, None, Gate::Validate);
    assert_eq!((expected.0, expected.2.as_str()), (401, UNAUTHENTICATED));
    assert!(expected.1.contains("\nconnection: close"), "{}", expected.1);
    for (what, identity) in callers {
        assert_eq!(answer(&server, identity, Gate::Validate), expected, "{what}");
    }
}

#[test]
fn callers_are_judged_in_tls_1_2_too() {
    let ca = authority();
    let server = server(&ca.pem(), &[(None, "apiserver")]);
    for (name, status) in [("apiserver", 200), ("other", 401)] {
        let options = Options {
            versions: Some(&rustls::version::TLS12),
            identity: identity(&ca, &leaf(name)),
            ..Options::default()
        };
        assert_eq!(
            server.connect(&options).unwrap().post("/v1/authn", "{}").status,
            status
        );
    }
}

#[test]
fn a_gate_has_a_list_of_its_own() {
    let ca = authority();
    let server = server(
        &ca.pem(),
        &[
            (None, "apiserver"),
            (Some(Gate::Authn), "front"),
            (Some(Gate::Image), "nodes"),
        ],
    );
    let table = [
        ("apiserver", [200, 200, 200, 200, 200]),
        ("front", [200, 401, 401, 401, 401]),
        ("nodes", [401, 401, 401, 200, 401]),
    ];
    for (name, expected) in table {
        let identity = identity(&ca, &leaf(name));
        let answered = Gate::ALL.map(|gate| answer(&server, identity.clone(), gate).0);
        assert_eq!(answered, expected, "{name}");
    }
}

#[test]
fn an_intermediate_authority_may_have_signed() {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    params.distinguished_name.push(DnType::CommonName, "root");
    let root = CertifiedIssuer::self_signed(params.clone(), KeyPair::generate().unwrap()).unwrap();
    params.distinguished_name.push(DnType::CommonName, "intermediate");
    let intermediate = CertifiedIssuer::signed_by(params, KeyPair::generate().unwrap(), &root).unwrap();
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, "apiserver");
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    let key = KeyPair::generate().unwrap();
    let leaf = params.signed_by(&key, &intermediate).unwrap().pem();

    let server = server(&root.pem(), &[(None, "apiserver")]);
    let chain = format!("{leaf}{}", intermediate.pem());
    assert_eq!(
        answer(&server, Some((chain, key.serialize_pem())), Gate::Validate).0,
        200
    );
    assert_eq!(
        answer(&server, Some((leaf, key.serialize_pem())), Gate::Validate).0,
        401
    );
}

#[test]
fn a_connection_does_not_outlive_its_certificate() {
    let ca = authority();
    let server = server(&ca.pem(), &[(None, "apiserver")]);
    let end = SystemTime::now() + Duration::from_secs(3);
    let short = Leaf {
        validity: Validity {
            not_before: end - HOUR,
            not_after: end,
        },
        ..leaf("apiserver")
    };
    let mut client = server
        .connect(&Options {
            identity: identity(&ca, &short),
            ..Options::default()
        })
        .unwrap();
    let begin = Instant::now();
    assert_eq!(client.post("/v1/validate", "{}").status, 200);
    while client.post("/v1/validate", "{}").status == 200 {
        assert!(
            begin.elapsed() < PATIENCE,
            "the certificate has expired and is still accepted"
        );
        std::thread::park_timeout(Duration::from_millis(50));
    }
    assert!(
        SystemTime::now() >= end - Duration::from_secs(1),
        "refused before it expired"
    );
}

#[test]
fn a_gate_may_be_open_while_others_are_not() {
    let ca = authority();
    let server = Server::start(|settings, directory| {
        let file = directory.join("clients.crt");
        std::fs::write(&file, ca.pem()).unwrap();
        settings.client_ca = Some(file);
        settings.gates = open(&[Gate::Validate]);
        settings.gates.insert(Gate::Authn, named(&["apiserver"]));
    });
    assert_eq!(answer(&server, None, Gate::Validate).0, 200);
    assert_eq!(answer(&server, None, Gate::Authn).0, 401);
}

#[test]
fn nobody_has_a_name_where_no_authority_is_trusted() {
    let server = Server::start(|settings, _| {
        settings.gates = [(Gate::Validate, named(&["apiserver"]))].into();
    });
    let caller = identity(&authority(), &leaf("apiserver"));
    assert_eq!(answer(&server, caller, Gate::Validate).0, 401);
    assert_eq!(answer(&server, None, Gate::Validate).0, 401);
}
