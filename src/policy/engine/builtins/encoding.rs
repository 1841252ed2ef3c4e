//! What decodes, hashes and tells whether a text could be decoded.
//!
//! At authn the operands are what anybody sends as a token: there bad input is undefined, not a fault.

use base64::Engine as _;
use base64::alphabet;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig, STANDARD};
use regorus::Value;
use sha2::{Digest, Sha256};

use super::guarded::yaml;
use super::{EVALUATION, original, text, weight};
use crate::policy::engine::json::Document;

fn undefined_at_authn(result: anyhow::Result<Value>) -> anyhow::Result<Value> {
    match result {
        Err(_) if EVALUATION.get().context.lenient_decoding => Ok(Value::Undefined),
        result => result,
    }
}

/// Bytes as lower-case hexadecimal digits.
pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

pub(super) fn sha256(values: &[Value]) -> anyhow::Result<Value> {
    Ok(Value::from(hex(&Sha256::digest(text(
        values,
        0,
        "crypto.sha256",
    )?))))
}

/// As OPA's: the URL alphabet, with or without padding.
const URL: GeneralPurpose = GeneralPurpose::new(
    &alphabet::URL_SAFE,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

pub(super) fn base64_decode(values: &[Value]) -> anyhow::Result<Value> {
    undefined_at_authn(decode(&STANDARD, values, "base64.decode"))
}

pub(super) fn base64url_decode(values: &[Value]) -> anyhow::Result<Value> {
    undefined_at_authn(decode(&URL, values, "base64url.decode"))
}

fn decode(alphabet: &GeneralPurpose, values: &[Value], function: &str) -> anyhow::Result<Value> {
    // The operand may be a secret: no part of it goes into the message.
    let bytes = alphabet
        .decode(text(values, 0, function)?)
        .map_err(|_| anyhow::anyhow!("{function}: not base64"))?;
    let text =
        String::from_utf8(bytes).map_err(|_| anyhow::anyhow!("{function}: the bytes are not UTF-8"))?;
    Ok(Value::from(text))
}

pub(super) fn json_unmarshal(values: &[Value]) -> anyhow::Result<Value> {
    let read = || {
        let text = text(values, 0, "json.unmarshal")?;
        let document =
            Document::parse(text.as_bytes()).map_err(|error| anyhow::anyhow!("json.unmarshal: {error}"))?;
        Ok(document.0)
    };
    undefined_at_authn(read())
}

/// Whether `json.unmarshal` would read it.
pub(super) fn json_is_valid(values: &[Value]) -> anyhow::Result<Value> {
    Ok(Value::from(match values.first() {
        Some(Value::String(text)) => Document::parse(text.as_bytes()).is_ok(),
        _ => false,
    }))
}

/// Whether `yaml.unmarshal` would read it; what is no string is not valid.
pub(super) fn yaml_is_valid(values: &[Value]) -> anyhow::Result<Value> {
    match values.first() {
        Some(Value::String(_)) => {
            yaml::unmarshal("yaml.is_valid", values)?;
            original::call("yaml.is_valid", values)
        }
        _ => Ok(Value::from(false)),
    }
}

/// What is no string is not valid.
pub(super) fn base64_is_valid(values: &[Value]) -> anyhow::Result<Value> {
    match values.first() {
        Some(Value::String(_)) => original::call("base64.is_valid", values),
        _ => Ok(Value::from(false)),
    }
}

/// As Go writes JSON: what could end a script in a page is escaped. It can only stand in strings.
pub(super) fn json_marshal(values: &[Value]) -> anyhow::Result<Value> {
    const NAME: &str = "json.marshal";
    values
        .iter()
        .try_for_each(|value| weight::check_as_text(value, NAME))?;
    let json = match original::call(NAME, values)? {
        Value::String(json) => json,
        json => return Ok(json),
    };
    if !json.contains(['<', '>', '&', '\u{2028}', '\u{2029}']) {
        return Ok(Value::String(json));
    }
    let escaped: String = json
        .chars()
        .map(|c| match c {
            '<' | '>' | '&' | '\u{2028}' | '\u{2029}' => format!("\\u{:04x}", u32::from(c)),
            _ => c.into(),
        })
        .collect();
    Ok(Value::from(escaped))
}

/// The engine leaves a bad escape as it is, where OPA's has no value.
pub(super) fn urlquery_decode(values: &[Value]) -> anyhow::Result<Value> {
    const NAME: &str = "urlquery.decode";
    let is_escape = |behind: &str| matches!(behind.as_bytes(), [a, b, ..] if a.is_ascii_hexdigit() && b.is_ascii_hexdigit());
    if !text(values, 0, NAME)?.split('%').skip(1).all(is_escape) {
        anyhow::bail!("{NAME}: an invalid escape");
    }
    original::call(NAME, values)
}
