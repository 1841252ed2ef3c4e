//! The variables of a rule: which of them something binds, and which have to be bound.
//!
//! What a name means depends on all files of a package: `x` may be a rule of another one. So a file's tree becomes a
//! small account of its own here ([`Body`]), and `load/safety` judges it when all rules are known. Wherever OPA's
//! rules are finer than this, a variable counts as bound: what OPA accepts is never refused.

use std::collections::BTreeSet;

use regorus::unstable::{AssignOp, Expr, Literal, LiteralStmt, Query, Rule, RuleHead};

use super::parts::{function_name, of_expr, pattern, variable};
use super::{Position, reference::reference};
use crate::policy::engine::builtins;
use crate::policy::engine::normalize::Normalized;

/// A body of a rule, a comprehension or an `every`.
#[derive(Clone, Debug, Default)]
pub(crate) struct Body {
    /// What is bound from the beginning: a function's arguments, the key and the value of `every`.
    pub(crate) given: BTreeSet<String>,
    /// The ways in which variables become bound.
    pub(crate) ways: Vec<Way>,
    /// The variables that have to be bound in the end.
    pub(crate) used: Vec<(String, Position)>,
    /// What stands in it and sees its variables.
    pub(crate) inner: Vec<Body>,
}

/// As soon as some variables are bound, others are.
#[derive(Clone, Debug, Default)]
pub(crate) struct Way {
    pub(crate) needs: BTreeSet<String>,
    pub(crate) gives: BTreeSet<String>,
}

/// What an expression stands in.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Sign {
    /// `xs[i]` binds `i`.
    Positive,
    /// Under `not` it binds nothing.
    Negated,
}

/// The bodies of a rule, each with what its head needs.
pub(super) fn bodies(rule: &Rule, normalized: &Normalized, negates_whole_bodies: bool) -> Vec<Body> {
    let Rule::Spec { head, bodies, .. } = rule else {
        return Vec::new();
    };
    let (mut given, mut heads) = (BTreeSet::new(), Vec::new());
    match head {
        RuleHead::Compr { refr, assign, .. } => {
            heads.extend(reference(refr).indices);
            heads.extend(assign.iter().map(|assign| &*assign.value));
        }
        RuleHead::Set { refr, key, .. } => {
            heads.extend(reference(refr).indices);
            heads.extend(key.iter().map(|key| &**key));
        }
        RuleHead::Func { args, assign, .. } => {
            args.iter().for_each(|argument| pattern(argument, &mut given));
            heads.extend(assign.iter().map(|assign| &*assign.value));
        }
    }
    let new = |query: Option<&Query>, heads: &[&Expr]| {
        let mut names = Names {
            normalized,
            negates_whole_bodies,
            body: Body {
                given: given.clone(),
                ..Body::default()
            },
        };
        query.into_iter().for_each(|query| names.query(query));
        heads.iter().for_each(|expr| names.expr(expr, Sign::Positive));
        names.body
    };
    if bodies.is_empty() {
        return vec![new(None, &heads)];
    }
    let body = |body: &regorus::unstable::RuleBody| match &body.assign {
        Some(assign) if body.is_else => new(Some(&body.query), &[&*assign.value]),
        None if body.is_else => new(Some(&body.query), &[]),
        _ => new(Some(&body.query), &heads),
    };
    bodies.iter().map(body).collect()
}

/// The account of one statement by itself.
pub(in crate::policy::engine) fn account_of(
    statement: &LiteralStmt,
    normalized: &Normalized,
    negates_whole_bodies: bool,
) -> Body {
    let mut names = Names {
        normalized,
        negates_whole_bodies,
        body: Body::default(),
    };
    names.statement(statement);
    names.body
}

/// The account of one expression by itself.
pub(in crate::policy::engine) fn account_of_expr(expr: &Expr, normalized: &Normalized) -> Body {
    let mut names = Names {
        normalized,
        negates_whole_bodies: false,
        body: Body::default(),
    };
    names.expr(expr, Sign::Positive);
    names.body
}

/// The account under way.
struct Names<'n> {
    normalized: &'n Normalized,
    /// Whether what is negated is a body of its own, with variables of its own.
    negates_whole_bodies: bool,
    body: Body,
}

impl Names<'_> {
    fn query(&mut self, query: &Query) {
        query.stmts.iter().for_each(|statement| self.statement(statement));
    }

    fn statement(&mut self, statement: &LiteralStmt) {
        match &statement.literal {
            Literal::SomeVars { .. } => {}
            Literal::SomeIn {
                key,
                value,
                collection,
                ..
            } => {
                let mut gives = BTreeSet::new();
                for bound in key.iter().chain([value]) {
                    pattern(bound, &mut gives);
                    self.expr(bound, Sign::Positive);
                }
                self.way(needs(&[collection]), gives);
                self.expr(collection, Sign::Positive);
            }
            Literal::Expr { expr, .. } => self.positive(expr),
            Literal::NotExpr { expr, .. } if self.negates_whole_bodies => {
                let mut names = self.new_inner(BTreeSet::new());
                names.positive(expr);
                let body = names.body;
                self.body.inner.push(body);
            }
            Literal::NotExpr { expr, .. } => self.negated(expr),
            Literal::Every {
                key,
                value,
                domain,
                query,
                ..
            } => {
                self.expr(domain, Sign::Positive);
                let given = key.iter().chain([value]).map(|name| name.text().to_owned());
                self.inner(given.collect(), &[], query);
            }
        }
        for with in &statement.with_mods {
            // A function may stand there by its name.
            if !reference(&with.r#as).whole || reference(&with.r#as).root.is_none() {
                self.expr(&with.r#as, Sign::Positive);
            }
        }
    }

    /// A statement that is not negated.
    fn positive(&mut self, expr: &Expr) {
        match expr {
            Expr::AssignExpr { op, lhs, rhs, .. } => {
                self.unify(lhs, rhs, *op == AssignOp::Eq);
            }
            Expr::Call { fcn, params, .. } => {
                let known = function_name(fcn).and_then(|name| builtins::operands_of(&name));
                // Of a function of a file it is not known here how many operands it takes.
                let takes_result = known.is_none_or(|operands| operands + 1 == params.len());
                if let Some((result, operands)) = params.split_last().filter(|_| takes_result) {
                    let mut gives = BTreeSet::new();
                    pattern(result, &mut gives);
                    let operands: Vec<&Expr> = operands.iter().map(|operand| &**operand).collect();
                    self.way(needs(&operands), gives);
                }
            }
            _ => {}
        }
        self.expr(expr, Sign::Positive);
    }

    /// What both sides bind of each other.
    fn unify(&mut self, lhs: &Expr, rhs: &Expr, both: bool) {
        match (lhs, rhs) {
            (Expr::Array { items: left, .. }, Expr::Array { items: right, .. }) => {
                for (left, right) in left.iter().zip(right) {
                    self.unify(left, right, both);
                }
            }
            (Expr::Object { .. }, Expr::Object { .. }) => {
                for side in [lhs, rhs] {
                    let mut gives = BTreeSet::new();
                    pattern(side, &mut gives);
                    self.way(BTreeSet::new(), gives);
                }
            }
            _ => {
                let sides = [(lhs, rhs), (rhs, lhs)];
                for (bound, from) in sides.into_iter().take(if both { 2 } else { 1 }) {
                    let mut gives = BTreeSet::new();
                    pattern(bound, &mut gives);
                    self.way(needs(&[from]), gives);
                }
            }
        }
    }

    /// What is negated: calls in it are evaluated before it.
    fn negated(&mut self, expr: &Expr) {
        match expr {
            Expr::Call { fcn, params, .. } => {
                reference(fcn)
                    .indices
                    .into_iter()
                    .for_each(|index| self.expr(index, Sign::Positive));
                params.iter().for_each(|param| self.expr(param, Sign::Negated));
            }
            Expr::BoolExpr { .. }
            | Expr::BinExpr { .. }
            | Expr::ArithExpr { .. }
            | Expr::Membership { .. }
            | Expr::AssignExpr { .. } => {
                let parts = of_expr(expr).exprs;
                parts.into_iter().for_each(|part| self.expr(part, Sign::Negated));
            }
            _ => self.expr(expr, Sign::Negated),
        }
    }

    fn expr(&mut self, expr: &Expr, sign: Sign) {
        match expr {
            Expr::Var { .. } if sign == Sign::Negated && variable(expr) == Some("_") => {
                self.body.used.push(("_".into(), self.at(expr)));
            }
            Expr::Var { .. } => self.used(expr),
            Expr::RefDot { .. } | Expr::RefBrack { .. } => self.reference(expr, sign),
            Expr::Array { .. } | Expr::Set { .. } | Expr::Object { .. } => {
                let parts = of_expr(expr).exprs;
                parts.into_iter().for_each(|part| self.expr(part, sign));
            }
            Expr::ArrayCompr { term, query, .. } | Expr::SetCompr { term, query, .. } => {
                self.inner(BTreeSet::new(), &[term], query);
            }
            Expr::ObjectCompr {
                key, value, query, ..
            } => {
                self.inner(BTreeSet::new(), &[key, value], query);
            }
            Expr::Call { fcn, params, .. } => {
                let indices = reference(fcn).indices.into_iter();
                let operands = params.iter().map(|param| &**param);
                indices
                    .chain(operands)
                    .for_each(|operand| self.expr(operand, Sign::Positive));
            }
            _ => {
                let parts = of_expr(expr).exprs;
                parts.into_iter().for_each(|part| self.expr(part, Sign::Positive));
            }
        }
    }

    fn reference(&mut self, expr: &Expr, sign: Sign) {
        let target = reference(expr);
        self.expr(target.base, sign);
        let root = target
            .root
            .filter(|root| !["input", "data"].contains(&root.as_str()));
        let needs: BTreeSet<String> = root.into_iter().collect();
        for index in target.indices {
            if variable(index) == Some("_") {
                if sign == Sign::Negated {
                    self.body.used.push(("_".into(), self.at(index)));
                }
                continue;
            }
            if sign == Sign::Positive {
                let mut gives = BTreeSet::new();
                pattern(index, &mut gives);
                self.way(needs.clone(), gives);
            }
            self.expr(index, sign);
        }
    }

    fn used(&mut self, expr: &Expr) {
        let Some(name) = variable(expr).filter(|name| !["_", "input", "data"].contains(name)) else {
            return;
        };
        let at = self.at(expr);
        self.body.used.push((name.to_owned(), at));
    }

    fn at(&self, expr: &Expr) -> Position {
        self.normalized.place(Position::from(expr.span()))
    }

    fn way(&mut self, needs: BTreeSet<String>, gives: BTreeSet<String>) {
        if !gives.is_empty() {
            self.body.ways.push(Way { needs, gives });
        }
    }

    fn inner(&mut self, given: BTreeSet<String>, heads: &[&Expr], query: &Query) {
        let mut names = self.new_inner(given);
        names.query(query);
        heads.iter().for_each(|expr| names.expr(expr, Sign::Positive));
        let body = names.body;
        self.body.inner.push(body);
    }

    fn new_inner(&self, given: BTreeSet<String>) -> Self {
        Names {
            normalized: self.normalized,
            negates_whole_bodies: self.negates_whole_bodies,
            body: Body {
                given,
                ..Body::default()
            },
        }
    }
}

/// The variables of expressions, without those of queries in them.
fn needs(exprs: &[&Expr]) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    let mut left = exprs.to_vec();
    while let Some(expr) = left.pop() {
        let parts = of_expr(expr);
        match expr {
            Expr::Var { .. } => {
                let name = variable(expr).filter(|name| !["_", "input", "data"].contains(name));
                names.extend(name.map(str::to_owned));
            }
            Expr::Call { params, .. } => left.extend(params.iter().map(|param| &**param)),
            _ if parts.query.is_some() => {}
            _ => left.extend(parts.exprs),
        }
    }
    names
}
