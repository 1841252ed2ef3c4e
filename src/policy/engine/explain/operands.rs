//! What a failing expression is made of: the parts whose values tell why it fails.
//!
//! The expression itself is no part of it; calls, references and variables in it are, the outer ones first. A reference
//! also knows what it begins with, so that of an undefined one it can be told how far it is defined.

use std::ops::Range;

use regorus::unstable::{AssignOp, BoolOp, Expr, Literal};

use super::steps::{Reader, Step};
use crate::policy::engine::ast::parts::{of_expr, variable};
use crate::policy::explain::MAX_OPERANDS;

/// A part of an expression, and what it begins with, the longest first.
pub(super) struct Part {
    /// What its author wrote.
    pub(super) shown: String,
    /// What the engine reads of it and of what it begins with, and what their author wrote.
    pub(super) chain: Vec<(String, String)>,
}

/// The parts of a failing expression that can be asked.
#[derive(Default)]
pub(super) struct Parts {
    pub(super) parts: Vec<Part>,
    /// What the engine reads of both sides of an `==`.
    pub(super) sides: Option<(String, String)>,
}

/// Collects the parts of one expression.
pub(super) struct Collector<'r, 'a> {
    pub(super) reader: &'r Reader<'a>,
    /// Whether the variables of a part are bound.
    pub(super) can_ask: &'r dyn Fn(&Expr) -> bool,
    pub(super) found: Parts,
}

impl Collector<'_, '_> {
    /// The parts of a step.
    pub(super) fn step(mut self, step: &Step<'_>) -> Parts {
        match &step.statement.literal {
            Literal::SomeVars { .. } => {}
            Literal::SomeIn { collection, .. } => self.part(collection),
            Literal::Every { domain, .. } => self.part(domain),
            Literal::NotExpr { expr, .. } | Literal::Expr { expr, .. } => self.top(expr),
        }
        self.found
    }

    /// The parts of what a head gives.
    pub(super) fn head(mut self, expr: &Expr) -> Parts {
        self.value(expr);
        self.found
    }

    /// The parts of what is given a name: of a call that it is undefined is known.
    fn value(&mut self, expr: &Expr) {
        match expr {
            Expr::Call { params, .. } => params.iter().for_each(|param| self.part(param)),
            _ => self.part(expr),
        }
    }

    fn top(&mut self, expr: &Expr) {
        match expr {
            Expr::AssignExpr {
                op: AssignOp::ColEq,
                rhs,
                ..
            } => self.value(rhs),
            Expr::BoolExpr {
                op: BoolOp::Eq,
                lhs,
                rhs,
                ..
            }
            | Expr::AssignExpr {
                op: AssignOp::Eq,
                lhs,
                rhs,
                ..
            } => {
                if (self.can_ask)(lhs)
                    && (self.can_ask)(rhs)
                    && let (Some(left), Some(right)) = (self.code(lhs), self.code(rhs))
                {
                    self.found.sides = Some((left, right));
                }
                self.part(lhs);
                self.part(rhs);
            }
            Expr::Var { .. } | Expr::RefDot { .. } | Expr::RefBrack { .. } | Expr::Call { .. } => {
                self.value(expr)
            }
            _ => of_expr(expr).exprs.into_iter().for_each(|part| self.part(part)),
        }
    }

    fn part(&mut self, expr: &Expr) {
        match expr {
            Expr::Var { .. } => self.add(expr, false),
            Expr::RefDot { .. } | Expr::RefBrack { .. } => {
                self.add(expr, true);
                let mut at = expr;
                while let Expr::RefDot { refr, .. } | Expr::RefBrack { refr, .. } = at {
                    if let Expr::RefBrack { index, .. } = at {
                        self.part(index);
                    }
                    at = refr;
                }
            }
            Expr::Call { params, .. } => {
                self.add(expr, false);
                params.iter().for_each(|param| self.part(param));
            }
            Expr::ArrayCompr { .. } | Expr::SetCompr { .. } | Expr::ObjectCompr { .. } => {
                self.add(expr, false);
            }
            Expr::Array { .. } | Expr::Set { .. } | Expr::Object { .. } | Expr::UnaryExpr { .. } => {
                of_expr(expr).exprs.into_iter().for_each(|part| self.part(part));
            }
            Expr::BinExpr { .. }
            | Expr::ArithExpr { .. }
            | Expr::BoolExpr { .. }
            | Expr::Membership { .. } => {
                self.add(expr, false);
                of_expr(expr).exprs.into_iter().for_each(|part| self.part(part));
            }
            _ => {}
        }
    }

    fn add(&mut self, expr: &Expr, is_reference: bool) {
        if self.found.parts.len() >= MAX_OPERANDS || !(self.can_ask)(expr) {
            return;
        }
        let Some(range) = self.reader.range(expr) else {
            return;
        };
        let mut chain = vec![self.both(range)];
        if is_reference {
            chain.extend(self.beginnings(expr));
        }
        let shown = chain.first().map(|(_, shown)| shown.clone()).unwrap_or_default();
        if self.found.parts.iter().all(|part| part.shown != shown) {
            self.found.parts.push(Part { shown, chain });
        }
    }

    /// What a reference begins with, the longest first. All of `data` is not asked: what is explained stands in it.
    fn beginnings(&self, expr: &Expr) -> Vec<(String, String)> {
        let mut found = Vec::new();
        let mut at = expr;
        while let Expr::RefDot { refr, .. } | Expr::RefBrack { refr, .. } = at {
            at = refr;
            found.extend(self.reader.range(at).map(|range| self.both(range)));
        }
        if variable(at) == Some("data") {
            found.clear();
        }
        found
    }

    fn both(&self, range: Range<usize>) -> (String, String) {
        (self.reader.code(range.clone()), self.reader.shown(range))
    }

    fn code(&self, expr: &Expr) -> Option<String> {
        self.reader.range(expr).map(|range| self.reader.code(range))
    }
}
