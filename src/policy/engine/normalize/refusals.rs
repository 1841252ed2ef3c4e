//! What the engine reads otherwise than OPA does, and no rewrite makes right: it is refused, with what to write instead.
//! All of it is rare, and each of it could make a rule hold that does not hold in OPA.

use regorus::unstable::{Expr, LiteralStmt};

use super::rewrites::Rewrites;
use super::withs::iterates;
use crate::policy::engine::ast::Position;
use crate::policy::engine::ast::parts::variable;

const MINUS: &str = "a minus stands before numbers only: write `0 - x`";

/// Said of an object in a pattern that cannot be rewritten (`patterns`).
pub(super) const OBJECT: &str = "an object that takes another one apart would fit larger ones too: read the members one by one, as in \
                      `x := y.name`";

const WITH: &str = "of several `with` on one statement, and of one that iterates, each value has to be defined before: \
                    give it a name above, as in `x := …`";

impl Rewrites<'_> {
    /// Refuses an expression by itself.
    pub(super) fn refuse_expr(&mut self, expr: &Expr) {
        if let Expr::UnaryExpr { span, expr, .. } = expr
            && !matches!(**expr, Expr::Number { .. })
        {
            self.refused.push((Position::from(span), MINUS));
        }
    }

    /// Refuses what stands in a statement.
    pub(super) fn refuse_statement(&mut self, statement: &LiteralStmt) {
        let mut values = statement.with_mods.iter();
        if statement.with_mods.len() > 1 || values.any(|with| iterates(&with.r#as)) {
            let values = statement.with_mods.iter().map(|with| &with.r#as);
            let refused: Vec<_> = values
                .filter(|value| !self.is_there(value))
                .map(|value| (start(value), WITH))
                .collect();
            self.refused.extend(refused);
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
