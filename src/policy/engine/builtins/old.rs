//! Builtins that OPA keeps for old policies: `any`, `all`, `set_diff` and those that want a value to be of a type.

use std::collections::BTreeSet;

use regorus::Value;

use super::weight;

/// `all(collection)`: whether each item is `true`.
pub(super) fn all(values: &[Value]) -> anyhow::Result<Value> {
    let is_true = |item: &Value| *item == Value::Bool(true);
    match values.first() {
        Some(Value::Array(items)) => Ok(Value::from(items.iter().all(is_true))),
        Some(Value::Set(items)) => Ok(Value::from(items.iter().all(is_true))),
        _ => anyhow::bail!("all: operand 1 must be an array or a set"),
    }
}

/// `any(collection)`: whether an item is `true`.
pub(super) fn any(values: &[Value]) -> anyhow::Result<Value> {
    let is_true = |item: &Value| *item == Value::Bool(true);
    match values.first() {
        Some(Value::Array(items)) => Ok(Value::from(items.iter().any(is_true))),
        Some(Value::Set(items)) => Ok(Value::from(items.iter().any(is_true))),
        _ => anyhow::bail!("any: operand 1 must be an array or a set"),
    }
}

/// `set_diff(one, other)`: what is only in the first.
pub(super) fn set_diff(values: &[Value]) -> anyhow::Result<Value> {
    const NAME: &str = "set_diff";
    let [Value::Set(one), Value::Set(other)] = values else {
        anyhow::bail!("{NAME}: both operands must be sets");
    };
    values.iter().try_for_each(|value| weight::check(value, NAME))?;
    let rest: BTreeSet<Value> = one.iter().filter(|item| !other.contains(item)).cloned().collect();
    Ok(Value::from(rest))
}

/// `cast_array(collection)`: a set in its order.
pub(super) fn cast_array(values: &[Value]) -> anyhow::Result<Value> {
    match values.first() {
        Some(array @ Value::Array(_)) => Ok(array.clone()),
        Some(set @ Value::Set(items)) => {
            weight::check(set, "cast_array")?;
            Ok(Value::from(items.iter_sorted().cloned().collect::<Vec<_>>()))
        }
        _ => anyhow::bail!("cast_array: operand 1 must be an array or a set"),
    }
}

/// `cast_set(collection)`
pub(super) fn cast_set(values: &[Value]) -> anyhow::Result<Value> {
    match values.first() {
        Some(set @ Value::Set(_)) => Ok(set.clone()),
        Some(array @ Value::Array(items)) => {
            weight::check(array, "cast_set")?;
            Ok(Value::from(items.iter().cloned().collect::<BTreeSet<_>>()))
        }
        _ => anyhow::bail!("cast_set: operand 1 must be an array or a set"),
    }
}

/// `cast_boolean(x)`
pub(super) fn cast_boolean(values: &[Value]) -> anyhow::Result<Value> {
    cast(values, "cast_boolean", "a boolean", |value| {
        matches!(value, Value::Bool(_))
    })
}

/// `cast_null(x)`
pub(super) fn cast_null(values: &[Value]) -> anyhow::Result<Value> {
    cast(values, "cast_null", "null", |value| matches!(value, Value::Null))
}

/// `cast_object(x)`
pub(super) fn cast_object(values: &[Value]) -> anyhow::Result<Value> {
    cast(values, "cast_object", "an object", |value| {
        matches!(value, Value::Object(_))
    })
}

/// `cast_string(x)`
pub(super) fn cast_string(values: &[Value]) -> anyhow::Result<Value> {
    cast(values, "cast_string", "a string", |value| {
        matches!(value, Value::String(_))
    })
}

/// The value itself, if it is what it is wanted to be.
fn cast(values: &[Value], name: &str, wanted: &str, is_wanted: fn(&Value) -> bool) -> anyhow::Result<Value> {
    match values.first().filter(|value| is_wanted(value)) {
        Some(value) => Ok(value.clone()),
        None => anyhow::bail!("{name}: operand 1 must be {wanted}"),
    }
}
