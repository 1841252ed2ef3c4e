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
use super::group::{Group, Limits, prepare};
use super::json::Document;
use crate::policy::Fault;

/// How an evaluation is looked at.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Look {
    /// What the errors of builtins are. Without a second engine for it they are faults.
    pub(crate) errors: BuiltinErrors,
    /// Whether it is noted which lines it came to.
    pub(crate) lines: bool,
}

/// What an evaluation gave, and what it left behind.
#[derive(Debug)]
pub(crate) struct Observed {
    /// The value; an undefined one has that kind.
    pub(crate) value: Result<Document, Fault>,
    /// The fault of a builtin that was passed over.
    pub(crate) passed_over: Option<Fault>,
    /// What `print` wrote, each with its file and line.
    pub(crate) prints: Vec<String>,
    /// Lines of each file, as the engine counts, that it came to.
    pub(crate) reached: BTreeMap<String, BTreeSet<u32>>,
}

impl Group {
    /// Evaluates one rule by its path below `data`.
    pub(crate) fn observe(&self, rule: &str, input: &Document, limits: &Limits, look: Look) -> Observed {
        let first = self.look_at(
            &self.strict,
            BuiltinErrors::Fault,
            rule,
            input,
            limits,
            look.lines,
        );
        let (Err(fault @ Fault::Builtin { .. }), Some(lenient)) = (&first.value, &self.lenient) else {
            return first;
        };
        if look.errors == BuiltinErrors::Fault || builtins::took_too_much() {
            return first;
        }
        let passed_over = Some(fault.clone());
        let second = self.look_at(lenient, BuiltinErrors::Undefined, rule, input, limits, look.lines);
        if builtins::took_too_much() {
            return first;
        }
        Observed {
            passed_over,
            ..second
        }
    }

    /// The same policies over other data.
    ///
    /// # Errors
    /// What the engine says of it.
    pub(crate) fn with_data(&self, data: &Document) -> Result<Self, String> {
        let over = |engine: &Engine| {
            let mut engine = engine.clone();
            engine.clear_data();
            engine
                .add_data(data.0.clone())
                .map_err(|error| error.to_string())?;
            prepare(&mut engine)?;
            Ok::<_, String>(engine)
        };
        Ok(Group {
            strict: over(&self.strict)?,
            lenient: self.lenient.as_ref().map(over).transpose()?,
            texts: self.texts.clone(),
        })
    }

    /// What the errors of builtins are to what is observed here.
    pub(crate) fn errors(&self) -> BuiltinErrors {
        match self.lenient {
            Some(_) => BuiltinErrors::Undefined,
            None => BuiltinErrors::Fault,
        }
    }

    fn look_at(
        &self,
        engine: &Engine,
        errors: BuiltinErrors,
        rule: &str,
        input: &Document,
        limits: &Limits,
        lines: bool,
    ) -> Observed {
        let mut engine = engine.clone();
        engine.set_enable_coverage(lines);
        let value = self.run_in(&mut engine, errors, rule, input, limits);
        let report = lines.then(|| engine.get_coverage_report());
        let files = report.and_then(Result::ok).map(|report| report.files);
        let covered = files.unwrap_or_default().into_iter();
        Observed {
            value,
            passed_over: None,
            prints: engine.take_prints().unwrap_or_default(),
            reached: covered.map(|file| (file.path, file.covered)).collect(),
        }
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

#[cfg(test)]
mod tests;
