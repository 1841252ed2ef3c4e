//! Evaluations that are looked at: what they printed, and which lines they came to.
//!
//! Called for tests, never by a server: its evaluations stay as they are and leave nothing behind. Coverage is known by
//! lines of the text that the engine reads; [`Lines`] says where the author wrote what stands there.

use std::collections::{BTreeMap, BTreeSet};

use regorus::Engine;
use regorus::unstable::{Expr, Literal, Query, Rule, RuleHead, Span};

use super::ast::parts::{of_expr, of_statement};
use super::ast::{Position, Source};
use super::builtins::{self, BuiltinErrors};
use super::group::{Group, Limits};
use super::json::Document;
use crate::policy::Fault;

/// What an evaluation left behind besides its value.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Observed {
    /// What `print` wrote, each with its file and line.
    pub(crate) prints: Vec<String>,
    /// Lines of each file, as the engine counts, that it came to; empty unless they were asked for.
    pub(crate) reached: BTreeMap<String, BTreeSet<u32>>,
}

impl Group {
    /// Evaluates one rule by its path below `data`. An undefined one has a value of that kind. Where the group is lenient,
    /// errors of builtins are, as for its policies, no faults.
    pub(crate) fn observe(
        &self,
        rule: &str,
        input: &Document,
        limits: &Limits,
        lines: bool,
    ) -> (Result<Document, Fault>, Observed) {
        let mut observed = Observed::default();
        let value = self.look_at(
            &self.strict,
            BuiltinErrors::Fault,
            rule,
            input,
            limits,
            lines,
            &mut observed,
        );
        let failed = matches!(value, Err(Fault::Builtin { .. })) && !builtins::took_too_much();
        let Some(lenient) = self.lenient.as_ref().filter(|_| failed) else {
            return (value, observed);
        };
        let mut again = Observed::default();
        let second = self.look_at(
            lenient,
            BuiltinErrors::Undefined,
            rule,
            input,
            limits,
            lines,
            &mut again,
        );
        if builtins::took_too_much() {
            return (value, observed);
        }
        (second, again)
    }

    /// What the errors of builtins are to what is observed here.
    pub(crate) fn errors(&self) -> BuiltinErrors {
        match self.lenient {
            Some(_) => BuiltinErrors::Undefined,
            None => BuiltinErrors::Fault,
        }
    }

    #[expect(
        clippy::too_many_arguments,
        reason = "an evaluation, its engine, and what to look at"
    )]
    fn look_at(
        &self,
        engine: &Engine,
        errors: BuiltinErrors,
        rule: &str,
        input: &Document,
        limits: &Limits,
        lines: bool,
        observed: &mut Observed,
    ) -> Result<Document, Fault> {
        let mut engine = engine.clone();
        engine.set_enable_coverage(lines);
        let value = self.run_in(&mut engine, errors, rule, input, limits);
        observed.prints = engine.take_prints().unwrap_or_default();
        if lines && let Ok(report) = engine.get_coverage_report() {
            for file in report.files {
                observed
                    .reached
                    .entry(file.path)
                    .or_default()
                    .extend(file.covered);
            }
        }
        value
    }
}

/// The lines of a file that an evaluation can come to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Lines {
    /// As the engine counts, and as the author does: what is moved stands on two.
    pairs: BTreeSet<(u32, u32)>,
}

impl Lines {
    /// Those of a file: statements, and what rules give.
    pub(crate) fn of(source: &Source) -> Self {
        let mut engine = Engine::new();
        engine.set_rego_v0(source.v0);
        source.normalized.allow_length(&mut engine);
        let mut lines = Self::default();
        if engine
            .add_policy(source.path.clone(), source.normalized.text.clone())
            .is_err()
        {
            return lines;
        }
        for module in engine.get_modules() {
            module.policy.iter().for_each(|rule| lines.rule(source, rule));
        }
        lines
    }

    /// The author's lines, and whether an evaluation came to each that reached these lines of the engine's.
    pub(crate) fn reached(&self, reached: &BTreeSet<u32>) -> BTreeMap<u32, bool> {
        let mut lines = BTreeMap::new();
        for (engine, author) in &self.pairs {
            *lines.entry(*author).or_default() |= reached.contains(engine);
        }
        lines
    }

    fn add(&mut self, source: &Source, span: &Span) {
        let author = source.normalized.place(Position::from(span));
        self.pairs.insert((span.line, author.line));
    }

    fn rule(&mut self, source: &Source, rule: &Rule) {
        let Rule::Spec { head, bodies, .. } = rule else {
            return;
        };
        let given = match head {
            RuleHead::Compr { assign, .. } | RuleHead::Func { assign, .. } => {
                assign.as_ref().map(|assign| &*assign.value)
            }
            RuleHead::Set { key, .. } => key.as_deref(),
        };
        given.into_iter().for_each(|expr| self.expr(source, expr));
        // Of the value behind an `else` the engine does not tell whether it came to it.
        let values = bodies.iter().filter_map(|body| body.assign.as_ref());
        values.for_each(|assign| self.queries_in(source, &assign.value));
        bodies.iter().for_each(|body| self.query(source, &body.query));
    }

    fn query(&mut self, source: &Source, query: &Query) {
        for statement in &query.stmts {
            match &statement.literal {
                Literal::SomeVars { .. } => {}
                Literal::SomeIn { collection, .. } => self.add(source, collection.span()),
                Literal::Expr { expr, .. } | Literal::NotExpr { expr, .. } => self.add(source, expr.span()),
                Literal::Every { domain, .. } => self.add(source, domain.span()),
            }
            let parts = of_statement(statement);
            parts.exprs.iter().for_each(|expr| self.queries_in(source, expr));
            parts
                .query
                .into_iter()
                .for_each(|query| self.query(source, query));
        }
    }

    /// The line of an expression, and those of the queries in it. A comprehension by itself has only these.
    fn expr(&mut self, source: &Source, expr: &Expr) {
        if of_expr(expr).query.is_none() {
            self.add(source, expr.span());
        }
        self.queries_in(source, expr);
    }

    fn queries_in(&mut self, source: &Source, expr: &Expr) {
        let parts = of_expr(expr);
        parts
            .query
            .into_iter()
            .for_each(|query| self.query(source, query));
        // What a comprehension gives the engine does not look into.
        if parts.query.is_none() {
            parts.exprs.iter().for_each(|expr| self.queries_in(source, expr));
        }
    }
}
