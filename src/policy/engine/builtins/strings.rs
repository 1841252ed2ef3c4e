//! Texts that are counted, joined and replaced as OPA does it, and no longer than a server can hold.

use std::collections::{BTreeMap, BTreeSet};

use regorus::Value;

use super::bounded::{self, Bounded};
use super::{TooMuch, original, search, text};

/// `strings.count(text, part)`: how often, without overlaps; an empty part stands before and behind every character.
pub(super) fn count(values: &[Value]) -> anyhow::Result<Value> {
    const NAME: &str = "strings.count";
    let (text, part) = (text(values, 0, NAME)?, text(values, 1, NAME)?);
    Ok(Value::from(text.matches(part).count()))
}

/// `indexof(text, part)`: counted in characters. An empty part is an error, as in OPA.
pub(super) fn indexof(values: &[Value]) -> anyhow::Result<Value> {
    let (whole, part) = whole_and_part("indexof", values)?;
    let at = whole.find(part).and_then(|at| whole.get(..at));
    Ok(match at {
        Some(before) => Value::from(before.chars().count()),
        None => Value::from(-1),
    })
}

/// `indexof_n(text, part)`: all places, those that overlap included.
pub(super) fn indexof_n(values: &[Value]) -> anyhow::Result<Value> {
    const NAME: &str = "indexof_n";
    let (whole, part) = whole_and_part(NAME, values)?;
    let (mut counted, mut characters) = (0, 0);
    let mut places = Vec::new();
    for end in search::ends(whole.as_bytes(), part.as_bytes()) {
        let begin = end.saturating_sub(part.len());
        characters += whole.get(counted..begin).map_or(0, |text| text.chars().count());
        counted = begin;
        places.push(Value::from(characters));
        bounded::too_many(places.len(), NAME)?;
    }
    Ok(Value::from(places))
}

fn whole_and_part<'a>(name: &str, values: &'a [Value]) -> anyhow::Result<(&'a str, &'a str)> {
    let (whole, part) = (text(values, 0, name)?, text(values, 1, name)?);
    if part.is_empty() {
        anyhow::bail!("{name}: operand 2 must not be empty");
    }
    Ok((whole, part))
}

/// `trim(text, characters)`. The engine goes through all the characters for each of the text.
pub(super) fn trim(values: &[Value]) -> anyhow::Result<Value> {
    let (text, any) = text_and_characters("trim", values)?;
    Ok(Value::from(text.trim_matches(|c| any.contains(&c))))
}

/// `trim_left(text, characters)`
pub(super) fn trim_left(values: &[Value]) -> anyhow::Result<Value> {
    let (text, any) = text_and_characters("trim_left", values)?;
    Ok(Value::from(text.trim_start_matches(|c| any.contains(&c))))
}

/// `trim_right(text, characters)`
pub(super) fn trim_right(values: &[Value]) -> anyhow::Result<Value> {
    let (text, any) = text_and_characters("trim_right", values)?;
    Ok(Value::from(text.trim_end_matches(|c| any.contains(&c))))
}

fn text_and_characters<'a>(name: &str, values: &'a [Value]) -> anyhow::Result<(&'a str, BTreeSet<char>)> {
    Ok((text(values, 0, name)?, text(values, 1, name)?.chars().collect()))
}

/// `count(collection)`, of a text its characters.
pub(super) fn items(values: &[Value]) -> anyhow::Result<Value> {
    Ok(Value::from(match values.first() {
        Some(Value::String(text)) => text.chars().count(),
        Some(Value::Array(items)) => items.len(),
        Some(Value::Set(items)) => items.len(),
        Some(Value::Object(members)) => members.len(),
        _ => anyhow::bail!("count: operand 1 must be a string, an array, a set or an object"),
    }))
}

/// `lower(text)`: each character by itself, as in Go.
pub(super) fn lower(values: &[Value]) -> anyhow::Result<Value> {
    let lower = |c: char| match c {
        'İ' => 'i',
        c => one(c.to_lowercase()).unwrap_or(c),
    };
    Ok(Value::from(
        text(values, 0, "lower")?.chars().map(lower).collect::<String>(),
    ))
}

/// `upper(text)`: each character by itself, as in Go.
pub(super) fn upper(values: &[Value]) -> anyhow::Result<Value> {
    let upper = |c: char| match u32::from(c) {
        // Greek letters with an iota have a single character for both.
        code @ (0x1f80..=0x1f87 | 0x1f90..=0x1f97 | 0x1fa0..=0x1fa7) => char::from_u32(code + 8).unwrap_or(c),
        code @ (0x1fb3 | 0x1fc3 | 0x1ff3) => char::from_u32(code + 9).unwrap_or(c),
        _ => one(c.to_uppercase()).unwrap_or(c),
    };
    Ok(Value::from(
        text(values, 0, "upper")?.chars().map(upper).collect::<String>(),
    ))
}

/// The character, if it is one.
fn one(mut characters: impl Iterator<Item = char>) -> Option<char> {
    let first = characters.next()?;
    characters.next().is_none().then_some(first)
}

/// `semver.is_valid(text)`; what is no string is not valid.
pub(super) fn semver_is_valid(values: &[Value]) -> anyhow::Result<Value> {
    match values.first() {
        Some(Value::String(text)) => original::call("semver.is_valid", &[version(text)]),
        _ => Ok(Value::from(false)),
    }
}

/// `semver.compare(a, b)`
pub(super) fn semver_compare(values: &[Value]) -> anyhow::Result<Value> {
    const NAME: &str = "semver.compare";
    let (one, other) = (text(values, 0, NAME)?, text(values, 1, NAME)?);
    original::call(NAME, &[version(one), version(other)])
}

/// A version may stand behind a `v`.
fn version(text: &str) -> Value {
    Value::from(text.strip_prefix('v').unwrap_or(text))
}

/// `concat(between, items)`.
pub(super) fn concat(values: &[Value]) -> anyhow::Result<Value> {
    const NAME: &str = "concat";
    let length = |item: &Value| match item {
        Value::String(text) => text.len(),
        _ => 0,
    };
    let (items, texts): (usize, usize) = match values.get(1) {
        Some(Value::Array(items)) => (items.len(), items.iter().map(length).sum()),
        Some(Value::Set(items)) => (items.len(), items.iter().map(length).sum()),
        _ => (0, 0),
    };
    let between = text(values, 0, NAME)?
        .len()
        .saturating_mul(items.saturating_sub(1));
    bounded::check(texts.saturating_add(between), NAME)?;
    original::call(NAME, values)
}

/// `strings.split_n(text, between, n)`: the first `n` parts, or the last where `n` is negative.
pub(super) fn split_n(values: &[Value]) -> anyhow::Result<Value> {
    const NAME: &str = "strings.split_n";
    let (whole, between) = (text(values, 0, NAME)?, text(values, 1, NAME)?);
    let wanted = match values.get(2) {
        Some(Value::Number(number)) => number.as_i64(),
        _ => None,
    };
    let wanted = wanted.ok_or_else(|| anyhow::anyhow!("{NAME}: operand 3 must be an integer"))?;
    bounded::too_many(whole.matches(between).count(), NAME)?;
    // Without anything between them each character is a part.
    let parts: Vec<Value> = match between.is_empty() {
        true => whole.chars().map(|c| Value::from(c.to_string())).collect(),
        false => whole.split(between).map(Value::from).collect(),
    };
    let count = usize::try_from(wanted.unsigned_abs()).unwrap_or(usize::MAX);
    let skipped = if wanted < 0 {
        parts.len().saturating_sub(count)
    } else {
        0
    };
    Ok(Value::from(
        parts.into_iter().skip(skipped).take(count).collect::<Vec<_>>(),
    ))
}

/// `replace(text, old, new)`.
pub(super) fn replace(values: &[Value]) -> anyhow::Result<Value> {
    const NAME: &str = "replace";
    let (whole, old, new) = (
        text(values, 0, NAME)?,
        text(values, 1, NAME)?,
        text(values, 2, NAME)?,
    );
    if new.len() > old.len() {
        let added = whole.matches(old).count().saturating_mul(new.len() - old.len());
        bounded::check(whole.len().saturating_add(added), NAME)?;
    }
    Ok(Value::from(whole.replace(old, new)))
}

/// `strings.replace_n({old: new}, text)`: in one pass, so that what was put in is not replaced again. Of the keys that
/// fit at a place the first in their order is taken.
pub(super) fn replace_n(values: &[Value]) -> anyhow::Result<Value> {
    const NAME: &str = "strings.replace_n";
    let Some(Value::Object(patterns)) = values.first() else {
        anyhow::bail!("{NAME}: operand 1 must be an object");
    };
    let mut rest = text(values, 1, NAME)?;
    // By first character, `None` for the empty key, which fits everywhere and comes before all others.
    let mut pairs: BTreeMap<Option<char>, Vec<(&str, &str)>> = BTreeMap::new();
    for pair in patterns.iter_sorted() {
        let (Value::String(old), Value::String(new)) = pair else {
            anyhow::bail!("{NAME}: keys and values of operand 1 must be strings");
        };
        pairs.entry(old.chars().next()).or_default().push((old, new));
    }
    check_compared(&pairs, rest)?;
    let empty = pairs.get(&None).and_then(|pairs| pairs.first());
    let mut replaced = Bounded::new(NAME);
    let mut put_before = false;
    loop {
        let next = rest.chars().next();
        let fits = |(old, _): &&(&str, &str)| rest.starts_with(*old);
        let found = next.and_then(|next| pairs.get(&Some(next))?.iter().find(fits));
        match (empty, found) {
            (Some((_, new)), _) if !put_before => {
                replaced.push(new)?;
                put_before = true;
                continue;
            }
            (_, Some((old, new))) => {
                replaced.push(new)?;
                rest = rest.get(old.len()..).unwrap_or_default();
            }
            (_, None) => {
                let Some(next) = next else { break };
                replaced.push(next.encode_utf8(&mut [0; 4]))?;
                rest = rest.get(next.len_utf8()..).unwrap_or_default();
            }
        }
        put_before = false;
    }
    Ok(Value::from(replaced.into_text()))
}

/// The most bytes that `strings.replace_n` compares.
const MAX_COMPARED: usize = 1 << 31;

/// Refuses keys that would all have to be tried at every place of a long text.
fn check_compared(pairs: &BTreeMap<Option<char>, Vec<(&str, &str)>>, text: &str) -> anyhow::Result<()> {
    let bytes = |pairs: &Vec<(&str, &str)>| pairs.iter().map(|(old, _)| old.len()).sum::<usize>();
    let most = pairs.values().map(bytes).max().unwrap_or(0);
    if most.saturating_mul(text.len()) > MAX_COMPARED {
        let message = format!("strings.replace_n: more than {MAX_COMPARED} bytes would be compared");
        return Err(TooMuch(message).into());
    }
    Ok(())
}
