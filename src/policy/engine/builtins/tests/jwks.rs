//! `regate.jwks` over files that the tests write: what it gives, and that it is a fault when it can give nothing.

use std::path::Path;
use std::sync::Arc;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as URL;
use rcgen::{KeyPair, PublicKeyData as _};
use serde_json::json;

use super::*;
use crate::gate::Gate;
use crate::keys::{KeySets, Patience, Source};
use crate::policy::files::{Files, RegoFile};
use crate::policy::load::load_with;
use crate::policy::{Document, Evaluate, Fault, Limits, Outcome, Outside};
use crate::watch::Pace;

fn jwk(id: &str, key: &KeyPair) -> serde_json::Value {
    let (x, y) = key.der_bytes()[1..].split_at(32);
    json!({"kty": "EC", "crv": "P-256", "kid": id, "alg": "ES256", "x": URL.encode(x), "y": URL.encode(y)})
}

fn token(id: &str, key: &KeyPair) -> String {
    let part = |value: serde_json::Value| URL.encode(value.to_string());
    let header = part(json!({"alg": "ES256", "kid": id}));
    let signed = format!("{header}.{}", part(json!({"sub": "jane"})));
    let key = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &key.serialize_der()).unwrap();
    let signature = key.sign(&SystemRandom::new(), signed.as_bytes()).unwrap();
    format!("{signed}.{}", URL.encode(signature))
}

/// What policies may reach: the set `corp` of this file.
fn outside(file: &Path) -> Arc<Outside> {
    let patience = Patience {
        refresh: Duration::from_secs(60),
        watch: Pace::default(),
    };
    let sources = [("corp".to_owned(), Source::File(file.to_owned()))];
    Arc::new(Outside {
        keys: Arc::new(KeySets::start(sources, key_set, patience).unwrap()),
        ..Outside::default()
    })
}

const POLICY: &str = "package kubernetes.authentication.t
user := {\"username\": claims.sub} if {
	cert := regate.jwks(data.name, input.spec.token)
	[verified, _, claims] := io.jwt.decode_verify(input.spec.token, {\"cert\": cert})
	verified
}
";

/// What the policy says of a token, at authn.
fn says(policy: &str, name: &str, token: &str, outside: &Arc<Outside>) -> Result<Outcome, Fault> {
    let files = Files {
        modules: vec![RegoFile {
            path: "t.rego".into(),
            text: policy.replace("data.name", &format!("concat(\"\", [\"{name}\"])")),
            is_test: false,
            v0: false,
        }],
        ..Files::default()
    };
    let set = load_with(&files, outside).unwrap();
    let policy = set.of(Gate::Authn).next().unwrap();
    let limits = Limits {
        deadline: Instant::now() + Duration::from_secs(30),
        context: crate::policy::context_of_now(Gate::Authn),
    };
    let input = json!({"spec": {"token": token}}).to_string();
    set.evaluate(policy, &Document::parse(input.as_bytes()).unwrap(), &limits)
}

#[test]
fn a_named_set_verifies_the_tokens_of_its_keys_and_no_others() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("keys.json");
    let (key, other) = (KeyPair::generate().unwrap(), KeyPair::generate().unwrap());
    std::fs::write(&file, json!({"keys": [jwk("a", &key)]}).to_string()).unwrap();
    let outside = outside(&file);
    let user = |token: &str| {
        let outcome = says(POLICY, "corp", token, &outside).unwrap();
        outcome.user.map(|user| user.username)
    };
    assert_eq!(user(&token("a", &key)).as_deref(), Some("jane"));
    assert_eq!(user(&token("b", &key)).as_deref(), Some("jane"));
    for bad in [&token("a", &other), "no token", "", "a.b.c", "e30.e30.e30"] {
        assert_eq!(user(bad), None, "{bad}");
    }
}

#[test]
fn a_set_that_cannot_be_had_is_a_fault_at_authn_and_whatever_the_policy_says_of_errors() {
    let directory = tempfile::tempdir().unwrap();
    let outside = outside(&directory.path().join("absent"));
    let lenient = format!("# METADATA\n# scope: package\n# custom:\n#   builtinErrors: undefined\n{POLICY}");
    for policy in [POLICY, &lenient] {
        for (name, told) in [
            (
                "corp",
                "regate.jwks: the set of keys `corp` could not be loaded yet",
            ),
            (
                "other",
                "regate.jwks: there is no set of keys `other`: name it with --jwks",
            ),
        ] {
            let fault = says(policy, name, "a.b.c", &outside).unwrap_err();
            let Fault::Builtin { at, message } = &fault else {
                panic!("{fault:?}")
            };
            assert!(at.starts_with("t.rego:"), "{at}");
            assert!(message.contains(told), "{message}");
        }
    }
}

#[test]
fn a_set_is_made_of_the_keys_that_verify_tokens_of_others() {
    let good = jwk("good", &KeyPair::generate().unwrap());
    let with = |name: &str, value: &str| {
        let mut key = good.clone();
        key[name] = value.into();
        key["kid"] = "bad".into();
        key
    };
    let secret = json!({"kty": "oct", "kid": "secret", "k": "c2VjcmV0"});
    let set = json!({"keys": [
        secret, with("kty", "PQ"), with("crv", "secp256k1"), with("d", "AAAA"), with("alg", "ECDH-ES"), good.clone(), 7,
    ]});
    let content = key_set(&set.to_string()).unwrap();
    assert_eq!(content.keys, 1);
    assert_eq!(content.ids.iter().collect::<Vec<_>>(), ["good"]);
    let text: serde_json::Value = serde_json::from_str(&content.text).unwrap();
    assert_eq!(text, json!({"keys": [good]}));
    let mut nameless = good;
    nameless["kid"] = "".into();
    let content = key_set(&json!({"keys": [nameless]}).to_string()).unwrap();
    assert_eq!((content.keys, content.ids.len()), (1, 0));
    assert_eq!(key_set(r#"{"keys": []}"#).unwrap().keys, 0);
    assert_eq!(key_set(&secret.to_string()).unwrap().keys, 0);
    for (text, told) in [
        ("", "neither PEM nor a JWK (set)"),
        ("<html>", "neither PEM nor a JWK (set)"),
        ("{}", "not a JWK (set)"),
        (r#"{"keys": {}}"#, "not a JWK (set)"),
        (r#"{"error": "try later"}"#, "not a JWK (set)"),
    ] {
        assert_eq!(key_set(text).unwrap_err(), told, "{text}");
    }
}

#[test]
fn the_name_of_a_key_is_read_of_what_is_a_token() {
    let header = |json: &str| format!("{}.e30.", URL.encode(json));
    for (token, id) in [
        (header(r#"{"alg":"RS256","kid":"k"}"#), Some("k")),
        (header(r#"{"kid":""}"#), None),
        (header(r#"{"kid":7}"#), None),
        (header("{}"), None),
        (header("[]"), None),
        (
            header(&format!(r#"{{"kid":"k","x":"{}"}}"#, "x".repeat(20_000))),
            None,
        ),
        ("rubbish".to_owned(), None),
        ("a.b".to_owned(), None),
    ] {
        let read = crate::policy::engine::builtins::jwt::key_id(&token);
        assert_eq!(read.as_deref(), id, "{}", &token[..token.len().min(60)]);
    }
}

#[test]
fn a_set_that_a_policy_names_and_nobody_gives_is_missing() {
    let directory = tempfile::tempdir().unwrap();
    let outside = outside(&directory.path().join("absent"));
    let missing = |name: &str| {
        let files = Files {
            modules: vec![RegoFile {
                path: "t.rego".into(),
                text: POLICY.replace("data.name", &format!("\"{name}\"")),
                is_test: false,
                v0: false,
            }],
            ..Files::default()
        };
        let set = load_with(&files, &outside).unwrap();
        set.missing
            .iter()
            .map(|finding| finding.to_string())
            .collect::<Vec<_>>()
    };
    assert_eq!(missing("corp"), [""; 0]);
    assert_eq!(
        missing("crop"),
        [
            "t.rego:3:10: no set of keys is called `crop`: give the server --jwks crop=FILE or --jwks crop=https://..."
        ]
    );
}
