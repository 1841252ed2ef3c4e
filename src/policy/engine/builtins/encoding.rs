//! What decodes, and tells whether a text could be decoded.
//!
//! At authn the operands are what anybody sends as a token: there bad input is undefined, not a fault.

use std::borrow::Cow;

use base64::alphabet;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};
use base64::{DecodeError, Engine as _};
use regorus::Value;

use super::{EVALUATION, guarded, original, text, weight};
use crate::policy::engine::json::Document;

pub(super) fn undefined_at_authn(result: anyhow::Result<Value>) -> anyhow::Result<Value> {
    match result {
        Err(_) if EVALUATION.get().context.lenient_decoding => Ok(Value::Undefined),
        result => result,
    }
}

/// Bytes as lower-case hexadecimal digits.
pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// As Go reads it: bits behind the last byte do not matter.
const AS_GO: GeneralPurposeConfig = GeneralPurposeConfig::new().with_decode_allow_trailing_bits(true);

const STANDARD: GeneralPurpose = GeneralPurpose::new(&alphabet::STANDARD, AS_GO);

const URL: GeneralPurpose = GeneralPurpose::new(&alphabet::URL_SAFE, AS_GO);

pub(super) fn base64_decode(values: &[Value]) -> anyhow::Result<Value> {
    undefined_at_authn(decode(from_base64, values, "base64.decode"))
}

pub(super) fn base64url_decode(values: &[Value]) -> anyhow::Result<Value> {
    undefined_at_authn(decode(from_base64url, values, "base64url.decode"))
}

pub(super) fn from_base64(text: &str) -> Result<Vec<u8>, DecodeError> {
    STANDARD.decode(without_line_ends(text).as_bytes())
}

/// As in OPA with all of its padding, or without; line ends count where nothing closes the text.
pub(super) fn from_base64url(text: &str) -> Result<Vec<u8>, DecodeError> {
    let padding = match text.len() % 4 {
        _ if text.ends_with('=') => "",
        0 => "",
        2 => "==",
        3 => "=",
        _ => return Err(DecodeError::InvalidLength(text.len())),
    };
    let whole = without_line_ends(text);
    match padding {
        "" => URL.decode(whole.as_bytes()),
        padding => URL.decode(format!("{whole}{padding}")),
    }
}

/// What is no string is not valid.
pub(super) fn base64_is_valid(values: &[Value]) -> anyhow::Result<Value> {
    Ok(Value::from(match values.first() {
        Some(Value::String(text)) => from_base64(text).is_ok(),
        _ => false,
    }))
}

fn decode(
    read: fn(&str) -> Result<Vec<u8>, DecodeError>,
    values: &[Value],
    function: &str,
) -> anyhow::Result<Value> {
    // The operand may be a secret: no part of it goes into the message.
    let bytes = read(text(values, 0, function)?).map_err(|_| anyhow::anyhow!("{function}: not base64"))?;
    let text =
        String::from_utf8(bytes).map_err(|_| anyhow::anyhow!("{function}: the bytes are not UTF-8"))?;
    Ok(Value::from(text))
}

/// Go reads over line ends wherever they stand.
fn without_line_ends(text: &str) -> Cow<'_, str> {
    match text.contains(['\r', '\n']) {
        true => text.replace(['\r', '\n'], "").into(),
        false => text.into(),
    }
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

/// As Go writes JSON.
pub(super) fn json_marshal(values: &[Value]) -> anyhow::Result<Value> {
    const NAME: &str = "json.marshal";
    values
        .iter()
        .try_for_each(|value| weight::check_as_text(value, NAME))?;
    Ok(escaped(original::call(NAME, values)?))
}

/// The same laid out as the options say.
pub(super) fn json_marshal_with_options(values: &[Value]) -> anyhow::Result<Value> {
    const NAME: &str = "json.marshal_with_options";
    guarded::documents::lines(NAME, values)?;
    let json = original::call(NAME, values)?;
    let option = |name: &str| match values.get(1) {
        Some(Value::Object(options)) => match options.get(&Value::from(name)) {
            Some(Value::String(text)) => text.to_string(),
            _ => String::new(),
        },
        _ => String::new(),
    };
    let (prefix, indent) = (option("prefix"), option("indent"));
    let Value::String(text) = &json else {
        return Ok(json);
    };
    if !format!("{prefix}{indent}").contains(SPECIAL) {
        return Ok(escaped(json));
    }
    // What stands before the JSON of a line stays as it is.
    let lines = text.split('\n').map(|line| {
        let mut rest = line.strip_prefix(&prefix).unwrap_or(line);
        while let Some(less) = rest.strip_prefix(&indent).filter(|_| !indent.is_empty()) {
            rest = less;
        }
        let before = line.get(..line.len() - rest.len()).unwrap_or_default();
        format!("{before}{}", escape(rest))
    });
    Ok(Value::from(lines.collect::<Vec<_>>().join("\n")))
}

const SPECIAL: [char; 5] = ['<', '>', '&', '\u{2028}', '\u{2029}'];

/// JSON in which what could end a script in a page is escaped. It can only stand in strings.
fn escaped(json: Value) -> Value {
    match json {
        Value::String(json) if json.contains(SPECIAL) => Value::from(escape(&json)),
        json => json,
    }
}

fn escape(json: &str) -> String {
    let escape = |c: char| match SPECIAL.contains(&c) {
        true => format!("\\u{:04x}", u32::from(c)),
        false => c.into(),
    };
    json.chars().map(escape).collect()
}
