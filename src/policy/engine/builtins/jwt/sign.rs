//! `io.jwt.encode_sign` and `io.jwt.encode_sign_raw`: tokens that a policy makes, mostly in its tests. The key is a JWK,
//! or the first one of a set, with its private part.

use aws_lc_rs::hmac;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, ECDSA_P521_SHA512_FIXED_SIGNING,
    EcdsaKeyPair, EcdsaSigningAlgorithm, Ed25519KeyPair, RSA_PKCS1_SHA256, RSA_PKCS1_SHA384,
    RSA_PKCS1_SHA512, RSA_PSS_SHA256, RSA_PSS_SHA384, RSA_PSS_SHA512, RsaEncoding, RsaKeyPair,
};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use regorus::Value;

use super::algorithm::{Algorithm, Family};
use super::keys::{member, point};
use crate::policy::engine::builtins::bounded;
use crate::policy::engine::builtins::encoding::{from_base64url, json_marshal};
use crate::policy::engine::builtins::text;
use crate::policy::engine::json::Document;

/// `io.jwt.encode_sign(header, payload, key)`, all three as objects.
pub(in crate::policy::engine::builtins) fn encode_sign(values: &[Value]) -> anyhow::Result<Value> {
    const NAME: &str = "io.jwt.encode_sign";
    let [header, payload, key] = values else {
        anyhow::bail!("{NAME}: takes 3 operands");
    };
    for (at, value) in values.iter().enumerate() {
        if !matches!(value, Value::Object(_)) {
            anyhow::bail!("{NAME}: operand {} must be an object", at + 1);
        }
    }
    let written = |value: &Value| json_marshal(std::slice::from_ref(value));
    let (header_text, payload) = (written(header)?, written(payload)?);
    token(
        NAME,
        text(&[header_text], 0, NAME)?,
        header,
        text(&[payload], 0, NAME)?,
        key,
    )
}

/// `io.jwt.encode_sign_raw(header, payload, key)`, all three as texts that are signed as they are.
pub(in crate::policy::engine::builtins) fn encode_sign_raw(values: &[Value]) -> anyhow::Result<Value> {
    const NAME: &str = "io.jwt.encode_sign_raw";
    let (header, payload) = (text(values, 0, NAME)?, text(values, 1, NAME)?);
    let read = |at| {
        let document = Document::parse(text(values, at, NAME)?.as_bytes());
        document.map_err(|_| anyhow::anyhow!("{NAME}: operand {} is no JSON", at + 1))
    };
    let (Document(header_value), Document(key)) = (read(0)?, read(2)?);
    let is_jwt = match member(&header_value, "typ") {
        Some(Value::String(kind)) => &**kind == "JWT",
        _ => true,
    };
    if is_jwt && Document::parse(payload.as_bytes()).is_err() {
        anyhow::bail!("{NAME}: operand 2 is no JSON");
    }
    token(NAME, header, &header_value, payload, &key)
}

fn token(
    name: &'static str,
    header: &str,
    header_value: &Value,
    payload: &str,
    key: &Value,
) -> anyhow::Result<Value> {
    let algorithm = match member(header_value, "alg") {
        Some(Value::String(algorithm)) => Algorithm::named(algorithm),
        _ => None,
    };
    let algorithm =
        algorithm.ok_or_else(|| anyhow::anyhow!("{name}: `alg` in the header is no algorithm"))?;
    // A third more in base64, and the signature.
    bounded::check((header.len() + payload.len()) / 3 * 4 + 4096, name)?;
    let key = match member(key, "keys") {
        Some(Value::Array(keys)) => keys.first(),
        _ => Some(key),
    };
    let encode = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
    let signed = format!("{}.{}", encode(header.as_bytes()), encode(payload.as_bytes()));
    let signature = key.and_then(|key| signature(algorithm, key, signed.as_bytes()));
    let signature =
        signature.ok_or_else(|| anyhow::anyhow!("{name}: operand 3 is no private key for this algorithm"))?;
    Ok(Value::from(format!("{signed}.{}", encode(&signature))))
}

/// The signature of a message by the private part of a JWK; `None` if it has none that is for the algorithm.
fn signature(algorithm: Algorithm, key: &Value, message: &[u8]) -> Option<Vec<u8>> {
    let named =
        |name, value: &str| matches!(member(key, name), Some(Value::String(text)) if &**text == value);
    let bytes = |name| match member(key, name) {
        Some(Value::String(text)) => from_base64url(text).ok().filter(|bytes| !bytes.is_empty()),
        _ => None,
    };
    let elliptic = |curve, length, algorithm: &'static EcdsaSigningAlgorithm| {
        let private = bytes("d")?;
        let public = point(bytes("x")?, bytes("y")?, length)?;
        let pair = named("crv", curve)
            .then(|| EcdsaKeyPair::from_private_key_and_public_key(algorithm, &private, &public).ok())??;
        let signature = pair.sign(&SystemRandom::new(), message).ok()?;
        Some(signature.as_ref().to_vec())
    };
    match (algorithm.family(), algorithm) {
        (Family::Hmac(digest), _) => {
            let secret = hmac::Key::new(digest, &named("kty", "oct").then(|| bytes("k"))??);
            Some(hmac::sign(&secret, message).as_ref().to_vec())
        }
        (Family::Es256, _) => elliptic("P-256", 32, &ECDSA_P256_SHA256_FIXED_SIGNING),
        (Family::Es384, _) => elliptic("P-384", 48, &ECDSA_P384_SHA384_FIXED_SIGNING),
        (Family::Es512, _) => elliptic("P-521", 66, &ECDSA_P521_SHA512_FIXED_SIGNING),
        (Family::Ed25519, _) => {
            let pair = Ed25519KeyPair::from_seed_and_public_key(&bytes("d")?, &bytes("x")?).ok()?;
            named("crv", "Ed25519").then(|| pair.sign(message).as_ref().to_vec())
        }
        (Family::Rsa(_), algorithm) => {
            let numbers = ["n", "e", "d", "p", "q", "dp", "dq", "qi"].map(bytes);
            let pair = RsaKeyPair::from_der(&pkcs1(numbers.into_iter().collect::<Option<_>>()?)?).ok()?;
            let mut signature = vec![0; pair.public_modulus_len()];
            pair.sign(padding(algorithm)?, &SystemRandom::new(), message, &mut signature)
                .ok()?;
            Some(signature)
        }
    }
}

fn padding(algorithm: Algorithm) -> Option<&'static dyn RsaEncoding> {
    Some(match algorithm {
        Algorithm::Rs256 => &RSA_PKCS1_SHA256,
        Algorithm::Rs384 => &RSA_PKCS1_SHA384,
        Algorithm::Rs512 => &RSA_PKCS1_SHA512,
        Algorithm::Ps256 => &RSA_PSS_SHA256,
        Algorithm::Ps384 => &RSA_PSS_SHA384,
        Algorithm::Ps512 => &RSA_PSS_SHA512,
        _ => return None,
    })
}

/// The numbers of an RSA key in the form of PKCS #1.
fn pkcs1(numbers: Vec<Vec<u8>>) -> Option<Vec<u8>> {
    let mut inner = vec![2, 1, 0];
    for number in numbers {
        let begin = number.iter().position(|byte| *byte != 0)?;
        let digits = number.get(begin..)?;
        // A first bit that is set would make it negative.
        let zero = digits.first().is_some_and(|first| *first >= 0x80);
        inner.push(2);
        inner.extend(length_of(digits.len() + usize::from(zero))?);
        inner.extend(zero.then_some(0));
        inner.extend(digits);
    }
    let mut sequence = vec![0x30];
    sequence.extend(length_of(inner.len())?);
    sequence.extend(inner);
    Some(sequence)
}

/// A length as DER has it. No key is longer than 64 KiB.
fn length_of(length: usize) -> Option<Vec<u8>> {
    let [high, low] = u16::try_from(length).ok()?.to_be_bytes();
    Some(match (high, low) {
        (0, low) if low < 0x80 => vec![low],
        (0, low) => vec![0x81, low],
        (high, low) => vec![0x82, high, low],
    })
}
