//! `glob.match` and `glob.quote_meta` with the patterns of OPA: `*` and `?` stop at separators and `**` does not, `{a,b}`
//! lists patterns, an empty one among them, `[abc]`, `[a-c]` and `[!…]` are characters. The engine's own patterns differ.

use std::iter::Peekable;
use std::str::Chars;

use regorus::Value;

use super::{regex, text};

/// `glob.match(pattern, separators, text)`: no separators for null, the dot for an empty array.
pub(super) fn matches(values: &[Value]) -> anyhow::Result<Value> {
    const NAME: &str = "glob.match";
    let (pattern, whole) = (text(values, 0, NAME)?, text(values, 2, NAME)?);
    let separators = match values.get(1) {
        Some(Value::Null) => Vec::new(),
        Some(Value::Array(separators)) if separators.is_empty() => vec!['.'],
        Some(Value::Array(separators)) => separators.iter().filter_map(only_character).collect(),
        _ => anyhow::bail!("{NAME}: operand 2 must be an array or null"),
    };
    let given = values.get(1).and_then(|separators| separators.as_array().ok());
    if given.is_some_and(|given| given.len() > separators.len()) {
        anyhow::bail!("{NAME}: separators must be single characters");
    }
    regex::check_pattern(pattern, NAME)?;
    let Some(pattern) = regex_of(pattern, &separators) else {
        anyhow::bail!("{NAME}: operand 1 is not a pattern");
    };
    Ok(Value::from(regex::compiled(&pattern, NAME)?.is_match(whole)))
}

/// `glob.quote_meta(text)`
pub(super) fn quote_meta(values: &[Value]) -> anyhow::Result<Value> {
    let mut quoted = String::new();
    for c in text(values, 0, "glob.quote_meta")?.chars() {
        quoted.extend(r"*?\[]{}".contains(c).then_some('\\'));
        quoted.push(c);
    }
    Ok(Value::from(quoted))
}

fn only_character(value: &Value) -> Option<char> {
    let Value::String(text) = value else {
        return None;
    };
    let mut characters = text.chars();
    characters.next().filter(|_| characters.next().is_none())
}

/// The regular expression that matches the same texts; `None` for what is no pattern.
fn regex_of(pattern: &str, separators: &[char]) -> Option<String> {
    let one = match separators {
        [] => ".".to_owned(),
        _ => format!(
            "[^{}]",
            separators.iter().copied().map(literal).collect::<String>()
        ),
    };
    let mut regex = String::from("(?s)^");
    let mut depth = 0usize;
    let mut rest = pattern.chars().peekable();
    while let Some(c) = rest.next() {
        match c {
            '{' => {
                depth += 1;
                regex.push_str("(?:");
            }
            ',' if depth > 0 => regex.push('|'),
            '}' if depth > 0 => {
                depth -= 1;
                regex.push(')');
            }
            '[' => regex.push_str(&class(&mut rest)?),
            '?' => regex.push_str(&one),
            '*' if rest.next_if_eq(&'*').is_some() => regex.push_str(".*"),
            '*' => regex.extend([&one, "*"]),
            '\\' => regex.push_str(&literal(rest.next()?)),
            _ => regex.push_str(&literal(c)),
        }
    }
    regex.push('$');
    (depth == 0).then_some(regex)
}

/// What stands in brackets, the closing one included: one range, or a list.
fn class(rest: &mut Peekable<Chars<'_>>) -> Option<String> {
    let negated = rest.next_if_eq(&'!').map_or("", |_| "^");
    let mut ahead = rest.clone();
    let first = ahead.next()?;
    if ahead.next() == Some('-') {
        let last = ahead.next()?;
        if ahead.next() != Some(']') || last < first {
            return None;
        }
        *rest = ahead;
        return Some(format!("[{negated}{}-{}]", literal(first), literal(last)));
    }
    let mut listed = String::new();
    loop {
        match rest.next()? {
            ']' if listed.is_empty() => return None,
            ']' => return Some(format!("[{negated}{listed}]")),
            '\\' => listed.push_str(&literal(rest.next()?)),
            c => listed.push_str(&literal(c)),
        }
    }
}

fn literal(character: char) -> String {
    match character {
        'a'..='z' | 'A'..='Z' | '0'..='9' => character.into(),
        _ => format!("\\x{{{:x}}}", u32::from(character)),
    }
}
