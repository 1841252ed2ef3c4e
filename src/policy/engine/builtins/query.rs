//! Texts as the query of a URL has them, read and written as Go does it.

use std::collections::BTreeMap;

use regorus::Value;

use super::bounded::too_many;
use super::{original, text, weight};

/// `urlquery.decode(text)`: `+` is a space, and an escape that is none is an error.
pub(super) fn decode(values: &[Value]) -> anyhow::Result<Value> {
    const NAME: &str = "urlquery.decode";
    Ok(Value::from(decoded(text(values, 0, NAME)?, NAME)?))
}

/// `urlquery.decode_object(text)`: the values of each name.
pub(super) fn decode_object(values: &[Value]) -> anyhow::Result<Value> {
    const NAME: &str = "urlquery.decode_object";
    let text = text(values, 0, NAME)?;
    too_many(text.matches('&').count(), NAME)?;
    let mut object: BTreeMap<Value, Vec<Value>> = BTreeMap::new();
    for pair in text.split('&').filter(|pair| !pair.is_empty()) {
        if pair.contains(';') {
            anyhow::bail!("{NAME}: a semicolon separates nothing");
        }
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let (name, value) = (decoded(name, NAME)?, decoded(value, NAME)?);
        object
            .entry(Value::from(name))
            .or_default()
            .push(Value::from(value));
    }
    let members = object
        .into_iter()
        .map(|(name, values)| (name, Value::from(values)));
    Ok(Value::from(members.collect::<BTreeMap<_, _>>()))
}

fn decoded(text: &str, function: &str) -> anyhow::Result<String> {
    let mut rest = text.bytes();
    let mut bytes = Vec::with_capacity(text.len());
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => match (digit(rest.next()), digit(rest.next())) {
                (Some(high), Some(low)) => high << 4 | low,
                _ => anyhow::bail!("{function}: an invalid escape"),
            },
            byte => byte,
        });
    }
    String::from_utf8(bytes).map_err(|_| anyhow::anyhow!("{function}: the bytes are not UTF-8"))
}

fn digit(byte: Option<u8>) -> Option<u8> {
    u8::try_from(char::from(byte?).to_digit(16)?).ok()
}

/// `urlquery.encode(text)`.
pub(super) fn encode(values: &[Value]) -> anyhow::Result<Value> {
    const NAME: &str = "urlquery.encode";
    text(values, 0, NAME)?;
    Ok(as_go(original::call(NAME, values)?))
}

/// `urlquery.encode_object(object)`.
pub(super) fn encode_object(values: &[Value]) -> anyhow::Result<Value> {
    const NAME: &str = "urlquery.encode_object";
    values
        .iter()
        .try_for_each(|value| weight::check_as_text(value, NAME))?;
    Ok(as_go(original::call(NAME, values)?))
}

/// Forms leave `*` as it is and escape `~`, Go does it the other way round.
fn as_go(written: Value) -> Value {
    match written {
        Value::String(text) if text.contains('*') || text.contains("%7E") => {
            Value::from(text.replace('*', "%2A").replace("%7E", "~"))
        }
        written => written,
    }
}
