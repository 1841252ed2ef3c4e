//! `json.filter` and `json.remove`: what paths lead to, alone or left out. A path is a text of names between slashes,
//! escaped as in a JSON pointer, or an array of keys.

use std::collections::{BTreeMap, BTreeSet};

use regorus::Value;

use super::bounded::too_many;
use super::{TooMuch, weight};

/// The most names in a path.
const MAX_PATH: usize = 1000;

/// What some paths lead to.
enum Chosen {
    /// A path ends here.
    Whole,
    /// They go on with these keys.
    Below(BTreeMap<Value, Chosen>),
}

/// `json.filter(object, paths)`.
pub(super) fn filter(values: &[Value]) -> anyhow::Result<Value> {
    let (object, chosen) = operands("json.filter", values)?;
    Ok(filtered(object, &chosen))
}

/// `json.remove(object, paths)`.
pub(super) fn remove(values: &[Value]) -> anyhow::Result<Value> {
    let (object, chosen) = operands("json.remove", values)?;
    Ok(rest(object, Some(&chosen)).unwrap_or_else(Value::new_object))
}

fn operands<'a>(name: &str, values: &'a [Value]) -> anyhow::Result<(&'a Value, Chosen)> {
    let Some(object @ Value::Object(_)) = values.first() else {
        anyhow::bail!("{name}: operand 1 must be an object");
    };
    values.iter().try_for_each(|value| weight::check(value, name))?;
    let paths: Vec<Vec<Value>> = match values.get(1) {
        Some(Value::Array(paths)) => paths
            .iter()
            .map(|path| keys(path, name))
            .collect::<Result<_, _>>()?,
        Some(Value::Set(paths)) => paths
            .iter()
            .map(|path| keys(path, name))
            .collect::<Result<_, _>>()?,
        _ => anyhow::bail!("{name}: operand 2 must be an array or a set"),
    };
    too_many(paths.iter().map(Vec::len).sum(), name)?;
    let mut chosen = Chosen::Below(BTreeMap::new());
    // What has no keys leads nowhere.
    for path in paths.into_iter().filter(|path| !path.is_empty()) {
        chosen.add(path);
    }
    Ok((object, chosen))
}

fn keys(path: &Value, name: &str) -> anyhow::Result<Vec<Value>> {
    let keys: Vec<Value> = match path {
        Value::String(path) if path.is_empty() => Vec::new(),
        Value::String(path) => {
            let names = path.trim_start_matches('/').split('/');
            names
                .map(|name| Value::from(name.replace("~1", "/").replace("~0", "~")))
                .collect()
        }
        Value::Array(keys) => keys.iter().cloned().collect(),
        _ => anyhow::bail!("{name}: a path must be a string or an array"),
    };
    if keys.len() > MAX_PATH {
        let message = format!("{name}: a path has more than {MAX_PATH} names");
        return Err(TooMuch(message).into());
    }
    Ok(keys)
}

impl Chosen {
    /// Adds a path; one that ends on the way to others takes their place.
    fn add(&mut self, path: Vec<Value>) {
        let mut at = self;
        for key in path {
            let Chosen::Below(below) = at else {
                return;
            };
            at = below.entry(key).or_insert_with(|| Chosen::Below(BTreeMap::new()));
        }
        *at = Chosen::Whole;
    }

    fn get(&self, key: &Value) -> Option<&Self> {
        match self {
            Chosen::Whole => Some(self),
            Chosen::Below(below) => below.get(key),
        }
    }
}

/// The key that the item of an array has in a path.
fn index(at: usize) -> Value {
    Value::from(at.to_string())
}

/// What the paths lead to; a path that goes on where the value does not leads to the value.
fn filtered(value: &Value, chosen: &Chosen) -> Value {
    match chosen {
        Chosen::Whole => value.clone(),
        chosen => of_parts(value, |key, part| {
            chosen.get(key).map(|chosen| filtered(part, chosen))
        }),
    }
}

/// What the paths do not lead to, if there is anything.
fn rest(value: &Value, chosen: Option<&Chosen>) -> Option<Value> {
    match chosen {
        None => Some(value.clone()),
        Some(Chosen::Whole) => None,
        Some(chosen) => Some(of_parts(value, |key, part| rest(part, chosen.get(key)))),
    }
}

/// A collection of what becomes of its parts, by their keys; what has no parts stays.
fn of_parts(value: &Value, part: impl Fn(&Value, &Value) -> Option<Value>) -> Value {
    match value {
        Value::Array(items) => {
            let items = items.iter().enumerate();
            let items = items.filter_map(|(at, item)| part(&index(at), item));
            Value::from(items.collect::<Vec<_>>())
        }
        Value::Set(items) => {
            let items = items.iter().filter_map(|item| part(item, item));
            Value::from(items.collect::<BTreeSet<_>>())
        }
        Value::Object(members) => {
            let members = members.iter();
            let members = members.filter_map(|(key, member)| Some((key.clone(), part(key, member)?)));
            Value::from(members.collect::<BTreeMap<_, _>>())
        }
        value => value.clone(),
    }
}
