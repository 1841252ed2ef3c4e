//! What `x in xs` comes to where it is a value, and both are there: what `normalize/members` makes of it calls these.

use regorus::Value;

/// Whether a value is in a collection. In anything else there is none.
pub(super) fn member(values: &[Value]) -> anyhow::Result<Value> {
    let [value, collection] = values else {
        anyhow::bail!("`in` takes a value and a collection")
    };
    Ok(Value::from(match collection {
        Value::Array(items) => items.contains(value),
        Value::Object(members) => members.values().any(|member| member == value),
        Value::Set(members) => members.contains(value),
        _ => false,
    }))
}

/// Whether a value is in a collection at a key. A set has none.
pub(super) fn member_at(values: &[Value]) -> anyhow::Result<Value> {
    let [key, value, collection] = values else {
        anyhow::bail!("`in` takes a key, a value and a collection")
    };
    Ok(Value::from(match collection {
        Value::Array(_) | Value::Object(_) => collection[key] == *value,
        _ => false,
    }))
}
