//! What is told from the tokens alone, before there is a syntax tree.

use super::Edit;
use super::tokens::{Kind, Token};

/// Words behind which an expression goes on in the next line.
const GOES_ON: [&str; 15] = [
    "as", "contains", "default", "else", "every", "if", "import", "in", "not", "package", "set", "some",
    "with", "and", "or",
];

/// A `;` before each `(` that begins a line and would be read as a call of the name at the end of the line above.
pub(in crate::policy::engine) fn separate(text: &str, tokens: &[Token]) -> Vec<Edit> {
    let pairs = tokens.iter().zip(tokens.iter().skip(1));
    pairs
        .filter(|(before, token)| token.begins_line && is(text, token, "(") && ends_reference(text, before))
        .map(|(_, token)| insert(token.bytes.start, ";".into()))
        .collect()
}

/// A `0` before each number that begins with its point: `.5`.
pub(in crate::policy::engine) fn leading_zeros(text: &str, tokens: &[Token]) -> Vec<Edit> {
    let mut edits = Vec::new();
    let mut before: Option<&Token> = None;
    for (token, next) in tokens.iter().zip(tokens.iter().skip(1)) {
        let digits = text.get(next.bytes.clone()).unwrap_or_default();
        let is_number =
            token.bytes.end == next.bytes.start && digits.starts_with(|c: char| c.is_ascii_digit());
        // Behind a name, a bracket or digits it is no point of a number's own.
        let is_first = before.is_none_or(|before| {
            let closes = [")", "]", "}"].iter().any(|word| is(text, before, word));
            before.bytes.end < token.bytes.start || (before.kind == Kind::Symbol && !closes)
        });
        if is(text, token, ".") && is_number && is_first {
            edits.push(insert(token.bytes.start, "0".into()));
        }
        before = Some(token);
    }
    edits
}

fn ends_reference(text: &str, token: &Token) -> bool {
    let word = text.get(token.bytes.clone()).unwrap_or_default();
    match token.kind {
        Kind::Word => !GOES_ON.contains(&word) && !word.starts_with(|c: char| c.is_ascii_digit()),
        Kind::Text => false,
        // What is rewritten may end otherwise than its author's text does.
        Kind::Symbol => ["]", ")", "}"].contains(&word),
    }
}

/// The head of a rule that is a set before each body that follows on its first one, so that each is a rule.
pub(in crate::policy::engine) fn split_chains(text: &str, tokens: &[Token]) -> Vec<Edit> {
    let mut edits = Vec::new();
    let (mut depth, mut opened) = (0usize, 0);
    let mut head: Option<String> = None;
    for (number, token) in tokens.iter().enumerate() {
        let closed = number.checked_sub(1).and_then(|before| tokens.get(before));
        let chained = depth == 0 && is(text, token, "{") && closed.is_some_and(|token| is(text, token, "}"));
        if depth == 0 && !chained && is(text, token, "{") {
            opened = number;
        }
        if chained {
            let first = head.take().or_else(|| set_head(text, tokens, opened));
            if let Some(first) = &first {
                edits.push(insert(token.bytes.start, format!(" {first} ")));
            }
            head = first;
        } else if depth == 0 {
            head = None;
        }
        if ["[", "{", "("].iter().any(|open| is(text, token, open)) {
            depth += 1;
        } else if ["]", "}", ")"].iter().any(|close| is(text, token, close)) {
            depth = depth.saturating_sub(1);
        }
    }
    edits
}

/// The head before a body, if it is on the body's line and is that of a set.
fn set_head(text: &str, tokens: &[Token], body: usize) -> Option<String> {
    let before = tokens.get(..=body)?;
    let first = before.iter().rposition(|token| token.begins_line)?;
    let head = tokens.get(first..body)?;
    let range = head.first()?.bytes.start..head.last()?.bytes.end;
    let word = |word: &str| head.iter().any(|token| is(text, token, word));
    let is_set = word("contains") || (word("[") && !word("=") && !word("("));
    let is_other = ["else", "default"]
        .iter()
        .any(|word| head.first().is_some_and(|token| is(text, token, word)));
    (is_set && !is_other && head.first()?.kind == Kind::Word)
        .then(|| text.get(range).map(str::to_owned))
        .flatten()
}

fn is(text: &str, token: &Token, word: &str) -> bool {
    text.get(token.bytes.clone()) == Some(word)
}

fn insert(at: usize, text: String) -> Edit {
    Edit {
        replaced: at..at,
        text,
        from: None,
    }
}
