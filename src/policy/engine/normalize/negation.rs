//! Which operands of negated calls are taken out of the negation: `not f(input.x)` becomes
//! `__n0 := input.x; not f(__n0)`.
//!
//! OPA does so before it evaluates, and what is undefined then makes the whole body undefined; the engine would make the
//! negation true, and an `allow if not blocked(input.team)` would open. What is taken out is what OPA takes out: operands
//! of calls and of operators, but of `==` and of a reference that stands alone only what is inside of them.

use regorus::unstable::{BoolOp, Expr};

use super::rewrites::Rewrites;
use crate::policy::engine::ast::parts::{is_computed, of_expr, variable};

/// What is taken out of one negation.
#[derive(Default)]
pub(super) struct Operands<'a> {
    /// What may be undefined.
    pub(super) out: Vec<&'a Expr>,
    /// Queries: never undefined, they go with the others so that no query is written twice.
    pub(super) along: Vec<&'a Expr>,
}

impl Rewrites<'_> {
    /// What is taken out of what is negated.
    pub(super) fn negated<'e>(&self, expr: &'e Expr, operands: &mut Operands<'e>) {
        match expr {
            Expr::Call { params, .. } => params.iter().for_each(|param| self.operand(param, operands)),
            Expr::BoolExpr {
                op: BoolOp::Eq,
                lhs,
                rhs,
                ..
            }
            | Expr::AssignExpr { lhs, rhs, .. } => {
                self.side(lhs, operands);
                self.side(rhs, operands);
            }
            Expr::BoolExpr { .. }
            | Expr::BinExpr { .. }
            | Expr::ArithExpr { .. }
            | Expr::UnaryExpr { .. }
            | Expr::Membership { .. } => of_expr(expr)
                .exprs
                .into_iter()
                .for_each(|expr| self.operand(expr, operands)),
            _ => self.side(expr, operands),
        }
    }

    /// A side of `==`, or what stands alone: a reference stays, what is inside of it does not.
    fn side<'e>(&self, expr: &'e Expr, operands: &mut Operands<'e>) {
        let mut at = expr;
        loop {
            match at {
                Expr::RefDot { refr, .. } => at = refr,
                Expr::RefBrack { refr, index, .. } => {
                    self.operand(index, operands);
                    at = refr;
                }
                Expr::Var { .. } => return,
                at if std::ptr::eq(at, expr) => return self.operand(at, operands),
                at if of_expr(at).query.is_some() => return operands.along.push(at),
                // What is literal and referred into is made first.
                at => return operands.out.push(at),
            }
        }
    }

    /// An operand of a call.
    pub(super) fn operand<'e>(&self, expr: &'e Expr, operands: &mut Operands<'e>) {
        match expr {
            Expr::Var { .. } => {
                let name = variable(expr).unwrap_or_default();
                if !self.is_local(name) {
                    operands.out.push(expr);
                }
            }
            Expr::Array { .. } | Expr::Set { .. } | Expr::Object { .. } => of_expr(expr)
                .exprs
                .into_iter()
                .for_each(|expr| self.operand(expr, operands)),
            Expr::ArrayCompr { .. } | Expr::SetCompr { .. } | Expr::ObjectCompr { .. } => {
                operands.along.push(expr);
            }
            expr if is_computed(expr) => operands.out.push(expr),
            _ => {}
        }
    }
}
