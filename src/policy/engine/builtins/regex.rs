//! Regular expressions: patterns mean what they mean in OPA, and no operands panic or grow without bound.

mod compiled;
mod syntax;

use std::ops::Range;
use std::sync::Arc;

use ::regex::{Captures, Match, Regex};
use regorus::Value;

use super::bounded::{self, MAX_ITEMS};
use super::{TooMuch, text};
pub(super) use compiled::compiled;

/// The longest pattern. One of ordinary characters that is longer is compiled to more than the engine allows.
const MAX_PATTERN: usize = 16 * 1024;

/// Refuses a pattern that would take too long to read.
pub(super) fn check_pattern(pattern: &str, function: &str) -> anyhow::Result<()> {
    if pattern.len() > MAX_PATTERN {
        return Err(TooMuch(format!("{function}: the pattern is longer than 16 KiB")).into());
    }
    Ok(())
}

/// The operand at this place as the pattern that it is in OPA.
fn pattern_at(values: &[Value], at: usize, function: &str) -> anyhow::Result<Arc<Regex>> {
    pattern(text(values, at, function)?, function)
}

fn pattern(pattern: &str, function: &str) -> anyhow::Result<Arc<Regex>> {
    check_pattern(pattern, function)?;
    compiled(&syntax::translated(pattern), function)
}

/// All of these, when they are not too many.
fn at_most<T>(most: usize, matches: impl Iterator<Item = T>, function: &str) -> anyhow::Result<Vec<T>> {
    let matches: Vec<T> = matches.take(most.saturating_add(1)).collect();
    if matches.len() > most {
        return Err(TooMuch(format!("{function}: more than {most} matches")).into());
    }
    Ok(matches)
}

/// How many matches the third operand asks for: all of them, if it is negative.
fn wanted(values: &[Value], function: &str) -> anyhow::Result<usize> {
    match values.get(2) {
        Some(Value::Number(number)) if number.is_integer() => {
            let number = number.as_i64().and_then(|number| usize::try_from(number).ok());
            Ok(number.unwrap_or(usize::MAX))
        }
        _ => anyhow::bail!("{function}: operand 3 must be an integer"),
    }
}

pub(super) fn find_all_string_submatch_n(values: &[Value]) -> anyhow::Result<Value> {
    const NAME: &str = "regex.find_all_string_submatch_n";
    let (pattern, whole) = (pattern_at(values, 0, NAME)?, text(values, 1, NAME)?);
    let matches = pattern.captures_iter(whole).take(wanted(values, NAME)?);
    let groups = |found: Captures<'_>| {
        let group = |group: Option<Match<'_>>| Value::from(group.map_or("", |group| group.as_str()));
        Value::from(found.iter().map(group).collect::<Vec<_>>())
    };
    // Each match is given with all its groups.
    let most = MAX_ITEMS / pattern.captures_len();
    Ok(Value::from(at_most(most, matches.map(groups), NAME)?))
}

pub(super) fn find_n(values: &[Value]) -> anyhow::Result<Value> {
    const NAME: &str = "regex.find_n";
    let (pattern, whole) = (pattern_at(values, 0, NAME)?, text(values, 1, NAME)?);
    let matches = pattern.find_iter(whole).take(wanted(values, NAME)?);
    let matches = matches.map(|found| Value::from(found.as_str()));
    Ok(Value::from(at_most(MAX_ITEMS, matches, NAME)?))
}

/// What is no string is no pattern.
pub(super) fn is_valid(values: &[Value]) -> anyhow::Result<Value> {
    let Some(Value::String(text)) = values.first() else {
        return Ok(Value::from(false));
    };
    match pattern(text, "regex.is_valid") {
        Err(error) if error.is::<TooMuch>() => Err(error),
        result => Ok(Value::from(result.is_ok())),
    }
}

pub(super) fn matches(values: &[Value]) -> anyhow::Result<Value> {
    const NAME: &str = "regex.match";
    let (pattern, whole) = (pattern_at(values, 0, NAME)?, text(values, 1, NAME)?);
    Ok(Value::from(pattern.is_match(whole)))
}

/// `regex.split(pattern, text)`. Where the pattern matches the empty text, Go does not split before the first character
/// and behind the last.
pub(super) fn split(values: &[Value]) -> anyhow::Result<Value> {
    const NAME: &str = "regex.split";
    let (pattern, whole) = (pattern_at(values, 0, NAME)?, text(values, 1, NAME)?);
    let between = at_most(MAX_ITEMS, pattern.find_iter(whole), NAME)?;
    let part = |range: Range<usize>| Value::from(whole.get(range).unwrap_or_default());
    let mut parts = Vec::with_capacity(between.len().saturating_add(1));
    let mut begin = 0;
    for found in &between {
        parts.extend((found.end() > 0).then(|| part(begin..found.start())));
        begin = found.end();
    }
    let is_done = match between.last() {
        // Only the empty pattern leaves nothing of the empty text.
        _ if whole.is_empty() => values.first() == Some(&Value::from("")),
        Some(last) => last.start() == whole.len(),
        None => false,
    };
    parts.extend((!is_done).then(|| part(begin..whole.len())));
    Ok(Value::from(parts))
}

/// `regex.replace(text, pattern, new)`, when its result is not too long: one long text can take the place of every
/// character of another.
pub(super) fn replace(values: &[Value]) -> anyhow::Result<Value> {
    const NAME: &str = "regex.replace";
    let (whole, new) = (text(values, 0, NAME)?, text(values, 2, NAME)?);
    let pattern = pattern_at(values, 1, NAME)?;
    // Each `$` can stand for a whole match.
    let references = new.matches('$').count();
    let longest = |matches: usize, matched: usize| {
        let inserted = matches.saturating_mul(new.len());
        let quoted = matched.saturating_mul(references);
        whole.len().saturating_add(inserted).saturating_add(quoted)
    };
    if longest(whole.len().saturating_add(1), whole.len()) > bounded::MAX_TEXT {
        let found = at_most(MAX_ITEMS, pattern.find_iter(whole), NAME)?;
        let matched = found.iter().map(Match::len).sum();
        bounded::check(longest(found.len(), matched), NAME)?;
    }
    Ok(Value::from(pattern.replace_all(whole, new).as_ref()))
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
                self::pattern(&format!("^{inner}$"), NAME)?;
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
