//! `x in xs` where it is a value: `found := x in input.xs` becomes `found := __in(x, input.xs)`.
//!
//! In OPA it is a call, and undefined where `x` or `xs` is. The engine finds nothing in what is not there and says `false`,
//! so that `(x in input.blocked) == false` would hold without `input.blocked`. A statement that is no more than
//! `x in xs` comes to the same in both and stays. `Source::parse` calls this behind the rewriting of results and before all
//! others, to which it is a call like any other.

use regorus::unstable::{Expr, Literal, LiteralStmt, Module, Query, Rule};

use super::heads::end_of;
use super::rewrites::Rewrites;
use super::tokens::{Kind, Token, within};
use super::{Edit, Normalized};
use crate::policy::engine::ast::Position;
use crate::policy::engine::ast::parts::{of_expr, of_rule, of_statement};
use crate::policy::engine::builtins::{MEMBER, MEMBER_AT};

const NAME: &str = "names of this kind are Regate's own: give it another one";

/// The edits of a file.
pub(in crate::policy::engine) struct Members<'a> {
    rewrites: Rewrites<'a>,
}

impl<'a> Members<'a> {
    /// Those of a file, and what cannot be.
    pub(in crate::policy::engine) fn of(
        normalized: &'a Normalized,
        tokens: &'a [Token],
        module: &Module,
    ) -> Self {
        let mut members = Self {
            rewrites: Rewrites::new(normalized, tokens, module),
        };
        let is_ours = |token: &&Token| {
            let word = normalized.text.get(token.bytes.clone());
            token.kind == Kind::Word && [Some(MEMBER), Some(MEMBER_AT)].contains(&word)
        };
        let taken = tokens.iter().filter(is_ours);
        let taken = taken.map(|token| (normalized.position(token.bytes.start), NAME));
        members.rewrites.refused.extend(taken);
        module.policy.iter().for_each(|rule| members.rule(rule));
        members
    }

    /// The edits, and the places of what has to be written otherwise, and why.
    pub(in crate::policy::engine) fn into_edits(self) -> (Vec<Edit>, Vec<(Position, &'static str)>) {
        (self.rewrites.edits, self.rewrites.refused)
    }

    fn rule(&mut self, rule: &Rule) {
        let Rule::Spec { bodies, .. } = rule else { return };
        of_rule(rule).into_iter().for_each(|expr| self.expr(expr));
        bodies.iter().for_each(|body| self.query(&body.query));
    }

    fn query(&mut self, query: &Query) {
        query.stmts.iter().for_each(|statement| self.statement(statement));
    }

    fn statement(&mut self, statement: &LiteralStmt) {
        let parts = of_statement(statement);
        let mut exprs = parts.exprs.into_iter();
        let stays = match &statement.literal {
            Literal::Expr { expr, .. } => matches!(&**expr, Expr::Membership { key: None, .. }),
            // What is negated is looked at by `negation`.
            Literal::NotExpr { expr, .. } => matches!(&**expr, Expr::Membership { .. }),
            _ => false,
        };
        if let Some(expr) = stays.then(|| exprs.next()).flatten() {
            self.parts(expr);
        }
        exprs.for_each(|expr| self.expr(expr));
        parts.query.into_iter().for_each(|query| self.query(query));
    }

    fn expr(&mut self, expr: &Expr) {
        self.member(expr);
        self.parts(expr);
    }

    fn parts(&mut self, expr: &Expr) {
        let parts = of_expr(expr);
        parts.exprs.into_iter().for_each(|expr| self.expr(expr));
        parts.query.into_iter().for_each(|query| self.query(query));
    }

    fn member(&mut self, expr: &Expr) {
        let Expr::Membership {
            span,
            key,
            value,
            collection,
            ..
        } = expr
        else {
            return;
        };
        let rewrites = &self.rewrites;
        let whole = rewrites.bytes(span);
        let end = end_of(rewrites.text, rewrites.tokens, whole.clone());
        let (Some(value), Some(collection)) = (rewrites.range(value), rewrites.range(collection)) else {
            return;
        };
        let is_in = |token: &&Token| rewrites.text.get(token.bytes.clone()) == Some("in");
        let between = within(rewrites.tokens, value.end..collection.start);
        let Some(operator) = between.iter().find(is_in).map(|token| token.bytes.clone()) else {
            return;
        };
        let name = if key.is_some() { MEMBER_AT } else { MEMBER };
        let edit = |replaced, text| Edit {
            replaced,
            text,
            from: None,
        };
        self.rewrites.edits.extend([
            edit(whole.start..whole.start, format!("{name}(")),
            edit(operator, ",".into()),
            edit(end..end, ")".into()),
        ]);
    }
}
