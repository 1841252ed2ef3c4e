//! `object.subset` as OPA answers it for every pair of types.

use std::collections::BTreeSet;

use regorus::Value;

pub(super) fn subset(values: &[Value]) -> anyhow::Result<Value> {
    let (Some(whole), Some(part)) = (values.first(), values.get(1)) else {
        anyhow::bail!("object.subset: two operands are needed");
    };
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

/// Whether `part` stands in `whole` without a gap. Linear (Knuth, Morris and Pratt): both may come from a requester.
fn contains_run(whole: &[Value], part: &[Value]) -> bool {
    let Some(last) = part.len().checked_sub(1) else {
        return true;
    };
    // `falls[i]`: how long a proper prefix of `part` ends at its item `i`.
    let mut falls: Vec<usize> = Vec::with_capacity(part.len());
    let advance = |falls: &[usize], mut matched: usize, item: &Value| {
        while matched > 0 && part.get(matched) != Some(item) {
            matched = falls.get(matched - 1).copied().unwrap_or_default();
        }
        matched + usize::from(part.get(matched) == Some(item))
    };
    let mut matched = 0;
    falls.push(0);
    for item in part.iter().skip(1) {
        matched = advance(&falls, matched, item);
        falls.push(matched);
    }
    matched = 0;
    for item in whole {
        matched = advance(&falls, matched, item);
        if matched > last {
            return true;
        }
    }
    false
}
