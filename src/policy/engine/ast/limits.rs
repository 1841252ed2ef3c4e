//! Limits of a file that hold before the parser sees it. Its bytes are counted when it is read, the length of its lines
//! by the parser itself.

use super::Position;
use crate::policy::engine::normalize::Normalized;
use crate::policy::engine::normalize::tokens::{Kind, Token};

/// Square and curly brackets that may be open at one time: the parser's cost doubles with each nested literal.
const MAX_LITERAL_DEPTH: usize = 14;

/// As many lines as the parser takes.
const MAX_LINES: u32 = 20_000;

/// More rules than anyone writes by hand.
const MAX_RULES: usize = 5_000;

/// The first place where a file is more than is taken, and what is said of it.
pub(super) fn exceeded(file: &Normalized, tokens: &[Token]) -> Option<(Position, String)> {
    let last = file.position(file.text.len().saturating_sub(1));
    if last.line > MAX_LINES {
        let at = Position {
            line: MAX_LINES + 1,
            column: 1,
        };
        return Some((
            at,
            format!("more than {MAX_LINES} lines: give the package another file"),
        ));
    }
    let (mut open, mut literals, mut rules) = (0usize, 0usize, 0);
    for token in tokens {
        let word = file.text.get(token.bytes.clone()).unwrap_or_default();
        match (token.kind, word) {
            (Kind::Symbol, "[" | "{") => (open, literals) = (open + 1, literals + 1),
            (Kind::Symbol, "]" | "}") => {
                (open, literals) = (open.saturating_sub(1), literals.saturating_sub(1));
            }
            (Kind::Symbol, "(") => open += 1,
            (Kind::Symbol, ")") => open = open.saturating_sub(1),
            (Kind::Word, word) if open == 0 && token.begins_line => {
                rules += usize::from(!["package", "import", "else"].contains(&word));
            }
            _ => {}
        }
        let problem = if literals > MAX_LITERAL_DEPTH {
            format!("brackets nested more than {MAX_LITERAL_DEPTH} deep: name a part of it in a rule")
        } else if rules > MAX_RULES {
            format!(
                "more than {MAX_RULES} rules: give the package another file, or put what they list into data"
            )
        } else {
            continue;
        };
        return Some((file.position(token.bytes.start), problem));
    }
    None
}
