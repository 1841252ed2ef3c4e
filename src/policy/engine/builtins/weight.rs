//! How much a value is when it is written out, compared or copied to its leaves: parts that it shares count as often as
//! they are met. A value of forty steps can hold itself twice in each, and nothing would ever come to its end.

use regorus::Value;

use super::{TooMuch, bounded};

/// The most that a builtin goes through: four times [`bounded::MAX_TEXT`], which an object that the API server stores
/// stays below whatever it holds.
const MAX: usize = 16 * 1024 * 1024;

/// What a value weighs besides its text.
const NODE: usize = 8;

/// Refuses a value that is too heavy to be gone through.
pub(super) fn check(value: &Value, function: &str) -> anyhow::Result<()> {
    match rest(value, NODE, MAX) {
        Some(_) => Ok(()),
        None => Err(TooMuch(format!("{function}: the operands are more than 16 MiB")).into()),
    }
}

/// Whether a value is heavier than this.
pub(super) fn exceeds(value: &Value, most: usize) -> bool {
    rest(value, NODE, most).is_none()
}

/// Refuses a value whose JSON would be longer than a text may be: each part takes two characters at least.
pub(super) fn check_as_text(value: &Value, function: &str) -> anyhow::Result<()> {
    match rest(value, 2, bounded::MAX_TEXT) {
        Some(_) => Ok(()),
        None => bounded::check(usize::MAX, function),
    }
}

/// How a value is laid out when each of its parts gets a line.
pub(super) struct Lines {
    /// Before each line.
    pub(super) prefix: usize,
    /// For each level.
    pub(super) indent: usize,
}

impl Lines {
    /// Refuses a value whose text would be too long.
    pub(super) fn check(&self, value: &Value, function: &str) -> anyhow::Result<()> {
        match self.rest(value, 0, bounded::MAX_TEXT) {
            Some(_) => Ok(()),
            None => bounded::check(usize::MAX, function),
        }
    }

    fn rest(&self, value: &Value, depth: usize, left: usize) -> Option<usize> {
        let line = self.prefix.checked_add(self.indent.checked_mul(depth)?)?;
        let left = left.checked_sub(line.checked_add(2)?)?;
        let below = depth + 1;
        match value {
            Value::String(text) => left.checked_sub(text.len()),
            Value::Array(items) => items
                .iter()
                .try_fold(left, |left, item| self.rest(item, below, left)),
            Value::Set(items) => items
                .iter()
                .try_fold(left, |left, item| self.rest(item, below, left)),
            Value::Object(members) => members.iter().try_fold(left, |left, (key, member)| {
                self.rest(member, below, rest(key, 2, left)?)
            }),
            _ => Some(left),
        }
    }
}

/// How many values `walk` would make: one for each part and one for each step of its path.
pub(super) fn steps(value: &Value, depth: usize, left: usize) -> Option<usize> {
    let left = left.checked_sub(depth + 1)?;
    match value {
        Value::Array(items) => items
            .iter()
            .try_fold(left, |left, item| steps(item, depth + 1, left)),
        Value::Set(items) => items
            .iter()
            .try_fold(left, |left, item| steps(item, depth + 1, left)),
        Value::Object(members) => members
            .values()
            .try_fold(left, |left, member| steps(member, depth + 1, left)),
        _ => Some(left),
    }
}

fn rest(value: &Value, node: usize, left: usize) -> Option<usize> {
    let left = left.checked_sub(node)?;
    match value {
        Value::String(text) => left.checked_sub(text.len()),
        Value::Array(items) => items.iter().try_fold(left, |left, item| rest(item, node, left)),
        Value::Set(items) => items.iter().try_fold(left, |left, item| rest(item, node, left)),
        Value::Object(members) => members.iter().try_fold(left, |left, (key, member)| {
            rest(member, node, rest(key, node, left)?)
        }),
        _ => Some(left),
    }
}

/// About how many bytes a value takes, down to this depth: below it, what a builtin gives is shared with its operands.
pub(super) fn size(value: &Value, depth: usize) -> usize {
    const VALUE: usize = size_of::<Value>();
    const HEAD: usize = 64;
    let Some(below) = depth.checked_sub(1) else {
        return VALUE;
    };
    VALUE
        + match value {
            Value::String(text) => 2 * size_of::<usize>() + text.len(),
            Value::Array(items) => HEAD + items.iter().map(|item| size(item, below)).sum::<usize>(),
            Value::Set(items) => HEAD + items.iter().map(|item| size(item, below)).sum::<usize>(),
            Value::Object(members) => {
                let members = members.iter();
                HEAD + members
                    .map(|(key, member)| size(key, below) + size(member, below))
                    .sum::<usize>()
            }
            _ => 0,
        }
}
