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

/// The head of a rule before each body that follows on its first one, so that each is a rule: the engine takes a further
/// body for an `else` that has no value.
pub(in crate::policy::engine) fn split_chains(text: &str, tokens: &[Token]) -> Vec<Edit> {
    let mut edits = Vec::new();
    let mut depth = 0usize;
    // Where the rule begins, and what stands before its first body, if others may follow on that.
    let (mut begin, mut head): (usize, Option<String>) = (0, None);
    // Whether the braces are those of a body, and whether such have just been closed.
    let (mut in_body, mut follows) = (false, false);
    for (number, token) in tokens.iter().enumerate() {
        let before = tokens.get(..number).unwrap_or_default();
        if ["]", "}", ")"].iter().any(|close| is(text, token, close)) {
            depth = depth.saturating_sub(1);
            follows = depth == 0 && in_body && is(text, token, "}");
            continue;
        }
        let opens = ["[", "{", "("].iter().any(|open| is(text, token, open));
        if depth == 0 {
            let chained = follows && is(text, token, "{");
            in_body = is(text, token, "{") && ends_head(text, before);
            if begins(text, before, token) {
                begin = number;
            }
            if chained {
                edits.extend(
                    head.iter()
                        .map(|head| insert(token.bytes.start, format!(" {head} "))),
                );
            } else if in_body {
                head = self::head(text, tokens.get(begin..number).unwrap_or_default());
            }
            follows = false;
        }
        depth += usize::from(opens);
    }
    edits
}

/// Whether a value may end with the last of these tokens.
fn ends_value(text: &str, tokens: &[Token]) -> bool {
    let Some((last, before)) = tokens.split_last() else {
        return true;
    };
    let word = text.get(last.bytes.clone()).unwrap_or_default();
    match last.kind {
        // Behind a point it is a name, whatever it means elsewhere.
        Kind::Word => !GOES_ON.contains(&word) || before.last().is_some_and(|before| is(text, before, ".")),
        Kind::Text => true,
        Kind::Symbol => ["]", ")", "}"].contains(&word),
    }
}

/// Whether a `{` behind these opens a body; otherwise it is one of a value.
fn ends_head(text: &str, tokens: &[Token]) -> bool {
    let last = tokens.last();
    let is_word = |word| last.is_some_and(|last| is(text, last, word));
    ends_value(text, tokens) || is_word("if") || is_word("else")
}

/// Whether a token outside of all brackets is the first of a rule or an import: what stands before it does not go on in
/// its line.
fn begins(text: &str, before: &[Token], token: &Token) -> bool {
    let word = text.get(token.bytes.clone()).unwrap_or_default();
    let goes_on = GOES_ON.contains(&word) && !["import", "package", "default"].contains(&word);
    token.begins_line && token.kind == Kind::Word && !goes_on && ends_value(text, before)
}

/// The head of these tokens on one line; `None` for that of an `else`, on which no body follows.
fn head(text: &str, tokens: &[Token]) -> Option<String> {
    let mut head = String::new();
    let mut end = None;
    for token in tokens {
        let word = text.get(token.bytes.clone())?;
        if word == "else" {
            return None;
        }
        if end.is_some_and(|end| end < token.bytes.start) {
            head.push(' ');
        }
        end = Some(token.bytes.end);
        match word.strip_prefix('`').and_then(|raw| raw.strip_suffix('`')) {
            // A line end in it would move what follows.
            Some(raw) => head.push_str(&serde_json::Value::from(raw).to_string()),
            None => head.push_str(word),
        }
    }
    (!head.is_empty()).then_some(head)
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
