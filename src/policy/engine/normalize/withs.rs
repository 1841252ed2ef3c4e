//! What stands in for something is looked at first: `x with input as f(a) with data.b as c` becomes
//! `__w0 := f(a); x with input as __w0 with data.b as c`.
//!
//! OPA does so before it evaluates. The engine looks at one value after the other and has put the first ones in place by
//! then, so with several `with` a value that may be undefined has to be taken out. What iterates, as `xs[_]` does, it
//! does not look at there at all. One that cannot be taken out, because its text has several lines, is refused by the
//! rewrites that follow.

use regorus::unstable::{Expr, LiteralStmt, Module, Query, Rule};

use super::rewrites::{Rewrites, offset};
use super::tokens::{Token, line_ends, on_one_line};
use super::{Edit, Normalized};
use crate::policy::engine::ast::parts::{of_expr, of_rule, of_statement, variable};

/// The edits of the statements of a file whose `with` are looked at first.
pub(in crate::policy::engine) struct Withs<'a> {
    rewrites: Rewrites<'a>,
    prefix: String,
    taken_out: usize,
}

impl<'a> Withs<'a> {
    /// Those of a file.
    pub(in crate::policy::engine) fn of(
        normalized: &'a Normalized,
        tokens: &'a [Token],
        module: &Module,
    ) -> Self {
        let mut prefix = String::from("__w");
        while normalized.text.contains(&prefix) {
            prefix.push('_');
        }
        let mut withs = Self {
            rewrites: Rewrites::new(normalized, tokens, module),
            prefix,
            taken_out: 0,
        };
        module.policy.iter().for_each(|rule| withs.rule(rule));
        withs
    }

    /// The edits.
    pub(in crate::policy::engine) fn into_edits(self) -> Vec<Edit> {
        self.rewrites.edits
    }

    fn rule(&mut self, rule: &Rule) {
        of_rule(rule).into_iter().for_each(|expr| self.expr(expr));
        let Rule::Spec { bodies, .. } = rule else { return };
        for body in bodies {
            let first = body.query.stmts.first();
            let begin = offset(body.query.span.start);
            self.query(
                &body.query,
                first.is_some_and(|first| offset(first.span.start) == begin),
            );
        }
    }

    /// `bare`: without braces, so that there is no place for another statement.
    fn query(&mut self, query: &Query, bare: bool) {
        for statement in &query.stmts {
            let taken_out = self.statement(statement, bare);
            let parts = of_statement(statement);
            // What is taken out goes as it is.
            let stays = |expr: &&Expr| !taken_out.iter().any(|taken| std::ptr::eq(*taken, *expr));
            parts
                .exprs
                .into_iter()
                .filter(stays)
                .for_each(|expr| self.expr(expr));
            parts.query.into_iter().for_each(|query| self.query(query, false));
        }
    }

    fn expr(&mut self, expr: &Expr) {
        let parts = of_expr(expr);
        parts.exprs.into_iter().for_each(|expr| self.expr(expr));
        parts.query.into_iter().for_each(|query| self.query(query, false));
    }

    /// Takes out what may be undefined of the values of several `with`, and of one that iterates.
    fn statement<'e>(&mut self, statement: &'e LiteralStmt, bare: bool) -> Vec<&'e Expr> {
        let mut values = statement.with_mods.iter();
        if statement.with_mods.len() < 2 && !values.any(|with| iterates(&with.r#as)) {
            return Vec::new();
        }
        let rewrites = &mut self.rewrites;
        let whole = rewrites.bytes(&statement.span);
        let mut taken_out = Vec::new();
        for with in &statement.with_mods {
            let value = &*with.r#as;
            let range = rewrites.range(value).filter(|_| !rewrites.is_there(value));
            let Some(range) = range else { continue };
            let Some(text) = on_one_line(rewrites.text, rewrites.tokens, range.clone()) else {
                continue;
            };
            let name = format!("{}{}", self.prefix, self.taken_out);
            self.taken_out += 1;
            let opening = if bare && taken_out.is_empty() { "{ " } else { "" };
            rewrites.edits.push(Edit {
                replaced: whole.start..whole.start,
                text: format!("{opening}{name} := {text}; "),
                from: Some(range.start),
            });
            rewrites.edits.push(Edit {
                text: format!("{name}{}", line_ends(rewrites.text, range.clone())),
                replaced: range,
                from: None,
            });
            taken_out.push(value);
        }
        if bare && !taken_out.is_empty() {
            let last = statement
                .with_mods
                .last()
                .and_then(|with| rewrites.range(&with.r#as));
            let end = last.map_or(whole.end, |last| last.end.max(whole.end));
            rewrites.edits.push(Edit {
                replaced: end..end,
                text: " }".into(),
                from: None,
            });
        }
        taken_out
    }
}

/// Whether an expression may have several values: a variable in brackets may be one that is yet to be found.
pub(super) fn iterates(expr: &Expr) -> bool {
    if let Expr::RefBrack { index, .. } = expr
        && variable(index).is_some()
    {
        return true;
    }
    let parts = of_expr(expr);
    parts.query.is_none() && parts.exprs.into_iter().any(iterates)
}
