//! What the engine reads otherwise than OPA does, and no rewrite makes right: it is refused, with what to write instead.
//! All of it is rare, and each of it could make a rule hold that does not hold in OPA.

use regorus::unstable::{AssignOp, Expr, Literal, LiteralStmt};

use super::rewrites::Rewrites;
use crate::policy::engine::ast::Position;
use crate::policy::engine::ast::parts::variable;

const MINUS: &str = "a minus stands before numbers only: write `0 - x`";

const OBJECT: &str = "an object that takes another one apart would fit larger ones too: read the members one by one, as in \
                      `x := y.name`";

const WITH: &str = "of several `with` on one statement each value has to be defined before: give it a name above, as in \
                    `x := …`";

impl Rewrites<'_> {
    /// Refuses an expression by itself.
    pub(super) fn refuse_expr(&mut self, expr: &Expr) {
        match expr {
            Expr::UnaryExpr { span, expr, .. } if !matches!(**expr, Expr::Number { .. }) => {
                self.refused.push((Position::from(span), MINUS));
            }
            Expr::AssignExpr {
                op: AssignOp::ColEq,
                lhs,
                ..
            } => self.refuse_pattern(lhs, &|_| true),
            Expr::AssignExpr {
                op: AssignOp::Eq,
                lhs,
                rhs,
                ..
            } => {
                for (side, other) in [(lhs, rhs), (rhs, lhs)] {
                    if !is_bare(other) {
                        self.refuse_pattern(side, &binds);
                    }
                }
            }
            _ => {}
        }
    }

    /// Refuses what stands in a statement.
    pub(super) fn refuse_statement(&mut self, statement: &LiteralStmt) {
        if let Literal::SomeIn { key, value, .. } = &statement.literal {
            key.iter()
                .chain([value])
                .for_each(|part| self.refuse_pattern(part, &|_| true));
        }
        if statement.with_mods.len() > 1 {
            let values = statement.with_mods.iter().map(|with| &with.r#as);
            let refused: Vec<_> = values
                .filter(|value| !self.is_there(value))
                .map(|value| (start(value), WITH))
                .collect();
            self.refused.extend(refused);
        }
    }

    /// Refuses an object in what takes apart, if its members say so.
    pub(super) fn refuse_pattern(&mut self, pattern: &Expr, takes_apart: &dyn Fn(&Expr) -> bool) {
        match pattern {
            Expr::Object { fields, .. } if fields.iter().any(|(_, _, value)| takes_apart(value)) => {
                self.refused.push((Position::from(pattern.span()), OBJECT));
            }
            Expr::Array { items, .. } => {
                items
                    .iter()
                    .for_each(|item| self.refuse_pattern(item, takes_apart));
            }
            _ => {}
        }
    }

    /// Whether a value is certainly defined, whatever stands beside it.
    pub(super) fn is_there(&self, value: &Expr) -> bool {
        match value {
            Expr::String { .. }
            | Expr::RawString { .. }
            | Expr::Number { .. }
            | Expr::Bool { .. }
            | Expr::Null { .. }
            | Expr::Var { .. } => true,
            Expr::Array { items, .. } | Expr::Set { items, .. } => {
                items.iter().all(|item| self.is_there(item))
            }
            Expr::Object { fields, .. } => fields.iter().all(|(_, _, value)| self.is_there(value)),
            // What stands in for a function: that it is there is checked for the whole set.
            Expr::RefDot { refr, .. } => match variable(refr) {
                Some(name) => name != "input" && self.is_global(name),
                None => self.is_there(refr),
            },
            _ => false,
        }
    }
}

/// Where an expression begins: the engine's place of a reference is that of its last part.
fn start(expr: &Expr) -> Position {
    match expr {
        Expr::RefDot { refr, .. } | Expr::RefBrack { refr, .. } | Expr::Call { fcn: refr, .. } => start(refr),
        expr => Position::from(expr.span()),
    }
}

/// Variables, or arrays of them: what gets a value rather than being taken apart.
fn is_bare(expr: &Expr) -> bool {
    match expr {
        Expr::Var { .. } => true,
        Expr::Array { items, .. } => items.iter().all(|item| is_bare(item)),
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
