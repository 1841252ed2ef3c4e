//! Digests and message authentication codes, in hexadecimal digits as in OPA.

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, SHA256, digest};
use aws_lc_rs::hmac::{self as codes, HMAC_SHA1_FOR_LEGACY_USE_ONLY, HMAC_SHA256, HMAC_SHA512};
use hmac::{Hmac, KeyInit as _, Mac as _};
use md5::{Digest as _, Md5};
use regorus::Value;

use super::encoding::hex;
use super::text;

/// For what others have written down in it: it proves nothing.
pub(super) fn md5(values: &[Value]) -> anyhow::Result<Value> {
    let text = text(values, 0, "crypto.md5")?;
    Ok(Value::from(hex(&Md5::digest(text.as_bytes()))))
}

pub(super) fn sha1(values: &[Value]) -> anyhow::Result<Value> {
    let text = text(values, 0, "crypto.sha1")?;
    Ok(Value::from(hex(digest(
        &SHA1_FOR_LEGACY_USE_ONLY,
        text.as_bytes(),
    )
    .as_ref())))
}

pub(super) fn sha256(values: &[Value]) -> anyhow::Result<Value> {
    let text = text(values, 0, "crypto.sha256")?;
    Ok(Value::from(hex(digest(&SHA256, text.as_bytes()).as_ref())))
}

pub(super) fn hmac_md5(values: &[Value]) -> anyhow::Result<Value> {
    const NAME: &str = "crypto.hmac.md5";
    let (message, key) = (text(values, 0, NAME)?, text(values, 1, NAME)?);
    let mut code = Hmac::<Md5>::new_from_slice(key.as_bytes())?;
    code.update(message.as_bytes());
    Ok(Value::from(hex(&code.finalize().into_bytes())))
}

pub(super) fn hmac_sha1(values: &[Value]) -> anyhow::Result<Value> {
    sign(values, "crypto.hmac.sha1", HMAC_SHA1_FOR_LEGACY_USE_ONLY)
}

pub(super) fn hmac_sha256(values: &[Value]) -> anyhow::Result<Value> {
    sign(values, "crypto.hmac.sha256", HMAC_SHA256)
}

pub(super) fn hmac_sha512(values: &[Value]) -> anyhow::Result<Value> {
    sign(values, "crypto.hmac.sha512", HMAC_SHA512)
}

/// The code of the first operand with the second as the key.
fn sign(values: &[Value], name: &str, algorithm: codes::Algorithm) -> anyhow::Result<Value> {
    let (message, key) = (text(values, 0, name)?, text(values, 1, name)?);
    let key = codes::Key::new(algorithm, key.as_bytes());
    Ok(Value::from(hex(codes::sign(&key, message.as_bytes()).as_ref())))
}

/// Whether two codes are equal; the time that it takes tells nothing of where they differ.
pub(super) fn hmac_equal(values: &[Value]) -> anyhow::Result<Value> {
    const NAME: &str = "crypto.hmac.equal";
    let (one, other) = (text(values, 0, NAME)?, text(values, 1, NAME)?);
    Ok(Value::from(
        verify_slices_are_equal(one.as_bytes(), other.as_bytes()).is_ok(),
    ))
}
