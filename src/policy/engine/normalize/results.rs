//! `f(a, x)` is `x = f(a)`: the engine knows it of its own functions, here it is written out for ours.

use regorus::unstable::Expr;

use super::Edit;
use super::rewrites::offset;
use super::tokens::{Kind, Token, line_ends, on_one_line, within};
use crate::policy::engine::ast::parts::function_name;
use crate::policy::engine::builtins;

/// The edits of a statement that calls one of our builtins with one operand more than it takes.
pub(super) fn rewrite(text: &str, tokens: &[Token], expr: &Expr) -> Vec<Edit> {
    let Expr::Call {
        span, fcn, params, ..
    } = expr
    else {
        return Vec::new();
    };
    let Some(name) = function_name(fcn).filter(|name| builtins::is_ours(name)) else {
        return Vec::new();
    };
    let takes_result = builtins::operands_of(&name).is_some_and(|operands| operands + 1 == params.len());
    if !takes_result {
        return Vec::new();
    }
    result(text, tokens, offset(span.start), offset(span.end)).unwrap_or_default()
}

/// Moves the last operand of the call to its front.
fn result(text: &str, tokens: &[Token], begin: usize, end: usize) -> Option<Vec<Edit>> {
    let mut depth = 0usize;
    // Behind what the last operand stands, and where what ends it stands.
    let (mut separators, close) = (Vec::new(), end.checked_sub(1)?);
    for token in within(tokens, begin..end) {
        if token.kind != Kind::Symbol {
            continue;
        }
        match text.get(token.bytes.clone())? {
            "(" | "[" | "{" => {
                if depth == 0 {
                    separators.clear();
                    separators.push(token.bytes.end..token.bytes.end);
                }
                depth += 1;
            }
            ")" | "]" | "}" => depth = depth.checked_sub(1)?,
            "," if depth == 1 => separators.push(token.bytes.clone()),
            _ => {}
        }
    }
    let mut until = close;
    let mut separator = separators.pop()?;
    if within(tokens, separator.end..close).is_empty() {
        // A comma may stand behind the last operand, too.
        until = separator.start;
        separator = separators.pop()?;
    }
    let moved = on_one_line(text, tokens, separator.end..until)?;
    let lines = line_ends(text, separator.start..end);
    Some(vec![
        Edit {
            replaced: begin..begin,
            text: format!("{moved} = "),
            from: None,
        },
        Edit {
            replaced: separator.start..end,
            text: format!("){lines}"),
            from: None,
        },
    ])
}
