//! Patterns in Go's syntax, which OPA's are, as the engine's library reads them.
//!
//! The two agree but for a few signs, and where they do not the same policy would admit other names than it does in
//! OPA: `\w`, `\d`, `\s` and `\b` mean ASCII in Go and all of Unicode in the library, `\<` is a sign and no word boundary,
//! and within brackets `[`, `&&` and `~~` stand for themselves.

use std::iter::Peekable;
use std::str::Chars;

const DIGIT: &str = "0-9";
const SPACE: &str = r"\t\n\f\r ";
const WORD: &str = "0-9A-Za-z_";

/// The same pattern for the engine's library. What is wrong in it stays wrong.
pub(super) fn translated(pattern: &str) -> String {
    let mut translated = String::with_capacity(pattern.len() + 8);
    let mut rest = pattern.chars().peekable();
    while let Some(c) = rest.next() {
        match c {
            '\\' => escape(&mut rest, &mut translated),
            '[' => class(&mut rest, &mut translated),
            // Only what is a count is one; `{` stands for itself elsewhere.
            '{' if !is_count(rest.clone()) => translated.push_str(r"\{"),
            _ => translated.push(c),
        }
    }
    translated
}

fn escape(rest: &mut Peekable<Chars<'_>>, translated: &mut String) {
    match rest.next() {
        Some('b') => translated.push_str(r"(?-u:\b)"),
        Some('<') => translated.push('<'),
        Some('>') => translated.push('>'),
        Some('Q') => quoted(rest, translated),
        Some(letter) => match set(letter) {
            Some((negated, set)) => translated.extend(["[", if negated { "^" } else { "" }, set, "]"]),
            None => translated.extend(['\\', letter]),
        },
        None => translated.push('\\'),
    }
}

/// Whether a sign is what its escape is not, and what it is.
const fn set(letter: char) -> Option<(bool, &'static str)> {
    Some(match letter {
        'd' => (false, DIGIT),
        'D' => (true, DIGIT),
        's' => (false, SPACE),
        'S' => (true, SPACE),
        'w' => (false, WORD),
        'W' => (true, WORD),
        _ => return None,
    })
}

/// `\Q…\E`: everything stands for itself, up to the end if there is no `\E`.
fn quoted(rest: &mut Peekable<Chars<'_>>, translated: &mut String) {
    while let Some(c) = rest.next() {
        if c == '\\' && rest.next_if_eq(&'E').is_some() {
            return;
        }
        translated.extend(
            c.is_ascii_punctuation()
                .then_some('\\')
                .filter(|_| !matches!(c, '<' | '>')),
        );
        translated.push(c);
    }
}

/// What stands in brackets, the closing one included.
fn class(rest: &mut Peekable<Chars<'_>>, translated: &mut String) {
    translated.push('[');
    translated.extend(rest.next_if_eq(&'^'));
    // A bracket that comes first does not close.
    if rest.next_if_eq(&']').is_some() {
        translated.push_str(r"\]");
    }
    while let Some(c) = rest.next() {
        match c {
            ']' => {
                translated.push(']');
                return;
            }
            '[' if rest.peek() == Some(&':') => named(rest, translated),
            '[' | '&' | '~' => translated.extend(['\\', c]),
            '\\' => match rest.next() {
                Some(plain @ ('<' | '>')) => translated.push(plain),
                Some(letter) => match set(letter) {
                    Some((true, set)) => translated.extend(["[^", set, "]"]),
                    Some((false, set)) => translated.push_str(set),
                    None => translated.extend(['\\', letter]),
                },
                None => translated.push('\\'),
            },
            _ => translated.push(c),
        }
    }
}

/// `[:name:]`
fn named(rest: &mut Peekable<Chars<'_>>, translated: &mut String) {
    translated.push('[');
    for c in rest.by_ref() {
        translated.push(c);
        if c == ']' {
            return;
        }
    }
}

/// Whether `n}`, `n,}` or `n,m}` follows.
fn is_count(rest: Peekable<Chars<'_>>) -> bool {
    let inner: String = rest
        .take_while(|c| c.is_ascii_digit() || matches!(c, ',' | '}'))
        .collect();
    let Some((count, _)) = inner.split_once('}') else {
        return false;
    };
    let (least, most) = count.split_once(',').unwrap_or((count, ""));
    !least.is_empty() && !most.contains(',')
}
