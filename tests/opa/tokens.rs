//! Tokens beside the real OPA: signed here with keys of every kind, right, wrong and damaged, verified by both.
//!
//! Each function goes over all tokens and all keys, and `decode_verify` over many constraints. What is an error in OPA has
//! to be one here: both pass errors over, so that only what succeeds is listed.

use anyhow::{Context as _, Result, ensure};
use aws_lc_rs::hmac;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, ECDSA_P521_SHA512_FIXED_SIGNING,
    EcdsaKeyPair, Ed25519KeyPair, RSA_PKCS1_SHA256, RSA_PKCS1_SHA384, RSA_PKCS1_SHA512, RSA_PSS_SHA256,
    RSA_PSS_SHA384, RSA_PSS_SHA512, RsaKeyPair,
};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD as URL};
use rcgen::{
    CertificateParams, KeyPair, PKCS_ECDSA_P256_SHA256, PKCS_ECDSA_P384_SHA384, PKCS_ECDSA_P521_SHA512,
    PKCS_ED25519, PKCS_RSA_SHA256, PublicKeyData as _,
};
use serde_json::{Map, Value, json};
use x509_parser::prelude::FromDer as _;
use x509_parser::public_key::PublicKey;
use x509_parser::x509::SubjectPublicKeyInfo;

use crate::builtins::same_lists_leniently;

/// When the tokens hold, in seconds.
const NOW: u64 = 1_700_000_000;

const SECRET: &str = "a secret that both sides share";

/// The algorithms, and the kind of key that each wants.
const ALGORITHMS: [(&str, &str); 13] = [
    ("RS256", "rsa"),
    ("RS384", "rsa"),
    ("RS512", "rsa"),
    ("PS256", "rsa"),
    ("PS384", "rsa"),
    ("PS512", "rsa"),
    ("ES256", "p256"),
    ("ES384", "p384"),
    ("ES512", "p521"),
    ("HS256", "secret"),
    ("HS384", "secret"),
    ("HS512", "secret"),
    ("EdDSA", "ed25519"),
];

pub(crate) fn tokens() -> Result<()> {
    let keys = Keys::make()?;
    let (tokens, materials) = (keys.tokens()?, keys.materials()?);
    let constraints = constraints(&materials);
    ensure!(tokens.len() > 40 && materials.len() > 15 && constraints.len() > 25);
    let input = json!({"tokens": tokens, "keys": materials, "constraints": constraints}).to_string();
    for (algorithm, _) in ALGORITHMS {
        let name = algorithm.to_lowercase();
        let rules = format!(
            "answers := [[t, k, v] | some t, token in input.tokens; some k, key in input.keys; \
             v := io.jwt.verify_{name}(token, key)]\n"
        );
        same_lists_leniently(&rules, &input, |at| format!("verify_{name}, result {at}"))?;
    }
    let rules = "answers := [[t, c, v] | some t, token in input.tokens; some c, constraint in input.constraints; \
                 v := io.jwt.decode_verify(token, constraint)]\n";
    same_lists_leniently(rules, &input, |at| format!("decode_verify, result {at}"))?;
    let rules = "answers := [[t, v] | some t, token in input.tokens; v := io.jwt.decode(token)]\n";
    same_lists_leniently(rules, &input, |at| format!("decode, result {at}"))
}

pub(crate) fn digests() -> Result<()> {
    let rules = "answers := [v | some text in input.texts; some key in input.texts; v := [crypto.md5(text), crypto.sha1(text), \
                 crypto.sha256(text), crypto.hmac.md5(text, key), crypto.hmac.sha1(text, key), crypto.hmac.sha256(text, key), \
                 crypto.hmac.sha512(text, key), crypto.hmac.equal(text, key)]]\n";
    let long = "x".repeat(1_000);
    let texts = json!({"texts": ["", "a", "A", "\u{e9}\u{65e5}", "a\u{0}", long, 1]}).to_string();
    same_lists_leniently(rules, &texts, |at| format!("digest {at}"))
}

/// A key of each kind.
struct Keys {
    rsa: KeyPair,
    p256: KeyPair,
    p384: KeyPair,
    p521: KeyPair,
    ed25519: KeyPair,
}

impl Keys {
    fn make() -> Result<Self> {
        Ok(Self {
            rsa: KeyPair::generate_for(&PKCS_RSA_SHA256)?,
            p256: KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?,
            p384: KeyPair::generate_for(&PKCS_ECDSA_P384_SHA384)?,
            p521: KeyPair::generate_for(&PKCS_ECDSA_P521_SHA512)?,
            ed25519: KeyPair::generate_for(&PKCS_ED25519)?,
        })
    }

    fn sign(&self, algorithm: &str, message: &[u8]) -> Result<Vec<u8>> {
        let random = SystemRandom::new();
        let rsa = |padding| -> Result<Vec<u8>> {
            let key = RsaKeyPair::from_pkcs8(&self.rsa.serialize_der())?;
            let mut signature = vec![0; key.public_modulus_len()];
            key.sign(padding, &random, message, &mut signature)?;
            Ok(signature)
        };
        let ecdsa = |algorithm, key: &KeyPair| -> Result<Vec<u8>> {
            let key = EcdsaKeyPair::from_pkcs8(algorithm, &key.serialize_der())?;
            Ok(key.sign(&random, message)?.as_ref().to_vec())
        };
        let mac = |algorithm| {
            let key = hmac::Key::new(algorithm, SECRET.as_bytes());
            Ok(hmac::sign(&key, message).as_ref().to_vec())
        };
        match algorithm {
            "RS256" => rsa(&RSA_PKCS1_SHA256),
            "RS384" => rsa(&RSA_PKCS1_SHA384),
            "RS512" => rsa(&RSA_PKCS1_SHA512),
            "PS256" => rsa(&RSA_PSS_SHA256),
            "PS384" => rsa(&RSA_PSS_SHA384),
            "PS512" => rsa(&RSA_PSS_SHA512),
            "ES256" => ecdsa(&ECDSA_P256_SHA256_FIXED_SIGNING, &self.p256),
            "ES384" => ecdsa(&ECDSA_P384_SHA384_FIXED_SIGNING, &self.p384),
            "ES512" => ecdsa(&ECDSA_P521_SHA512_FIXED_SIGNING, &self.p521),
            "HS256" => mac(hmac::HMAC_SHA256),
            "HS384" => mac(hmac::HMAC_SHA384),
            "HS512" => mac(hmac::HMAC_SHA512),
            "EdDSA" => {
                let key = Ed25519KeyPair::from_pkcs8(&self.ed25519.serialize_der())?;
                Ok(key.sign(message).as_ref().to_vec())
            }
            _ => Ok(Vec::new()),
        }
    }

    /// A token with this header, signed as `algorithm` wants it.
    fn token(&self, algorithm: &str, header: &Value, payload: &str) -> Result<String> {
        let signed = format!("{}.{}", URL.encode(header.to_string()), URL.encode(payload));
        let signature = self.sign(algorithm, signed.as_bytes())?;
        Ok(format!("{signed}.{}", URL.encode(signature)))
    }

    fn tokens(&self) -> Result<Vec<String>> {
        let claims = json!({"iss": "https://issuer.example", "aud": ["a", "b"], "exp": NOW + 60, "nbf": NOW - 60, "sub": "jane"});
        let mut tokens = Vec::new();
        for (algorithm, kind) in ALGORITHMS {
            tokens.push(self.token(algorithm, &json!({"alg": algorithm}), &claims.to_string())?);
            tokens.push(self.token(
                algorithm,
                &json!({"alg": algorithm, "kid": kind, "typ": "JWT"}),
                "{}",
            )?);
        }
        let es256 = |header: Value, payload: Value| self.token("ES256", &header, &payload.to_string());
        for payload in [
            json!({"exp": NOW}),
            json!({"exp": NOW + 1}),
            json!({"exp": NOW as f64 + 0.5}),
            json!({"exp": "soon"}),
            json!({"exp": 1e300}),
            json!({"nbf": NOW}),
            json!({"nbf": NOW + 1}),
            json!({"nbf": null}),
            json!({"aud": "a"}),
            json!({"aud": []}),
            json!({"aud": [1, "a"]}),
            json!({"aud": {"a": 1}}),
            json!({"iss": "https://issuer.example"}),
            json!({"iss": "https://other.example"}),
        ] {
            tokens.push(es256(json!({"alg": "ES256"}), payload)?);
        }
        for header in [
            json!({"alg": "none"}),
            json!({}),
            json!({"alg": "RS256"}),
            json!({"alg": "HS256"}),
            json!({"alg": "es256"}),
            json!({"alg": "ES256", "kid": "nobody"}),
            json!({"alg": "ES256", "kid": "rsa"}),
            json!({"alg": "ES256", "crit": ["exp"], "exp": 1}),
            json!({"alg": "ES256", "crit": ["alg"]}),
            json!({"alg": "ES256", "crit": ["absent"]}),
            json!({"alg": "ES256", "enc": "A128GCM"}),
            json!({"alg": "ES256", "cty": "text"}),
            json!({"alg": "ES256", "typ": 7}),
            json!({"alg": "ES256", "kid": 7}),
        ] {
            tokens.push(es256(header, claims.clone())?);
        }
        let inner = es256(json!({"alg": "ES256"}), claims.clone())?;
        for content in ["JWT", "jwt"] {
            tokens.push(self.token("ES256", &json!({"alg": "ES256", "cty": content}), &inner)?);
        }
        tokens.push(self.token("ES256", &json!({"alg": "ES256"}), "[1]")?);
        tokens.push(self.token("ES256", &json!({"alg": "ES256"}), "no JSON")?);
        let (signed, signature) = inner.rsplit_once('.').context("a token has parts")?;
        tokens.extend([
            String::new(),
            "a.b".to_owned(),
            "..".to_owned(),
            format!("{inner}.x"),
            format!("{signed}."),
            format!(
                "{signed}.{}",
                signature.replace(signature.get(..4).unwrap_or_default(), "AAAA")
            ),
            format!("{signed}.{signature}="),
            format!("{signed}.!{signature}"),
            format!(" {inner}"),
        ]);
        Ok(tokens)
    }

    /// Certificates, public keys, single keys and sets, and what is none of them.
    fn materials(&self) -> Result<Vec<String>> {
        let all = [
            ("rsa", &self.rsa),
            ("p256", &self.p256),
            ("p384", &self.p384),
            ("p521", &self.p521),
            ("ed25519", &self.ed25519),
        ];
        let mut materials = vec![SECRET.to_owned(), String::new(), "{}".to_owned(), "[]".to_owned()];
        let mut set = Vec::new();
        for (kind, key) in all {
            let certificate = CertificateParams::default().self_signed(key)?.pem();
            materials.push(certificate.replace("\r\n", "\n"));
            materials.push(key.public_key_pem().replace("\r\n", "\n"));
            let jwk = jwk(kind, key)?;
            materials.push(jwk.to_string());
            set.push(jwk);
        }
        let changed = |change: &dyn Fn(&mut Map<String, Value>)| {
            let with = |key: &Value| {
                let mut key = key.clone();
                key.as_object_mut().map(change);
                key
            };
            json!({"keys": set.iter().map(with).collect::<Vec<_>>()}).to_string()
        };
        let named = |name: &str, value: Value| {
            changed(&|key| {
                key.insert(name.to_owned(), value.clone());
            })
        };
        let unnamed = changed(&|key| {
            key.remove("kid");
        });
        materials.extend([
            json!({"keys": set}).to_string(),
            json!({"keys": []}).to_string(),
            named("alg", "ES256".into()),
            named("alg", "RSA-OAEP".into()),
            named("kid", "rsa".into()),
            named("kid", 7.into()),
            unnamed,
            json!({"kty": "oct", "k": URL.encode(SECRET)}).to_string(),
            materials
                .iter()
                .filter(|text| text.contains("BEGIN"))
                .take(2)
                .cloned()
                .collect(),
        ]);
        materials.extend(self.framed()?);
        Ok(materials)
    }

    /// PEM blocks with a byte too many behind what they hold, and with a label that says something else.
    fn framed(&self) -> Result<Vec<String>> {
        let certificate = CertificateParams::default().self_signed(&self.p256)?;
        let (certificate, key) = (certificate.der().to_vec(), self.p256.subject_public_key_info());
        let longer = |der: &[u8]| [der, &[0]].concat();
        let block = |label: &str, der: &[u8]| {
            let text = STANDARD.encode(der);
            format!("-----BEGIN {label}-----\n{text}\n-----END {label}-----\n")
        };
        Ok(vec![
            block("CERTIFICATE", &certificate),
            block("CERTIFICATE", &longer(&certificate)),
            block("PUBLIC KEY", &key),
            block("PUBLIC KEY", &longer(&key)),
            block("CERTIFICATE", &key),
            block("PUBLIC KEY", &certificate),
            block("EC PUBLIC KEY", &key),
        ])
    }
}

/// The public part of a key as a JWK with a name.
fn jwk(kind: &str, key: &KeyPair) -> Result<Value> {
    let raw = key.der_bytes();
    let halves = |length: usize| {
        let half = |from: usize| raw.get(from..from + length).map(|half| URL.encode(half));
        Some((half(1)?, half(1 + length)?))
    };
    let point = |curve: &str, length| {
        let (x, y) = halves(length).context("no point")?;
        Ok(json!({"kty": "EC", "crv": curve, "kid": kind, "x": x, "y": y}))
    };
    match kind {
        "rsa" => {
            let der = key.subject_public_key_info();
            let (_, info) = SubjectPublicKeyInfo::from_der(&der)?;
            let PublicKey::RSA(key) = info.parsed()? else {
                anyhow::bail!("not RSA")
            };
            let number = |bytes: &[u8]| {
                let first = bytes.iter().position(|byte| *byte != 0).unwrap_or_default();
                URL.encode(bytes.get(first..).unwrap_or_default())
            };
            Ok(json!({"kty": "RSA", "kid": kind, "n": number(key.modulus), "e": number(key.exponent)}))
        }
        "p256" => point("P-256", 32),
        "p384" => point("P-384", 48),
        "p521" => point("P-521", 66),
        _ => Ok(json!({"kty": "OKP", "crv": "Ed25519", "kid": kind, "x": URL.encode(raw)})),
    }
}

fn constraints(materials: &[String]) -> Vec<Value> {
    let time = NOW * 1_000_000_000;
    let mut all: Vec<Value> = materials
        .iter()
        .map(|key| json!({"cert": key, "aud": "a", "time": time}))
        .collect();
    all.push(json!({"secret": SECRET, "aud": "a", "time": time}));
    let set = materials.iter().find(|text| text.starts_with("{\"keys\":[{"));
    for more in [
        json!({}),
        json!({"aud": "b"}),
        json!({"aud": "c"}),
        json!({"iss": "https://issuer.example", "aud": "a"}),
        json!({"iss": "https://other.example", "aud": "a"}),
        json!({"alg": "ES256", "aud": "a"}),
        json!({"alg": "none", "aud": "a"}),
        json!({"time": 0}),
        json!({"time": -1}),
        json!({"time": "now"}),
        json!({"secret": "both"}),
        json!({"unknown": "x"}),
        json!({"aud": ["a"]}),
    ] {
        let mut constraint = json!({"cert": set, "time": time});
        if let (Some(members), Some(more)) = (constraint.as_object_mut(), more.as_object()) {
            members.extend(more.clone());
        }
        all.push(constraint);
    }
    all
}
