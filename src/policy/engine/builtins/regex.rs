//! Regular expressions: patterns mean what they mean in OPA, and no operands panic or grow without bound.

mod syntax;

use regorus::Value;

use super::bounded::{self, MAX_ITEMS};
use super::{TooMuch, original, text};

/// The longest pattern. One of ordinary characters that is longer is compiled to more than the engine allows.
const MAX_PATTERN: usize = 16 * 1024;

/// Refuses a pattern that would take too long to read.
pub(super) fn check_pattern(pattern: &str, function: &str) -> anyhow::Result<()> {
    if pattern.len() > MAX_PATTERN {
        return Err(TooMuch(format!("{function}: the pattern is longer than 16 KiB")).into());
    }
    Ok(())
}

/// Calls the engine's builtin with the operand at this place as the pattern that it is in OPA.
fn with_pattern(name: &str, at: usize, values: &[Value]) -> anyhow::Result<Value> {
    let pattern = text(values, at, name)?;
    check_pattern(pattern, name)?;
    let pattern = Value::from(syntax::translated(pattern));
    let mut operands = values.to_vec();
    if let Some(operand) = operands.get_mut(at) {
        *operand = pattern;
    }
    original::call(name, &operands)
}

pub(super) fn find_all_string_submatch_n(values: &[Value]) -> anyhow::Result<Value> {
    const NAME: &str = "regex.find_all_string_submatch_n";
    // Each match is given with all its groups.
    let groups = text(values, 0, NAME)?.matches('(').count().saturating_add(1);
    found(NAME, MAX_ITEMS / groups, values)
}

pub(super) fn find_n(values: &[Value]) -> anyhow::Result<Value> {
    found("regex.find_n", MAX_ITEMS, values)
}

/// The matches, when they are not too many: one more than that is asked for at most.
fn found(name: &str, most: usize, values: &[Value]) -> anyhow::Result<Value> {
    let limit = Value::from(most.saturating_add(1));
    let asked = values.get(2);
    let unlimited = matches!(asked, Some(Value::Number(asked)) if asked.is_integer() && !asked.is_positive());
    let mut operands = values.to_vec();
    if let (Some(operand), Some(asked @ Value::Number(_))) = (operands.get_mut(2), asked)
        && (*asked > limit || unlimited && *asked != Value::from(0))
    {
        *operand = limit;
    }
    let matches = with_pattern(name, 0, &operands)?;
    if matches!(&matches, Value::Array(matches) if matches.len() > most) {
        return Err(TooMuch(format!("{name}: more than {most} matches")).into());
    }
    Ok(matches)
}

/// What is no string is no pattern.
pub(super) fn is_valid(values: &[Value]) -> anyhow::Result<Value> {
    match values.first() {
        Some(Value::String(_)) => with_pattern("regex.is_valid", 0, values),
        _ => Ok(Value::from(false)),
    }
}

pub(super) fn matches(values: &[Value]) -> anyhow::Result<Value> {
    with_pattern("regex.match", 0, values)
}

/// `regex.split(pattern, text)`. Where the pattern matches the empty text, Go does not split before the first character
/// and behind the last.
pub(super) fn split(values: &[Value]) -> anyhow::Result<Value> {
    const NAME: &str = "regex.split";
    let (pattern, whole) = (text(values, 0, NAME)?, text(values, 1, NAME)?);
    find_n(&[Value::from(pattern), Value::from(whole), Value::from(-1)])?;
    let parts = match with_pattern(NAME, 0, values)? {
        Value::Array(parts) => parts,
        parts => return Ok(parts),
    };
    let empty = Value::from("");
    if whole.is_empty() {
        let parts = if pattern.is_empty() {
            Vec::new()
        } else {
            vec![empty]
        };
        return Ok(Value::from(parts));
    }
    if parts.first() != Some(&empty) && parts.last() != Some(&empty) {
        return Ok(Value::Array(parts));
    }
    let found = match find_n(&[Value::from(pattern), Value::from(whole), Value::from(-1)])? {
        Value::Array(found) => found,
        found => return Ok(found),
    };
    let at_start = parts.first() == Some(&empty) && found.first() == Some(&empty);
    let at_end = parts.last() == Some(&empty) && found.last() == Some(&empty);
    let kept = parts.iter().skip(usize::from(at_start)).cloned();
    let mut kept: Vec<Value> = kept.collect();
    kept.truncate(kept.len().saturating_sub(usize::from(at_end)));
    Ok(Value::from(kept))
}

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
        let (matches, matched) = match find_n(&operands)? {
            Value::Array(found) => (found.len(), found.iter().map(length).sum()),
            _ => (0, 0),
        };
        bounded::check(longest(matches, matched), NAME)?;
    }
    with_pattern(NAME, 1, values)
}

fn length(found: &Value) -> usize {
    match found {
        Value::String(text) => text.len(),
        _ => 0,
    }
}

fn valid(pattern: &str, function: &str) -> anyhow::Result<()> {
    match is_valid(&[Value::from(pattern)])? {
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
    matches(&[Value::from(pattern), Value::from(whole)])
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
