//! `yaml.unmarshal` and `yaml.is_valid` by our own reader, and no further than a server can hold: a few hundred bytes of
//! aliases can stand for more than memory holds.
//!
//! As in OPA a key that is a number or a boolean becomes its text. What JSON cannot say is an error, and so are a key
//! that is there twice and an integer beyond 64 bits.

use std::collections::BTreeMap;
use std::fmt;

use regorus::Value;
use serde::Deserialize;
use serde::de::{self, Deserializer, MapAccess, SeqAccess, Visitor};

use super::bounded::MAX_ITEMS;
use super::{TooMuch, text};

/// `yaml.unmarshal(text)`.
pub(super) fn unmarshal(values: &[Value]) -> anyhow::Result<Value> {
    read("yaml.unmarshal", values)
}

/// Whether `yaml.unmarshal` would read it; what is no string is not valid.
pub(super) fn is_valid(values: &[Value]) -> anyhow::Result<Value> {
    match values.first() {
        Some(Value::String(_)) => match read("yaml.is_valid", values) {
            Err(error) if error.is::<TooMuch>() => Err(error),
            result => Ok(Value::from(result.is_ok())),
        },
        _ => Ok(Value::from(false)),
    }
}

fn read(name: &'static str, values: &[Value]) -> anyhow::Result<Value> {
    let text = text(values, 0, name)?;
    let options = serde_saphyr::options! {
        with_snippet: false,
        // `no` is a country: in OPA, too, only `true` and `false` are booleans.
        strict_booleans: true,
        legacy_octal_numbers: true,
        budget: serde_saphyr::budget! {
            enforce_alias_anchor_ratio: false,
            max_aliases: MAX_ITEMS,
            max_anchors: MAX_ITEMS,
            max_depth: 128,
            max_events: 20 * MAX_ITEMS,
            max_nodes: 20 * MAX_ITEMS,
        },
        alias_limits: serde_saphyr::alias_limits! {
            max_total_replayed_events: MAX_ITEMS,
            max_replay_stack_depth: 64,
            max_alias_expansions_per_anchor: usize::MAX,
        },
    };
    let read = match serde_saphyr::from_str_with_options::<Read>(text, options.clone()) {
        // Of several documents the first one counts, and all have to be YAML.
        Err(serde_saphyr::Error::MultipleDocuments { .. }) => {
            serde_saphyr::from_multiple_with_options::<Read>(text, options)
                .map(|documents| documents.into_iter().next().unwrap_or(Read(Value::Null)))
        }
        read => read,
    };
    read.map(|Read(value)| value)
        .map_err(|error| refused(name, &error))
}

/// Its own words may quote the text, and that may be a secret.
fn refused(name: &str, error: &serde_saphyr::Error) -> anyhow::Error {
    use serde_saphyr::Error;
    let mut error = error;
    while let Error::AliasError { error: inner, .. } | Error::WithSnippet { error: inner, .. } = error {
        error = inner;
    }
    match error {
        Error::Budget { .. }
        | Error::AliasReplayLimitExceeded { .. }
        | Error::AliasExpansionLimitExceeded { .. }
        | Error::AliasReplayStackDepthExceeded { .. }
        | Error::AliasReplayCounterOverflow { .. } => TooMuch(format!(
            "{name}: the text is nested too deep, or its aliases stand for more than {MAX_ITEMS} values"
        ))
        .into(),
        Error::DuplicateMappingKey { .. } => anyhow::anyhow!("{name}: an object has the same key twice"),
        _ => anyhow::anyhow!("{name}: not YAML that JSON can hold"),
    }
}

/// A value that was read.
struct Read(Value);

impl<'de> Deserialize<'de> for Read {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Reader).map(Read)
    }
}

struct Reader;

impl<'de> Visitor<'de> for Reader {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("YAML that JSON can hold")
    }

    fn visit_unit<E: de::Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_none<E: de::Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }

    fn visit_bool<E: de::Error>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E: de::Error>(self, value: i64) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_u64<E: de::Error>(self, value: u64) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_f64<E: de::Error>(self, value: f64) -> Result<Value, E> {
        // An integer of more than 64 bits arrives as a float that could not say it.
        match value.is_finite() && (value.fract() != 0.0 || value.abs() < 2f64.powi(63)) {
            true => Ok(Value::from(value)),
            false => Err(E::custom("a number out of range")),
        }
    }

    fn visit_str<E: de::Error>(self, value: &str) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(Read(item)) = items.next_element()? {
            list.push(item);
        }
        Ok(Value::from(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let mut map = BTreeMap::new();
        while let Some((Read(key), Read(member))) = members.next_entry()? {
            if map.insert(as_key(key)?, member).is_some() {
                return Err(de::Error::custom("an object has the same key twice"));
            }
        }
        Ok(Value::from(map))
    }
}

/// The text that a key is.
fn as_key<E: de::Error>(key: Value) -> Result<Value, E> {
    match key {
        Value::String(_) => Ok(key),
        Value::Number(number) => Ok(Value::from(number.format_decimal())),
        Value::Bool(value) => Ok(Value::from(if value { "true" } else { "false" })),
        _ => Err(E::custom("a key is no text")),
    }
}
