//! What builtins over arrays, sets and objects may be asked for.

use regorus::Value;

use crate::policy::engine::builtins::bounded::too_many;
use crate::policy::engine::builtins::{TooMuch, integer, numbers, weight};

pub(super) fn array(name: &'static str, values: &[Value]) -> anyhow::Result<()> {
    match values.first() {
        Some(Value::Array(_)) => Ok(()),
        _ => anyhow::bail!("{name}: operand 1 must be an array"),
    }
}

/// An object, and keys that are compared with its own.
pub(super) fn object(name: &'static str, values: &[Value]) -> anyhow::Result<()> {
    match values.split_first() {
        Some((Value::Object(_), keys)) => keys.iter().try_for_each(|value| weight::check(value, name)),
        _ => anyhow::bail!("{name}: operand 1 must be an object"),
    }
}

pub(super) fn sets(name: &'static str, values: &[Value]) -> anyhow::Result<()> {
    match values.iter().position(|value| !matches!(value, Value::Set(_))) {
        Some(at) => anyhow::bail!("{name}: operand {} must be a set", at + 1),
        None => values.iter().try_for_each(|value| weight::check(value, name)),
    }
}

pub(super) fn concat(name: &'static str, values: &[Value]) -> anyhow::Result<()> {
    let mut items = 0usize;
    for (at, value) in values.iter().enumerate() {
        let Value::Array(array) = value else {
            anyhow::bail!("{name}: operand {} must be an array", at + 1);
        };
        items = items.saturating_add(array.len());
    }
    too_many(items, name)
}

/// The edges of a graph: all of them can wait to be followed at one time.
pub(super) fn edges(name: &'static str, values: &[Value]) -> anyhow::Result<()> {
    object(name, values)?;
    let Some(Value::Object(graph)) = values.first() else {
        return Ok(());
    };
    let edges = graph.values().map(|neighbours| match neighbours {
        Value::Array(neighbours) => neighbours.len(),
        Value::Set(neighbours) => neighbours.len(),
        _ => 0,
    });
    too_many(edges.sum(), name)?;
    values.iter().try_for_each(|value| weight::check(value, name))
}

/// The factors of a product: whole ones make an integer that grows with each.
pub(super) fn product(name: &'static str, values: &[Value]) -> anyhow::Result<()> {
    let bits = |value: &Value| integer::bits(value).unwrap_or(0).saturating_sub(1);
    let least: u64 = match values.first() {
        Some(Value::Array(factors)) => factors.iter().map(bits).sum(),
        Some(Value::Set(factors)) => factors.iter().map(bits).sum(),
        _ => anyhow::bail!("{name}: operand 1 must be an array or a set"),
    };
    if least > numbers::MAX_BITS {
        return Err(numbers::too_many_bits(name));
    }
    values.iter().try_for_each(|value| weight::check(value, name))
}

/// The most bytes that are compared when each of some texts is held against each of others.
const MAX_COMPARED: usize = 1 << 30;

/// Texts, and the beginnings or ends that they may have.
pub(super) fn pairs(name: &'static str, values: &[Value]) -> anyhow::Result<()> {
    // One that is empty costs something, too.
    let length = |value: &Value| match value {
        Value::String(text) => text.len().saturating_add(8),
        _ => 8,
    };
    let of = |at: usize| match values.get(at) {
        Some(Value::Array(texts)) => Ok((texts.len(), texts.iter().map(length).sum::<usize>())),
        Some(Value::Set(texts)) => Ok((texts.len(), texts.iter().map(length).sum())),
        Some(text @ Value::String(_)) => Ok((1, length(text))),
        _ => Err(anyhow::anyhow!(
            "{name}: operand {} must be a string, or an array or a set of strings",
            at + 1
        )),
    };
    let ((texts, _), (_, bytes)) = (of(0)?, of(1)?);
    if texts.saturating_mul(bytes) > MAX_COMPARED {
        let message = format!("{name}: more than {MAX_COMPARED} bytes would be compared");
        return Err(TooMuch(message).into());
    }
    Ok(())
}
