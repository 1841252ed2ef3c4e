//! What builtins over whole documents may be asked for: patches that double a document, paths that are deeper than a
//! stack, texts that are mostly indentation.

use regorus::Value;

use crate::policy::engine::builtins::TooMuch;
use crate::policy::engine::builtins::bounded::MAX_ITEMS;
use crate::policy::engine::builtins::weight::{self, Lines};

/// A value and how it is laid out.
pub(in crate::policy::engine::builtins) fn lines(name: &'static str, values: &[Value]) -> anyhow::Result<()> {
    let (Some(value), Some(options)) = (values.first(), values.get(1)) else {
        return Ok(());
    };
    weight::check(options, name)?;
    let length = |option: &str, default: usize| match options {
        Value::Object(options) => match options.get(&Value::from(option)) {
            Some(Value::String(text)) => text.len(),
            _ => default,
        },
        _ => default,
    };
    let lines = Lines {
        prefix: length("prefix", 0),
        // Two spaces are written first.
        indent: length("indent", 1).max(2),
    };
    lines.check(value, name)
}

/// The most parts of documents that a patch goes through.
const MAX_PATCHED: usize = 8 * MAX_ITEMS;

/// The deepest that a patch may nest a document: it is read and written recursively.
const MAX_DEPTH: usize = 4000;

/// A document and the operations of a patch. What it may grow to is told without applying it: each copy may copy all
/// that is there to its deepest place.
pub(super) fn patch(name: &'static str, values: &[Value]) -> anyhow::Result<()> {
    let (Some(document), Some(Value::Array(operations))) = (values.first(), values.get(1)) else {
        anyhow::bail!("{name}: operand 2 must be an array");
    };
    values.iter().try_for_each(|value| weight::check(value, name))?;
    let (mut parts, mut depth) = extent(document);
    let mut gone_through = parts;
    for operation in operations.iter() {
        let member = |key: &str| match operation {
            Value::Object(operation) => operation.get(&Value::from(key)),
            _ => None,
        };
        let (more, deeper) = member("value").map_or((0, 0), extent);
        let all = matches!(member("op"), Some(Value::String(op)) if matches!(&**op, "copy" | "test"));
        let copies = matches!(member("op"), Some(Value::String(op)) if &**op == "copy");
        (parts, depth) = if copies {
            (parts.saturating_mul(2), depth.saturating_mul(2))
        } else {
            (parts.saturating_add(more), depth.saturating_add(deeper))
        };
        gone_through =
            gone_through
                .saturating_add(more)
                .saturating_add(if all { parts } else { parts.div_ceil(64) });
        if gone_through > MAX_PATCHED || depth > MAX_DEPTH {
            return Err(TooMuch(format!("{name}: the patch is too large for its document")).into());
        }
    }
    Ok(())
}

/// How many parts a value has, and how deep it is.
fn extent(value: &Value) -> (usize, usize) {
    let of = |parts: &mut dyn Iterator<Item = &Value>| {
        let (mut all, mut deepest) = (1usize, 0usize);
        for part in parts {
            let (parts, depth) = extent(part);
            (all, deepest) = (all.saturating_add(parts), deepest.max(depth));
        }
        (all, deepest + 1)
    };
    match value {
        Value::Array(items) => of(&mut items.iter()),
        Value::Set(items) => of(&mut items.iter()),
        Value::Object(members) => of(&mut members.values()),
        _ => (1, 0),
    }
}

/// The heaviest schema.
const MAX_SCHEMA: usize = 256 * 1024;

/// A document and a schema, or a schema alone.
pub(in crate::policy::engine::builtins) fn schema(
    name: &'static str,
    values: &[Value],
) -> anyhow::Result<()> {
    if let Some(schema) = values.last()
        && weight::exceeds(schema, MAX_SCHEMA)
    {
        return Err(TooMuch(format!("{name}: the schema is more than 256 KiB")).into());
    }
    let lines = Lines { prefix: 0, indent: 2 };
    values.iter().try_for_each(|value| lines.check(value, name))
}
