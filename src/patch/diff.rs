//! The difference between the object and what a policy wants, as few operations as the structure shows.
//!
//! Numbers count by value: the engine gives an untouched `1.0` back as `1`, and that is no change. So unchanged parts
//! are never written, and where an array has to be written whole its unchanged parts come from the object as it was.

use serde_json::{Number, Value};

use super::Reason;
use super::draft::Draft;
use super::pointer::{Key, Path};

/// From how many moved elements on an array is written whole rather than element by element.
const SHIFTS_PER_ARRAY: usize = 100_000;

/// Whether two values are the same document: numbers by value, whatever their form.
pub fn same(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::Number(one), Value::Number(other)) => same_number(one, other),
        (Value::Array(one), Value::Array(other)) => {
            one.len() == other.len() && one.iter().zip(other).all(|(one, other)| same(one, other))
        }
        (Value::Object(one), Value::Object(other)) => {
            one.len() == other.len()
                && one
                    .iter()
                    .all(|(key, value)| other.get(key).is_some_and(|other| same(value, other)))
        }
        (one, other) => one == other,
    }
}

fn same_number(one: &Number, other: &Number) -> bool {
    match (one.as_i128(), other.as_i128()) {
        (Some(integer), None) => is_integer(other, integer),
        (None, Some(integer)) => is_integer(one, integer),
        // Two floats compare by value too: `-0.0` is `0.0`.
        _ => one == other,
    }
}

/// Whether a float is exactly this integer. The cast back saturates far outside the range of JSON's integers here.
fn is_integer(float: &Number, integer: i128) -> bool {
    float
        .as_f64()
        .is_some_and(|float| float.fract() == 0.0 && float as i128 == integer)
}

/// Changes a draft of `before` into `wanted`.
pub(super) fn record(before: &Value, wanted: &Value, draft: &mut Draft) -> Result<(), Reason> {
    Diff {
        path: Vec::new(),
        draft,
    }
    .value(before, wanted)
}

struct Diff<'a> {
    path: Vec<Key>,
    draft: &'a mut Draft,
}

impl Diff<'_> {
    fn value(&mut self, before: &Value, wanted: &Value) -> Result<(), Reason> {
        match (before, wanted) {
            (Value::Object(before), Value::Object(wanted)) => {
                for name in before.keys().filter(|name| !wanted.contains_key(*name)) {
                    self.at(Key::Name(name.clone()), |diff| diff.remove())?;
                }
                for (name, wanted) in wanted {
                    self.at(Key::Name(name.clone()), |diff| match before.get(name) {
                        Some(before) => diff.value(before, wanted),
                        None => diff.add(wanted),
                    })?;
                }
                Ok(())
            }
            (Value::Array(before), Value::Array(wanted)) => self.array(before, wanted),
            _ if same(before, wanted) => Ok(()),
            _ => self.replace(wanted.clone()),
        }
    }

    /// What both begin with and what both end with stays; between, element by element, then what one has more.
    fn array(&mut self, before: &[Value], wanted: &[Value]) -> Result<(), Reason> {
        let shorter = before.len().min(wanted.len());
        let pairs = || before.iter().zip(wanted);
        let prefix = pairs()
            .take_while(|(before, wanted)| same(before, wanted))
            .count();
        let pairs = before
            .iter()
            .rev()
            .zip(wanted.iter().rev())
            .take(shorter - prefix);
        let suffix = pairs.take_while(|(before, wanted)| same(before, wanted)).count();
        if before.len().abs_diff(wanted.len()).saturating_mul(suffix) > SHIFTS_PER_ARRAY {
            return self.replace(rewritten(before, wanted, suffix));
        }
        let paired = before
            .iter()
            .zip(wanted)
            .enumerate()
            .take(shorter - suffix)
            .skip(prefix);
        for (index, (before, wanted)) in paired {
            self.at(Key::Index(index), |diff| diff.value(before, wanted))?;
        }
        let end = shorter - suffix;
        for index in (end..before.len() - suffix).rev() {
            self.at(Key::Index(index), |diff| diff.remove())?;
        }
        for (index, wanted) in wanted.iter().enumerate().take(wanted.len() - suffix).skip(end) {
            self.at(Key::Index(index), |diff| diff.add(wanted))?;
        }
        Ok(())
    }

    fn at(&mut self, key: Key, change: impl FnOnce(&mut Self) -> Result<(), Reason>) -> Result<(), Reason> {
        self.path.push(key);
        change(self)?;
        self.path.pop();
        Ok(())
    }

    fn path(&self) -> Result<Path, Reason> {
        Path::new(self.path.clone()).ok_or(Reason::WholeDocument)
    }

    fn add(&mut self, value: &Value) -> Result<(), Reason> {
        self.draft.add(&self.path()?, value.clone())
    }

    fn remove(&mut self) -> Result<(), Reason> {
        self.draft.remove(&self.path()?).map(drop)
    }

    fn replace(&mut self, value: Value) -> Result<(), Reason> {
        self.draft.replace(&self.path()?, value)
    }
}

/// The wanted array with everything that is unchanged taken from the array before.
fn rewritten(before: &[Value], wanted: &[Value], suffix: usize) -> Value {
    let partners = before.iter().map(Some).chain(std::iter::repeat(None));
    let head = wanted.iter().zip(partners).take(wanted.len() - suffix);
    let tail = before.iter().skip(before.len() - suffix).cloned();
    Value::Array(
        head.map(|(wanted, before)| kept(before, wanted))
            .chain(tail)
            .collect(),
    )
}

/// The wanted value with everything that is unchanged taken from the value before.
fn kept(before: Option<&Value>, wanted: &Value) -> Value {
    match (before, wanted) {
        (Some(Value::Object(before)), Value::Object(wanted)) => {
            let members = wanted
                .iter()
                .map(|(name, wanted)| (name.clone(), kept(before.get(name), wanted)));
            Value::Object(members.collect())
        }
        (Some(Value::Array(before)), Value::Array(wanted)) => rewritten(before, wanted, 0),
        (Some(before), wanted) if same(before, wanted) => before.clone(),
        (_, wanted) => wanted.clone(),
    }
}
