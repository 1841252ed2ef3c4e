//! `regex.replace` and `regex.template_match`, for all operands.

use regorus::Value;

use super::{bounded, original, text};

/// `regex.replace(text, pattern, new)`, when its result is not too long: one long text can take the place of every
/// character of another. The engine leaves a bad pattern undefined, which hides it from the author.
pub(super) fn replace(values: &[Value]) -> anyhow::Result<Value> {
    const NAME: &str = "regex.replace";
    let (whole, pattern, new) = (
        text(values, 0, NAME)?,
        text(values, 1, NAME)?,
        text(values, 2, NAME)?,
    );
    valid(pattern, NAME)?;
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

fn valid(pattern: &str, function: &str) -> anyhow::Result<()> {
    match original::call("regex.is_valid", &[Value::from(pattern)])? {
        Value::Bool(true) => Ok(()),
        _ => anyhow::bail!("{function}: the pattern is not a regular expression"),
    }
}

/// `regex.template_match(template, text, open, close)`: what stands between the delimiters is a pattern, the rest stands
/// for itself. The engine panics on texts that are shorter than what stands for itself.
pub(super) fn template_match(values: &[Value]) -> anyhow::Result<Value> {
    const NAME: &str = "regex.template_match";
    let (template, whole) = (text(values, 0, NAME)?, text(values, 1, NAME)?);
    let delimiter = |at: usize| match text(values, at, NAME)?.as_bytes() {
        [delimiter] => Ok(char::from(*delimiter)),
        _ => anyhow::bail!("{NAME}: operand {} must be one character of ASCII", at + 1),
    };
    let pattern = pattern_of(template, delimiter(2)?, delimiter(3)?)?;
    original::call("regex.match", &[Value::from(pattern), Value::from(whole)])
}

fn pattern_of(template: &str, open: char, close: char) -> anyhow::Result<String> {
    const NAME: &str = "regex.template_match";
    let mut pattern = String::from("^");
    let mut inner = String::new();
    let mut depth = 0usize;
    for c in template.chars() {
        match c {
            _ if c == open && depth == 0 => depth = 1,
            _ if c == open => depth += 1,
            _ if c == close && depth == 1 => {
                depth = 0;
                valid(&format!("^{inner}$"), NAME)?;
                pattern.extend(["(", &inner, ")"]);
                inner.clear();
                continue;
            }
            _ if c == close => match depth.checked_sub(1) {
                Some(outer) => depth = outer,
                None => anyhow::bail!("{NAME}: unbalanced delimiters"),
            },
            _ if depth == 0 => {
                pattern.extend("\\.+*?()|[]{}^$".contains(c).then_some('\\'));
                pattern.push(c);
            }
            _ => {}
        }
        if depth > 1 || (depth == 1 && c != open) {
            inner.push(c);
        }
    }
    if depth > 0 {
        anyhow::bail!("{NAME}: unbalanced delimiters");
    }
    pattern.push('$');
    Ok(pattern)
}
