//! Objects that take others apart: `{"a": x} = input.o` becomes `__n0 := input.o; {"a": x} = __n0; {"a": x} == __n0`.
//!
//! In OPA both sides have the same keys; to the engine an object that has more of them fits, too. So what was bound is
//! compared once more, as a whole. Statements come here from [`Rewrites`], arguments of functions from [`super::heads`],
//! which makes a statement of them. What stands in no place for another statement is refused.

use std::collections::BTreeSet;
use std::ops::Range;

use regorus::unstable::{AssignOp, Expr, Literal, LiteralStmt};

use super::Edit;
use super::refusals::OBJECT;
use super::rewrites::Rewrites;
use super::tokens::{Kind, line_ends, on_one_line, within};
use crate::policy::engine::ast::Position;
use crate::policy::engine::ast::parts::{has_query, of_expr, pattern};

impl Rewrites<'_> {
    /// Rewrites a statement in which an object takes another one apart; whether it did.
    pub(super) fn take_apart(&mut self, statement: &LiteralStmt, bare: bool) -> bool {
        let edits = match &statement.literal {
            Literal::Expr { expr, .. } => match &**expr {
                Expr::AssignExpr { op, lhs, rhs, .. } if takes_apart(lhs, rhs, op) => {
                    self.assigned(statement, lhs, rhs)
                }
                Expr::Call { fcn, params, .. } if self.takes_result(fcn, params.len()) => {
                    match params.last().filter(|result| has_object(result)) {
                        Some(result) => self.given(statement, result),
                        None => return false,
                    }
                }
                _ => return false,
            },
            Literal::SomeIn { key, value, .. } => {
                let parts: Vec<&Expr> = key.iter().chain([value]).map(|part| &**part).collect();
                if !parts.iter().any(|part| has_object(part)) {
                    return false;
                }
                self.iterated(statement, &parts)
            }
            Literal::NotExpr { expr, .. } => match &**expr {
                Expr::AssignExpr { op, lhs, rhs, .. } if takes_apart(lhs, rhs, op) => None,
                _ => return false,
            },
            _ => return false,
        };
        match edits {
            Some(edits) => {
                if bare {
                    let begin = self.bytes(&statement.span).start;
                    self.edits.push(insert(begin, "{ ".into()));
                }
                self.edits.extend(edits);
                self.close(statement, bare);
            }
            None => self.refused.push((Position::from(&statement.span), OBJECT)),
        }
        true
    }

    /// Both sides of `=` or `:=`, and a comparison of them.
    fn assigned(&mut self, statement: &LiteralStmt, lhs: &Expr, rhs: &Expr) -> Option<Vec<Edit>> {
        if statement.with_mods.iter().any(|with| has_query(&with.r#as)) {
            return None;
        }
        let literal = self.literal(statement);
        let (left, right) = (self.range(lhs)?, self.range(rhs)?);
        let operator = on_one_line(self.text, self.tokens, left.end..right.start)?;
        let whole = on_one_line(self.text, self.tokens, literal.start..left.start)?.is_empty()
            && on_one_line(self.text, self.tokens, right.end..literal.end)?.is_empty();
        if !whole || !["=", ":="].contains(&operator.as_str()) {
            return None;
        }
        let with = self.with_of(statement, literal.end)?;
        let (taking, value) = match (is_plain(lhs), is_plain(rhs)) {
            // Nothing is evaluated twice that could come to something else.
            (true, true) => {
                let (mut edits, first) = self.named_wildcards(left)?;
                let (more, second) = self.named_wildcards(right)?;
                edits.extend(more);
                edits.push(insert(literal.end, format!("{with}; {first} == {second}")));
                return Some(edits);
            }
            (true, false) => (left, right),
            (false, true) => (right, left),
            (false, false) => return None,
        };
        let (_, text) = self.named_wildcards(taking)?;
        let name = self.new_name();
        let taken = format!("{with}; {text} {operator} {name}{with}; {text} == {name}");
        let before = literal.start..value.start;
        let after = value.end..literal.end;
        let lines = |range: Range<usize>| line_ends(self.text, range);
        Some(vec![
            Edit {
                text: format!("{}{name} := ", lines(before.clone())),
                replaced: before,
                from: None,
            },
            Edit {
                text: format!("{taken}{}", lines(after.clone())),
                replaced: after,
                from: None,
            },
        ])
    }

    /// `some {"a": x} in y` as `some __n0 in y; some x; {"a": x} = __n0; {"a": x} == __n0`.
    fn iterated(&mut self, statement: &LiteralStmt, parts: &[&Expr]) -> Option<Vec<Edit>> {
        let (mut edits, mut taken) = (Vec::new(), String::new());
        let end = self.bytes(&statement.span).end;
        let (mut declared, mut stay) = (BTreeSet::new(), BTreeSet::new());
        for part in parts {
            pattern(
                part,
                if has_object(part) {
                    &mut declared
                } else {
                    &mut stay
                },
            );
        }
        let declared: Vec<_> = declared.difference(&stay).map(String::as_str).collect();
        if !declared.is_empty() {
            taken = format!("; some {}", declared.join(", "));
        }
        for part in parts.iter().filter(|part| has_object(part)) {
            if !is_plain(part) {
                return None;
            }
            let range = self.range(part)?;
            let (_, text) = self.named_wildcards(range.clone())?;
            let name = self.new_name();
            if binds(part) {
                taken.push_str(&format!("; {text} = {name}"));
            }
            taken.push_str(&format!("; {text} == {name}"));
            edits.push(Edit {
                text: format!("{name}{}", line_ends(self.text, range.clone())),
                replaced: range,
                from: None,
            });
        }
        edits.push(insert(end, taken));
        Some(edits)
    }

    /// `f(a, {"b": x})` as `f(a, __n0); {"b": x} = __n0; {"b": x} == __n0`.
    fn given(&mut self, statement: &LiteralStmt, result: &Expr) -> Option<Vec<Edit>> {
        if !is_plain(result) {
            return None;
        }
        let end = self.literal(statement).end;
        let with = self.with_of(statement, end)?;
        let range = self.range(result)?;
        let (_, text) = self.named_wildcards(range.clone())?;
        let name = self.new_name();
        let bound = if binds(result) {
            format!("; {text} = {name}{with}")
        } else {
            String::new()
        };
        Some(vec![
            Edit {
                text: format!("{name}{}", line_ends(self.text, range.clone())),
                replaced: range,
                from: None,
            },
            insert(end, format!("{with}{bound}; {text} == {name}")),
        ])
    }

    /// Edits that give each wildcard a name, and the text with the names.
    fn named_wildcards(&mut self, range: Range<usize>) -> Option<(Vec<Edit>, String)> {
        let (mut edits, mut text, mut done) = (Vec::new(), String::new(), range.start);
        let tokens = within(self.tokens, range.clone());
        let wildcards: Vec<_> = tokens
            .iter()
            .filter(|token| token.kind == Kind::Word && self.text.get(token.bytes.clone()) == Some("_"))
            .map(|token| token.bytes.clone())
            .collect();
        for wildcard in wildcards {
            let name = self.new_name();
            text.push_str(&on_one_line(self.text, self.tokens, done..wildcard.start)?);
            text.push_str(&format!(" {name} "));
            done = wildcard.end;
            edits.push(Edit {
                replaced: wildcard,
                text: name,
                from: None,
            });
        }
        text.push_str(&on_one_line(self.text, self.tokens, done..range.end)?);
        Some((edits, text))
    }
}

/// Whether one side takes an object apart that the other one gives.
fn takes_apart(lhs: &Expr, rhs: &Expr, op: &AssignOp) -> bool {
    match op {
        AssignOp::ColEq => has_object(lhs),
        AssignOp::Eq => [lhs, rhs].iter().any(|side| has_object(side) && binds(side)),
    }
}

/// Whether an object stands in a pattern.
pub(in crate::policy::engine) fn has_object(pattern: &Expr) -> bool {
    match pattern {
        Expr::Object { .. } => true,
        Expr::Array { items, .. } => items.iter().any(|item| has_object(item)),
        _ => false,
    }
}

/// Whether it holds nothing but variables, literals and references: once its wildcards have names it is the same however
/// often it is asked.
fn is_plain(expr: &Expr) -> bool {
    match expr {
        Expr::Var { .. }
        | Expr::String { .. }
        | Expr::RawString { .. }
        | Expr::Number { .. }
        | Expr::Bool { .. }
        | Expr::Null { .. } => true,
        Expr::RefDot { .. }
        | Expr::RefBrack { .. }
        | Expr::Array { .. }
        | Expr::Object { .. }
        | Expr::Set { .. } => of_expr(expr).exprs.into_iter().all(is_plain),
        _ => false,
    }
}

/// Whether a variable stands in a pattern.
fn binds(expr: &Expr) -> bool {
    match expr {
        Expr::Var { .. } => true,
        Expr::Array { items, .. } => items.iter().any(|item| binds(item)),
        Expr::Object { fields, .. } => fields.iter().any(|(_, _, value)| binds(value)),
        _ => false,
    }
}

fn insert(at: usize, text: String) -> Edit {
    Edit {
        replaced: at..at,
        text,
        from: None,
    }
}
