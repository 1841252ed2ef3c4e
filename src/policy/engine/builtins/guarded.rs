//! The engine's own builtins behind limits of ours: what would take too much is refused before they run.
//!
//! Every builtin of the engine that is not in our table stands either here or in `FREE`; a test sees to that. A check
//! also keeps large operands of a wrong type away, which the engine would print into its error.

pub(super) mod documents;
mod lists;

use regorus::Value;
use regorus::unstable::BUILTINS;

use super::bounded::{MAX_ITEMS, too_many};
use super::weight::{self, Lines};
use super::{TooMuch, original, text};

type Check = fn(&'static str, &[Value]) -> anyhow::Result<()>;

/// Name, and what is checked before it runs.
const GUARDED: [(&str, Check); 51] = [
    ("__builtin_sets.intersection", lists::sets),
    ("__builtin_sets.union", lists::sets),
    ("abs", numbers),
    ("array.concat", lists::concat),
    ("array.reverse", lists::array),
    ("array.slice", slice),
    ("base64.encode", texts),
    ("base64url.encode", texts),
    ("base64url.encode_no_pad", texts),
    ("bits.and", numbers),
    ("bits.negate", numbers),
    ("bits.or", numbers),
    ("bits.xor", numbers),
    ("ceil", numbers),
    ("contains", texts),
    ("endswith", texts),
    ("floor", numbers),
    ("format_int", numbers),
    ("graph.reachable", lists::edges),
    ("hex.decode", texts),
    ("hex.encode", texts),
    ("intersection", weighed),
    ("json.patch", documents::patch),
    ("json.verify_schema", documents::schema),
    ("max", weighed),
    ("min", weighed),
    ("object.filter", lists::object),
    ("object.get", lists::object),
    ("object.keys", lists::object),
    ("object.remove", lists::object),
    ("object.union", weighed),
    ("product", lists::product),
    ("round", numbers),
    ("sort", weighed),
    ("split", parts),
    ("startswith", texts),
    ("strings.any_prefix_match", lists::pairs),
    ("strings.any_suffix_match", lists::pairs),
    ("strings.reverse", texts),
    ("substring", text_and_integers),
    ("sum", weighed),
    ("time.clock", small),
    ("time.date", small),
    ("time.diff", small),
    ("time.weekday", small),
    ("trim_prefix", texts),
    ("trim_space", texts),
    ("trim_suffix", texts),
    ("union", weighed),
    ("walk", walk),
    ("yaml.marshal", lines),
];

/// Those that take little time and memory whatever their operands are, and those that policies cannot call.
#[cfg(test)]
pub(super) const FREE: [&str; 11] = [
    "http.send",
    "is_array",
    "is_boolean",
    "is_null",
    "is_number",
    "is_object",
    "is_set",
    "is_string",
    "opa.runtime",
    "trace",
    "type_name",
];

/// Names, numbers of operands and checks.
pub(super) fn all() -> impl Iterator<Item = (&'static str, u8, Check)> {
    GUARDED
        .into_iter()
        .filter_map(|(name, check)| BUILTINS.get(name).map(|(_, operands)| (name, *operands, check)))
}

/// Runs the engine's builtin on operands that have passed its check.
pub(super) fn call(name: &'static str, check: Check, values: &[Value]) -> anyhow::Result<Value> {
    check(name, values)?;
    original::call_as_told(name, values)
}

fn weighed(name: &'static str, values: &[Value]) -> anyhow::Result<()> {
    values.iter().try_for_each(|value| weight::check(value, name))
}

/// Operands that are never large: a time, a zone, a layout.
fn small(name: &'static str, values: &[Value]) -> anyhow::Result<()> {
    match values.iter().any(|value| weight::exceeds(value, 4096)) {
        true => Err(TooMuch(format!("{name}: the operands are more than 4 KiB")).into()),
        false => Ok(()),
    }
}

fn texts(name: &'static str, values: &[Value]) -> anyhow::Result<()> {
    (0..values.len()).try_for_each(|at| text(values, at, name).map(drop))
}

fn text_and_integers(name: &'static str, values: &[Value]) -> anyhow::Result<()> {
    text(values, 0, name)?;
    later_integers(name, values)
}

fn later_integers(name: &'static str, values: &[Value]) -> anyhow::Result<()> {
    let mut later = values.iter().enumerate().skip(1);
    match later.find(|(_, value)| !matches!(value, Value::Number(number) if number.as_i64().is_some())) {
        Some((at, _)) => anyhow::bail!("{name}: operand {} must be an integer", at + 1),
        None => Ok(()),
    }
}

fn slice(name: &'static str, values: &[Value]) -> anyhow::Result<()> {
    lists::array(name, values)?;
    later_integers(name, values)
}

fn numbers(name: &'static str, values: &[Value]) -> anyhow::Result<()> {
    match values.iter().position(|value| !matches!(value, Value::Number(_))) {
        Some(at) => anyhow::bail!("{name}: operand {} must be a number", at + 1),
        None => Ok(()),
    }
}

fn parts(name: &'static str, values: &[Value]) -> anyhow::Result<()> {
    let (whole, between) = (text(values, 0, name)?, text(values, 1, name)?);
    too_many(whole.matches(between).count(), name)
}

fn walk(name: &'static str, values: &[Value]) -> anyhow::Result<()> {
    // As many steps as the parts of a large object have.
    let most = 8 * MAX_ITEMS;
    let steps = |value: &Value| weight::steps(value, 0, most);
    match values.iter().all(|value| steps(value).is_some()) {
        true => Ok(()),
        false => Err(TooMuch(format!("{name}: the paths have more than {most} steps")).into()),
    }
}

fn lines(name: &'static str, values: &[Value]) -> anyhow::Result<()> {
    let lines = Lines { prefix: 0, indent: 2 };
    values.iter().try_for_each(|value| lines.check(value, name))
}
