//! `regex.replace`, when its result is not too long: one long text can take the place of every character of another.

use regorus::Value;

use super::{bounded, original, text};

const NAME: &str = "regex.replace";

pub(super) fn replace(values: &[Value]) -> anyhow::Result<Value> {
    let (whole, pattern, new) = (
        text(values, 0, NAME)?,
        text(values, 1, NAME)?,
        text(values, 2, NAME)?,
    );
    // Each `$` can stand for a whole match.
    let references = new.matches('$').count();
    let longest = |matches: usize, matched: usize| {
        let inserted = matches.saturating_mul(new.len());
        let quoted = matched.saturating_mul(references);
        whole.len().saturating_add(inserted).saturating_add(quoted)
    };
    if longest(whole.len().saturating_add(1), whole.len()) > bounded::MAX_TEXT {
        let operands = [Value::from(pattern), Value::from(whole), Value::from(-1)];
        let (matches, matched) = match original::call("regex.find_n", &operands)? {
            Value::Array(found) => (found.len(), found.iter().map(length).sum()),
            _ => (0, 0),
        };
        bounded::check(longest(matches, matched), NAME)?;
    }
    original::call(NAME, values)
}

fn length(found: &Value) -> usize {
    match found {
        Value::String(text) => text.len(),
        _ => 0,
    }
}
