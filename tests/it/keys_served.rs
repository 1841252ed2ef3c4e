//! A real server whose policy verifies tokens with sets of keys, from a file and from an issuer, and what the probe port
//! tells of them.

use std::sync::{Arc, Mutex};
use std::time::{SystemTime, UNIX_EPOCH};

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as URL;
use serde_json::json;

use crate::peer::Peer;
use crate::process::{Process, refusal, soon};
use crate::reviews::{KINDS, Kind};

const AUTHN: Kind = KINDS[0];

const POLICY: (&str, &str) = (
    "policies/corp.rego",
    "package kubernetes.authentication.corp
user := {\"username\": claims.sub} if {
	keys := regate.jwks(\"corp\", input.spec.token)
	[verified, _, claims] := io.jwt.decode_verify(input.spec.token, {\"cert\": keys, \"aud\": \"kubernetes\"})
	verified
}
",
);

/// A key that tokens are signed with.
struct Key {
    id: &'static str,
    pair: EcdsaKeyPair,
}

impl Key {
    fn new(id: &'static str) -> Self {
        let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
        Self { id, pair }
    }

    /// A token of jane.
    fn token(&self) -> String {
        let header = json!({"alg": "ES256", "kid": self.id}).to_string();
        let claims = json!({"sub": "jane", "aud": "kubernetes"}).to_string();
        let signed = format!("{}.{}", URL.encode(header), URL.encode(claims));
        let signature = self.pair.sign(&SystemRandom::new(), signed.as_bytes()).unwrap();
        format!("{signed}.{}", URL.encode(signature))
    }
}

/// The set of these keys.
fn set(keys: &[&Key]) -> String {
    let jwk = |key: &&Key| {
        let point = key.pair.public_key().as_ref();
        let (x, y) = (URL.encode(&point[1..33]), URL.encode(&point[33..]));
        json!({"kty": "EC", "crv": "P-256", "kid": key.id, "x": x, "y": y})
    };
    json!({"keys": keys.iter().map(jwk).collect::<Vec<_>>()}).to_string()
}

/// The HTTP status of a login, and whether jane is in.
fn login(process: &Process, key: &Key) -> (u16, bool) {
    let response = process
        .client()
        .post(&AUTHN.target(), AUTHN.review(&key.token(), "1"));
    let is_in = response
        .body
        .contains(r#""authenticated":true,"user":{"username":"jane"}"#);
    (response.status, is_in)
}

/// The value of a metric of the set.
fn metric(process: &Process, name: &str, more: &str) -> f64 {
    let lines = process.metrics(&format!("regate_jwks_{name}{{set=\"corp\"{more}}} "));
    let [line] = lines.as_slice() else {
        panic!("{name}: {lines:?}")
    };
    line.rsplit(' ').next().unwrap().parse().unwrap()
}

fn loads(process: &Process, result: &str) -> f64 {
    metric(process, "loads_total", &format!(",result=\"{result}\""))
}

/// Seconds since 1970.
fn now() -> f64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap()
        .as_secs_f64()
}

#[test]
fn a_set_in_a_file_is_followed_and_its_state_told() {
    let (old, new) = (Key::new("old"), Key::new("new"));
    let begin = now();
    let files = [POLICY, ("keys.json", &set(&[&old]))];
    let process = Process::start(&files, &["--policy", "policies", "--jwks", "corp=keys.json"]);
    let change = |text: &str| {
        std::fs::write(process.path("next"), text).unwrap();
        std::fs::rename(process.path("next"), process.path("keys.json")).unwrap();
    };
    assert_eq!(login(&process, &old), (200, true));
    assert_eq!(login(&process, &new), (200, false));
    assert_eq!(metric(&process, "keys", ""), 1.0);
    assert_eq!(
        (loads(&process, "success"), loads(&process, "failure")),
        (1.0, 0.0)
    );
    let first = metric(&process, "last_success_timestamp_seconds", "");
    assert!((begin - 1.0..=now() + 1.0).contains(&first), "{first}");

    change("rubbish");
    soon("the rubbish is counted", || {
        (loads(&process, "failure") == 1.0).then_some(())
    });
    assert_eq!(login(&process, &old), (200, true));
    assert_eq!(
        (metric(&process, "keys", ""), loads(&process, "success")),
        (1.0, 1.0)
    );
    assert_eq!(metric(&process, "last_success_timestamp_seconds", ""), first);

    change(&set(&[&old, &new]));
    soon("the new key is known", || {
        (login(&process, &new) == (200, true)).then_some(())
    });
    assert_eq!(login(&process, &old), (200, true));
    assert_eq!(
        (metric(&process, "keys", ""), loads(&process, "success")),
        (2.0, 2.0)
    );
    assert!(metric(&process, "last_success_timestamp_seconds", "") > first);
}

/// An issuer that publishes what stands in the cell, and its place.
fn issuer(keys: &Arc<Mutex<String>>) -> (Peer, String) {
    let published = Arc::clone(keys);
    let peer = Peer::start(move |_, reply| reply.json(&published.lock().unwrap()));
    let source = format!("corp={}", peer.url("/keys"));
    (peer, source)
}

#[test]
fn a_set_of_an_issuer_is_fetched_again_for_a_key_that_is_new() {
    let (old, new) = (Key::new("old"), Key::new("new"));
    let keys = Arc::new(Mutex::new(set(&[&old])));
    let (peer, source) = issuer(&keys);
    let arguments = ["--policy", "policies", "--jwks", &source, "--jwks-ca", "peer.crt"];
    let process = Process::start(&[POLICY, ("peer.crt", &peer.ca)], &arguments);
    assert_eq!(login(&process, &old), (200, true));
    assert!(peer.received()[0].head.starts_with("GET /keys HTTP/1.1\r\n"));
    assert_eq!(metric(&process, "keys", ""), 1.0);
    assert_eq!(loads(&process, "failure"), 0.0);
    assert!(metric(&process, "last_success_timestamp_seconds", "") > now() - 600.0);

    *keys.lock().unwrap() = set(&[&old, &new]);
    soon("the new key is known", || {
        (login(&process, &new) == (200, true)).then_some(())
    });
    assert_eq!(metric(&process, "keys", ""), 2.0);
    let success = loads(&process, "success");
    assert!(success >= 2.0, "{success}");

    // What is no set of keys leaves the keys as they are.
    *keys.lock().unwrap() = "{}".to_owned();
    soon("the issuer is asked for a key that nobody has", || {
        assert_eq!(login(&process, &Key::new("none")), (200, false));
        (loads(&process, "failure") > 0.0).then_some(())
    });
    assert_eq!(login(&process, &new), (200, true));
    assert_eq!(metric(&process, "keys", ""), 2.0);
    assert_eq!(loads(&process, "success"), success);
}

#[test]
fn without_the_issuers_authority_there_are_no_keys_and_a_login_is_a_fault() {
    let key = Key::new("1");
    let (peer, source) = issuer(&Arc::new(Mutex::new(set(&[&key]))));
    let (other, _) = issuer(&Arc::default());
    let arguments = [
        "--policy",
        "policies",
        "--jwks",
        &source,
        "--jwks-ca",
        "other.crt",
    ];
    let process = Process::start(&[POLICY, ("other.crt", &other.ca)], &arguments);
    assert_eq!(login(&process, &key), (503, false));
    soon("the failure is counted", || {
        (loads(&process, "failure") > 0.0).then_some(())
    });
    assert_eq!(
        (metric(&process, "keys", ""), loads(&process, "success")),
        (0.0, 0.0)
    );
    assert_eq!(metric(&process, "last_success_timestamp_seconds", ""), 0.0);
    let told = process.events("jwks_rejected");
    let problem = told[0]["problem"].as_str().unwrap();
    assert!(
        problem.starts_with(&format!("127.0.0.1:{}: ", peer.port)) && problem.contains("certificate"),
        "{problem}"
    );
    assert!(peer.received().is_empty());
}

#[test]
fn an_authority_that_cannot_be_read_is_told_before_anything_is_served() {
    let arguments = [
        "--policy",
        "policies",
        "--jwks",
        "corp=https://127.0.0.1:1/keys",
        "--jwks-ca",
        "absent.crt",
    ];
    let (code, told) = refusal(&[POLICY], &arguments);
    assert_eq!(code, Some(2), "{told}");
    assert!(told.contains("--jwks-ca: absent.crt: "), "{told}");
}
