//! The tokens of a text, as far as rewriting has to tell them apart. Never fails: what is no Rego is the parser's to
//! refuse.

use std::ops::Range;

/// What a token is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::policy::engine) enum Kind {
    /// A name, a keyword or a number.
    Word,
    /// A string of either kind, its quotes included.
    Text,
    /// One character of anything else.
    Symbol,
}

/// One token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::policy::engine) struct Token {
    pub(in crate::policy::engine) kind: Kind,
    /// Its bytes.
    pub(in crate::policy::engine) bytes: Range<usize>,
    /// Whether it is the first of its line.
    pub(in crate::policy::engine) begins_line: bool,
}

/// All tokens of a text, without its comments.
pub(in crate::policy::engine) fn tokens(text: &str) -> Vec<Token> {
    let mut tokens = Vec::new();
    let mut chars = text.char_indices().peekable();
    let mut begins_line = true;
    while let Some((start, c)) = chars.next() {
        let kind = match c {
            '\n' => {
                begins_line = true;
                continue;
            }
            c if c.is_whitespace() => continue,
            '#' => {
                while chars.next_if(|(_, c)| *c != '\n').is_some() {}
                continue;
            }
            '"' => {
                while let Some((_, c)) = chars.next_if(|(_, c)| *c != '\n') {
                    match c {
                        '"' => break,
                        '\\' => drop(chars.next_if(|(_, c)| *c != '\n')),
                        _ => {}
                    }
                }
                Kind::Text
            }
            '`' => {
                while chars.next().is_some_and(|(_, c)| c != '`') {}
                Kind::Text
            }
            c if is_of_word(c) => {
                while chars.next_if(|(_, c)| is_of_word(*c)).is_some() {}
                Kind::Word
            }
            _ => Kind::Symbol,
        };
        let end = chars.peek().map_or(text.len(), |(end, _)| *end);
        tokens.push(Token {
            kind,
            bytes: start..end,
            begins_line: std::mem::take(&mut begins_line),
        });
    }
    tokens
}

fn is_of_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// The tokens that lie in a range.
pub(in crate::policy::engine) fn within(tokens: &[Token], range: Range<usize>) -> &[Token] {
    let begin = tokens.partition_point(|token| token.bytes.start < range.start);
    let end = tokens.partition_point(|token| token.bytes.end <= range.end);
    tokens.get(begin..end.max(begin)).unwrap_or_default()
}

/// A range on one line, without its comments. `None` where a string goes over several lines.
pub(super) fn on_one_line(text: &str, tokens: &[Token], range: Range<usize>) -> Option<String> {
    let mut line = String::new();
    let mut end = None;
    for token in within(tokens, range) {
        if end.is_some_and(|end| end < token.bytes.start) {
            line.push(' ');
        }
        end = Some(token.bytes.end);
        line.push_str(text.get(token.bytes.clone())?);
    }
    (!line.contains('\n')).then_some(line)
}

/// The line ends of a range, which have to stay.
pub(super) fn line_ends(text: &str, range: Range<usize>) -> String {
    "\n".repeat(text.get(range).unwrap_or_default().matches('\n').count())
}
