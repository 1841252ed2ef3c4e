//! Values in the forms in which Go writes its own as JSON.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use regorus::Value;

use crate::policy::engine::builtins::integer;

pub(super) fn object<'a>(members: impl IntoIterator<Item = (&'a str, Value)>) -> Value {
    let members = members.into_iter().map(|(key, value)| (Value::from(key), value));
    Value::from(members.collect::<std::collections::BTreeMap<_, _>>())
}

/// A list; `null` for one without items, which Go never made.
pub(super) fn list(items: impl IntoIterator<Item = Value>) -> Value {
    let items: Vec<Value> = items.into_iter().collect();
    match items.is_empty() {
        true => Value::Null,
        false => Value::from(items),
    }
}

pub(super) fn texts<'a>(items: impl IntoIterator<Item = &'a String>) -> Value {
    list(items.into_iter().map(|text| Value::from(text.as_str())))
}

/// The parts of an identifier.
pub(super) fn integers(parts: &[u32]) -> Value {
    Value::from(
        parts
            .iter()
            .map(|part| Value::from(u64::from(*part)))
            .collect::<Vec<_>>(),
    )
}

pub(super) fn bytes(bytes: &[u8]) -> Value {
    Value::from(STANDARD.encode(bytes))
}

/// The most bytes of an integer: keys of 16384 bits are beyond any that is in use.
pub(super) const MAX_INTEGER: usize = 2048;

/// An integer that is not negative, exactly; `None` for one that is too long.
pub(super) fn unsigned(bytes: &[u8]) -> Option<Value> {
    (bytes.len() <= MAX_INTEGER + 1).then_some(())?;
    let mut value = Value::from(0u64);
    for part in bytes.chunks(7) {
        let low = part.iter().fold(0u64, |low, byte| low << 8 | u64::from(*byte));
        let bits = 8 * u64::try_from(part.len()).ok()?;
        value = integer::plus(&integer::shifted(&value, bits).ok()?, &Value::from(low)).ok()?;
    }
    Some(value)
}

/// An address of 4 or 16 bytes; one of IPv4 that IPv6 maps is one of IPv4.
pub(super) fn address(bytes: &[u8]) -> Option<IpAddr> {
    if let Ok(four) = <[u8; 4]>::try_from(bytes) {
        return Some(Ipv4Addr::from(four).into());
    }
    let six = Ipv6Addr::from(<[u8; 16]>::try_from(bytes).ok()?);
    Some(six.to_ipv4_mapped().map_or(six.into(), IpAddr::from))
}
