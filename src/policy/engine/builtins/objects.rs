//! `object.subset` as OPA answers it for every pair of types, `object.union_n` in time that grows with its operands, and
//! `array.flatten`.

use std::collections::BTreeSet;

use regorus::Value;

use super::{bounded, search, weight};

pub(super) fn subset(values: &[Value]) -> anyhow::Result<Value> {
    let (Some(whole), Some(part)) = (values.first(), values.get(1)) else {
        anyhow::bail!("object.subset: two operands are needed");
    };
    values
        .iter()
        .try_for_each(|value| weight::check(value, "object.subset"))?;
    let answer = match (whole, part) {
        // An empty array holds nothing, not even the empty set.
        (Value::Array(whole), Value::Set(part)) => {
            let items: BTreeSet<&Value> = whole.iter().collect();
            !whole.is_empty() && part.iter().all(|item| items.contains(item))
        }
        _ => same_type(whole, part).ok_or_else(|| {
            anyhow::anyhow!("object.subset: operands must be of the same type, or an array and a set")
        })?,
    };
    Ok(Value::from(answer))
}

/// The answer for two collections of one type; members of objects are compared in the same way, at any depth.
fn same_type(whole: &Value, part: &Value) -> Option<bool> {
    Some(match (whole, part) {
        (Value::Object(whole), Value::Object(part)) => part.iter().all(|(key, part)| {
            let member = whole.get(key);
            member.is_some_and(|whole| whole == part || same_type(whole, part) == Some(true))
        }),
        (Value::Set(whole), Value::Set(part)) => part.is_subset(whole),
        (Value::Array(whole), Value::Array(part)) => contains_run(whole.as_slice(), part.as_slice()),
        _ => return None,
    })
}

/// Whether `part` stands in `whole` without a gap.
fn contains_run(whole: &[Value], part: &[Value]) -> bool {
    part.is_empty() || search::ends(whole, part).next().is_some()
}

/// `object.union_n([…])`. The engine copies what it has at each of them.
pub(super) fn union_n(values: &[Value]) -> anyhow::Result<Value> {
    const NAME: &str = "object.union_n";
    let Some(Value::Array(objects)) = values.first() else {
        anyhow::bail!("{NAME}: operand 1 must be an array");
    };
    values.iter().try_for_each(|value| weight::check(value, NAME))?;
    let mut united = Value::new_object();
    for object in objects.iter() {
        if !matches!(object, Value::Object(_)) {
            anyhow::bail!("{NAME}: operand 1 must be an array of objects");
        }
        unite(&mut united, object);
    }
    Ok(united)
}

/// `array.flatten(array)`: by one level.
pub(super) fn flatten(values: &[Value]) -> anyhow::Result<Value> {
    const NAME: &str = "array.flatten";
    let Some(Value::Array(items)) = values.first() else {
        anyhow::bail!("{NAME}: operand 1 must be an array");
    };
    let length = |item: &Value| match item {
        Value::Array(items) => items.len(),
        _ => 1,
    };
    bounded::too_many(items.iter().map(length).sum(), NAME)?;
    let mut flat = Vec::new();
    for item in items.iter() {
        match item {
            Value::Array(items) => flat.extend(items.iter().cloned()),
            item => flat.push(item.clone()),
        }
    }
    Ok(Value::from(flat))
}

/// Adds the members of `part`; objects that stand in both are united, of other values `part` has the last word.
fn unite(whole: &mut Value, part: &Value) {
    let Value::Object(members) = part else {
        *whole = part.clone();
        return;
    };
    let Ok(united) = whole.as_object_mut() else {
        *whole = part.clone();
        return;
    };
    for (key, member) in members.iter() {
        match united.get_mut(key) {
            Some(present) => unite(present, member),
            None => {
                united.insert(key.clone(), member.clone());
            }
        }
    }
}
