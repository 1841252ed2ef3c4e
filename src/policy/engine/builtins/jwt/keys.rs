//! The keys that tokens are verified with: a PEM certificate or public key, a JWK or a JWK set, as text.
//!
//! What is no key, or of a kind that no token is signed with, is an error as in OPA; a key of a set whose `alg` is for
//! something else than signing tokens is passed over.

use std::collections::BTreeMap;

use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_FIXED, ECDSA_P521_SHA512_FIXED, ED25519,
    RsaPublicKeyComponents, UnparsedPublicKey, VerificationAlgorithm,
};
use regorus::Value;
use x509_parser::certificate::X509Certificate;
use x509_parser::pem::parse_x509_pem;
use x509_parser::prelude::FromDer;
use x509_parser::x509::SubjectPublicKeyInfo;

use super::algorithm::{Algorithm, Family};
use crate::policy::engine::builtins::encoding::from_base64url;
use crate::policy::engine::json::Document;

/// One key, and what its set says of it.
pub(super) struct Key {
    /// `kid`; empty if there is none.
    pub(super) id: String,
    /// `alg`; empty if the key does not say.
    pub(super) algorithm: String,
    material: Material,
}

enum Material {
    /// PKCS #1, as it stands in a certificate.
    RsaDer(Vec<u8>),
    RsaParts {
        n: Vec<u8>,
        e: Vec<u8>,
    },
    /// An uncompressed point.
    Elliptic(Curve, Vec<u8>),
    Ed25519(Vec<u8>),
    Secret(Vec<u8>),
    /// A key that verifies no token, such as one for key agreement or a private one.
    Useless,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Curve {
    P256,
    P384,
    P521,
}

/// Reads a certificate, a public key or a set of keys.
pub(super) fn read(text: &str) -> anyhow::Result<Vec<Key>> {
    if let Ok((rest, block)) = parse_x509_pem(text.as_bytes()) {
        if !rest.is_empty() {
            anyhow::bail!("extra data after the PEM block");
        }
        let material = match block.label.as_str() {
            "CERTIFICATE" => certificate(&block.contents),
            "PUBLIC KEY" => public_key(&block.contents),
            _ => None,
        };
        let material = material
            .ok_or_else(|| anyhow::anyhow!("the PEM block holds no certificate and no public key"))?;
        return Ok(vec![Key {
            id: String::new(),
            algorithm: String::new(),
            material,
        }]);
    }
    let document =
        Document::parse(text.as_bytes()).map_err(|_| anyhow::anyhow!("neither PEM nor a JWK (set)"))?;
    let keys = match member(&document.0, "keys") {
        Some(Value::Array(keys)) => keys.iter().map(jwk).collect::<Option<Vec<_>>>(),
        Some(_) => None,
        None => jwk(&document.0).map(|key| vec![key]),
    };
    let keys = keys.ok_or_else(|| anyhow::anyhow!("not a JWK (set)"))?;
    Ok(keys.into_iter().filter(Key::is_for_tokens).collect())
}

/// The part of a set of keys that verifies tokens of others, and the names of these keys. A key of a kind that is not
/// known is passed over, as RFC 7517 has it, and a secret that was published is none.
pub(super) fn public(text: &str) -> anyhow::Result<(String, Vec<Key>)> {
    let document = Document::parse(text.as_bytes()).map(|document| document.0);
    let Some(Value::Array(items)) = document.as_ref().ok().and_then(|set| member(set, "keys")) else {
        let keys = read(text)?.into_iter().filter(Key::is_public).collect();
        return Ok((text.to_owned(), keys));
    };
    let usable = |item: &&Value| jwk(item).is_some_and(|key| key.is_for_tokens() && key.is_public());
    let items: Vec<Value> = items.iter().filter(usable).cloned().collect();
    let keys = items.iter().filter_map(jwk).collect();
    let set = BTreeMap::from([(Value::from("keys"), Value::from(items))]);
    Ok((Value::from(set).to_json_str()?, keys))
}

/// A secret for the algorithms that share one.
pub(super) fn secret(text: &str) -> Key {
    Key {
        id: String::new(),
        algorithm: String::new(),
        material: Material::Secret(text.as_bytes().to_vec()),
    }
}

impl Key {
    fn is_for_tokens(&self) -> bool {
        self.algorithm.is_empty() || Algorithm::named(&self.algorithm).is_some()
    }

    const fn is_public(&self) -> bool {
        !matches!(self.material, Material::Secret(_) | Material::Useless)
    }

    /// Whether `signature` is one of `message` by this key under this algorithm.
    pub(super) fn verifies(&self, algorithm: Algorithm, message: &[u8], signature: &[u8]) -> bool {
        match (&self.material, algorithm.family()) {
            (Material::RsaDer(der), Family::Rsa(rsa)) => UnparsedPublicKey::new(rsa, der)
                .verify(message, signature)
                .is_ok(),
            (Material::RsaParts { n, e }, Family::Rsa(rsa)) => RsaPublicKeyComponents { n, e }
                .verify(rsa, message, signature)
                .is_ok(),
            (Material::Elliptic(Curve::P256, point), Family::Es256) => {
                holds(&ECDSA_P256_SHA256_FIXED, point, message, signature)
            }
            (Material::Elliptic(Curve::P384, point), Family::Es384) => {
                holds(&ECDSA_P384_SHA384_FIXED, point, message, signature)
            }
            (Material::Elliptic(Curve::P521, point), Family::Es512) => {
                holds(&ECDSA_P521_SHA512_FIXED, point, message, signature)
            }
            (Material::Ed25519(key), Family::Ed25519) => holds(&ED25519, key, message, signature),
            (Material::Secret(secret), Family::Hmac(digest)) => {
                let key = aws_lc_rs::hmac::Key::new(digest, secret);
                aws_lc_rs::hmac::verify(&key, message, signature).is_ok()
            }
            // A key of one kind never verifies what another kind has signed.
            _ => false,
        }
    }
}

fn holds(
    algorithm: &'static dyn VerificationAlgorithm,
    key: &[u8],
    message: &[u8],
    signature: &[u8],
) -> bool {
    UnparsedPublicKey::new(algorithm, key)
        .verify(message, signature)
        .is_ok()
}

fn certificate(der: &[u8]) -> Option<Material> {
    let (rest, certificate) = X509Certificate::from_der(der).ok()?;
    rest.is_empty().then(|| of_spki(certificate.public_key()))?
}

fn public_key(der: &[u8]) -> Option<Material> {
    let (rest, key) = SubjectPublicKeyInfo::from_der(der).ok()?;
    rest.is_empty().then(|| of_spki(&key))?
}

fn of_spki(key: &SubjectPublicKeyInfo<'_>) -> Option<Material> {
    let bits = key.subject_public_key.data.to_vec();
    let curve = || {
        key.algorithm
            .parameters
            .as_ref()?
            .as_oid()
            .ok()
            .map(|oid| oid.to_id_string())
    };
    Some(match key.algorithm.algorithm.to_id_string().as_str() {
        "1.2.840.113549.1.1.1" => Material::RsaDer(bits),
        "1.2.840.10045.2.1" => Material::Elliptic(
            match curve()?.as_str() {
                "1.2.840.10045.3.1.7" => Curve::P256,
                "1.3.132.0.34" => Curve::P384,
                "1.3.132.0.35" => Curve::P521,
                _ => return None,
            },
            bits,
        ),
        "1.3.101.112" => Material::Ed25519(bits),
        _ => return None,
    })
}

fn jwk(value: &Value) -> Option<Key> {
    let Value::Object(_) = value else { return None };
    let name = |key| match member(value, key) {
        None => Some(String::new()),
        Some(Value::String(name)) => Some(name.to_string()),
        Some(_) => None,
    };
    let bytes = |key| match member(value, key) {
        Some(Value::String(text)) => from_base64url(text).ok().filter(|bytes| !bytes.is_empty()),
        _ => None,
    };
    let number = |key| {
        bytes(key)
            .map(without_leading_zeros)
            .filter(|bytes| !bytes.is_empty())
    };
    let (id, algorithm, curve) = (name("kid")?, name("alg")?, name("crv")?);
    let is_private = member(value, "d").is_some();
    let material = match (name("kty")?.as_str(), curve.as_str()) {
        ("RSA", _) => Material::RsaParts {
            n: number("n")?,
            e: number("e")?,
        },
        ("EC", "P-256") => Material::Elliptic(Curve::P256, point(number("x")?, number("y")?, 32)?),
        ("EC", "P-384") => Material::Elliptic(Curve::P384, point(number("x")?, number("y")?, 48)?),
        ("EC", "P-521") => Material::Elliptic(Curve::P521, point(number("x")?, number("y")?, 66)?),
        ("OKP", "Ed25519") => Material::Ed25519(bytes("x")?),
        ("OKP", "X25519") => Material::Useless,
        ("oct", _) => Material::Secret(bytes("k")?),
        _ => return None,
    };
    Some(Key {
        id,
        algorithm,
        material: if is_private { Material::Useless } else { material },
    })
}

/// A number as it has to be written; some issuers put the zero before it that makes it positive elsewhere.
fn without_leading_zeros(bytes: Vec<u8>) -> Vec<u8> {
    bytes.into_iter().skip_while(|byte| *byte == 0).collect()
}

/// The uncompressed form of a point, whose numbers may have lost their leading zeros.
pub(super) fn point(x: Vec<u8>, y: Vec<u8>, length: usize) -> Option<Vec<u8>> {
    let mut bytes = vec![4];
    for number in [x, y] {
        let missing = length.checked_sub(number.len())?;
        bytes.extend(std::iter::repeat_n(0, missing));
        bytes.extend(number);
    }
    Some(bytes)
}

pub(super) fn member<'a>(value: &'a Value, key: &str) -> Option<&'a Value> {
    match value {
        Value::Object(members) => members.get(&Value::from(key)),
        _ => None,
    }
}
