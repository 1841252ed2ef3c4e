//! What a rule gives is looked at in its body: `deny contains f(c.x) if { … }` becomes
//! `deny contains __h0 if { …; __h0 := f(c.x) }`.
//!
//! OPA does so before it evaluates: where the value is undefined the body goes on with the next binding, and an `else`
//! follows. The engine ends the whole rule there, so one container without the member that a message prints would take
//! the denials of all others with it. `Source::parse` calls this before the other rewrites, which find the moved text in
//! its new place.

use std::collections::BTreeSet;
use std::ops::Range;

use regorus::unstable::{Expr, Module, Rule, RuleBody, RuleHead};

use super::patterns::has_object;
use super::refusals::OBJECT;
use super::rewrites::{Rewrites, offset};
use super::tokens::{Token, line_ends, on_one_line, within};
use super::{Edit, Normalized};
use crate::policy::engine::ast::Position;
use crate::policy::engine::ast::parts::{
    declared_in, function_name, is_computed, of_expr, pattern, variable,
};

const LONG_TEXT: &str = "what a rule gives has to be looked at in its body, and text of several lines cannot be moved \
                         there: give it a name in the body, as in `x := …`";

/// The edits of the heads of a file, and those that cannot be rewritten.
pub(in crate::policy::engine) struct Heads<'a> {
    rewrites: Rewrites<'a>,
    prefix: String,
    moved: usize,
    /// What stands between a head and a body.
    opening: &'static str,
}

impl<'a> Heads<'a> {
    /// All heads of a file.
    pub(in crate::policy::engine) fn of(
        normalized: &'a Normalized,
        tokens: &'a [Token],
        module: &Module,
        v0: bool,
    ) -> Self {
        let mut prefix = String::from("__h");
        while normalized.text.contains(&prefix) {
            prefix.push('_');
        }
        let is_v1 = |path: &str| ["rego.v1", "future.keywords.if"].contains(&path);
        let imports = module.imports.iter();
        let v1 = !v0
            || imports
                .filter_map(|import| function_name(&import.refr))
                .any(|path| is_v1(&path));
        let mut heads = Self {
            rewrites: Rewrites::new(normalized, tokens, module),
            prefix,
            moved: 0,
            opening: if v1 { " if { " } else { " { " },
        };
        module.policy.iter().for_each(|rule| heads.rule(rule));
        heads
    }

    /// The edits, and the places of what has to be written otherwise, and why.
    pub(in crate::policy::engine) fn into_edits(self) -> (Vec<Edit>, Vec<(Position, &'static str)>) {
        (self.rewrites.edits, self.rewrites.refused)
    }

    fn rule(&mut self, rule: &Rule) {
        let Rule::Spec { head, bodies, span } = rule else {
            return;
        };
        let (arguments, exprs) = parts(head);
        let mut given = BTreeSet::new();
        arguments
            .iter()
            .for_each(|argument| pattern(argument, &mut given));
        let taken = self.arguments(&arguments, bodies);
        if bodies.iter().all(|body| body.query.stmts.is_empty()) {
            // Of one value there is nothing to lose.
            let exprs: Vec<_> = exprs.into_iter().filter(|expr| has_wildcard(expr)).collect();
            let mut moved = taken;
            moved.extend(self.names(&exprs));
            if !moved.is_empty() {
                let end = self.rewrites.bytes(span).end;
                self.put(end, self.opening, &moved, " }");
            }
            return;
        }
        let moved = self.undefined(&exprs, &given, bodies.iter().filter(|body| !body.is_else));
        for body in bodies {
            let own;
            let moved = match (&body.assign, body.is_else) {
                (Some(assign), true) => {
                    own = self.undefined(&[&*assign.value], &given, [body].into_iter());
                    &own[..]
                }
                (None, true) => &[],
                (_, false) => &moved[..],
            };
            self.append(body, &[&taken[..], moved].concat());
        }
    }

    /// Names for arguments that take objects apart, and the statements that do it instead.
    fn arguments(&mut self, arguments: &[&Expr], bodies: &[RuleBody]) -> Vec<(String, Range<usize>)> {
        let mut taken = Vec::new();
        let arguments = arguments.iter().filter(|argument| has_object(argument));
        for argument in arguments {
            let mut names = BTreeSet::new();
            pattern(argument, &mut names);
            let has_place = bodies.iter().all(|body| !body.query.stmts.is_empty())
                || bodies.iter().all(|body| body.query.stmts.is_empty());
            let can_be = has_place && !names.iter().any(|name| self.rewrites.is_global(name));
            match can_be.then(|| self.named(argument)).flatten() {
                Some((name, text, range)) => taken.push((format!("{text} = {name}"), range)),
                None => {
                    let refusal = (Position::from(argument.span()), OBJECT);
                    self.rewrites.refused.push(refusal);
                }
            }
        }
        taken
    }

    /// Names for what may be undefined of expressions that stand above these bodies.
    fn undefined<'b>(
        &mut self,
        exprs: &[&Expr],
        given: &BTreeSet<String>,
        bodies: impl Iterator<Item = &'b RuleBody> + Clone,
    ) -> Vec<(String, Range<usize>)> {
        if bodies.clone().all(|body| body.query.stmts.is_empty()) {
            return Vec::new();
        }
        let mut names = given.clone();
        bodies.for_each(|body| names.extend(declared_in(&body.query)));
        let is_variable = |name: &str| names.contains(name) || !self.rewrites.is_global(name);
        let exprs: Vec<&Expr> = exprs
            .iter()
            .copied()
            .filter(|expr| may_be_undefined(expr, &is_variable))
            .collect();
        self.names(&exprs)
    }

    /// Puts names in the place of expressions.
    fn names(&mut self, exprs: &[&Expr]) -> Vec<(String, Range<usize>)> {
        let mut moved = Vec::new();
        for expr in exprs {
            match self.named(expr) {
                Some((name, text, range)) => moved.push((format!("{name} := {text}"), range)),
                None => {
                    let refusal = (Position::from(expr.span()), LONG_TEXT);
                    self.rewrites.refused.push(refusal);
                }
            }
        }
        moved
    }

    /// Puts a new name in the place of an expression. Gives the name, the expression on one line, and where it stood;
    /// `None` if it cannot be written on one line.
    fn named(&mut self, expr: &Expr) -> Option<(String, String, Range<usize>)> {
        let rewrites = &mut self.rewrites;
        let range = rewrites.range(expr)?;
        let text = on_one_line(rewrites.text, rewrites.tokens, range.clone())?;
        let name = format!("{}{}", self.prefix, self.moved);
        self.moved += 1;
        rewrites.edits.push(Edit {
            replaced: range.clone(),
            text: format!("{name}{}", line_ends(rewrites.text, range.clone())),
            from: None,
        });
        Some((name, text, range))
    }

    /// Adds statements to a body.
    fn append(&mut self, body: &RuleBody, moved: &[(String, Range<usize>)]) {
        let (Some(first), Some(last)) = (body.query.stmts.first(), body.query.stmts.last()) else {
            return;
        };
        if moved.is_empty() {
            return;
        }
        let begin = offset(first.span.start);
        let bare = begin == offset(body.query.span.start);
        let rewrites = &self.rewrites;
        let end = end_of(rewrites.text, rewrites.tokens, rewrites.bytes(&last.span));
        if bare {
            let at = self.rewrites.bytes(&first.span).start;
            self.rewrites.edits.push(insert(at, "{ ".into(), None));
        }
        self.put(end, "; ", moved, if bare { " }" } else { "" });
    }

    fn put(&mut self, at: usize, before: &str, moved: &[(String, Range<usize>)], after: &str) {
        let mut before = before;
        for (statement, from) in moved {
            let text = format!("{before}{statement}");
            self.rewrites.edits.push(insert(at, text, Some(from.start)));
            before = "; ";
        }
        self.rewrites.edits.push(insert(at, after.into(), None));
    }
}

/// Where a statement ends. `set()` ends where the next token does.
pub(in crate::policy::engine) fn end_of(text: &str, tokens: &[Token], statement: Range<usize>) -> usize {
    let mut open = 0usize;
    for token in within(tokens, statement.start..text.len()) {
        if token.bytes.start >= statement.end && open == 0 {
            break;
        }
        match text.get(token.bytes.clone()) {
            Some("(" | "[" | "{") => open += 1,
            Some(")" | "]" | "}") => {
                open = open.saturating_sub(1);
                if token.bytes.end >= statement.end && open == 0 {
                    return token.bytes.end;
                }
            }
            _ => {}
        }
    }
    statement.end
}

/// The arguments of a head, and what it gives.
fn parts(head: &RuleHead) -> (Vec<&Expr>, Vec<&Expr>) {
    let (mut arguments, mut exprs) = (Vec::new(), Vec::new());
    let mut indices = |refr| {
        let mut at: &Expr = refr;
        while let Expr::RefBrack { refr, .. } | Expr::RefDot { refr, .. } = at {
            if let Expr::RefBrack { index, .. } = at {
                exprs.push(&**index);
            }
            at = refr;
        }
    };
    match head {
        RuleHead::Compr { refr, assign, .. } => {
            indices(refr);
            exprs.extend(assign.iter().map(|assign| &*assign.value));
        }
        RuleHead::Set { refr, key, .. } => {
            indices(refr);
            exprs.extend(key.iter().map(|key| &**key));
        }
        RuleHead::Func { args, assign, .. } => {
            arguments.extend(args.iter().map(|argument| &**argument));
            exprs.extend(assign.iter().map(|assign| &*assign.value));
        }
    }
    (arguments, exprs)
}

/// Whether a value may be undefined although the variables in it are bound.
fn may_be_undefined(expr: &Expr, is_variable: &dyn Fn(&str) -> bool) -> bool {
    match expr {
        Expr::Var { .. } => variable(expr).is_some_and(|name| !is_variable(name)),
        Expr::Array { .. } | Expr::Set { .. } | Expr::Object { .. } => of_expr(expr)
            .exprs
            .into_iter()
            .any(|part| may_be_undefined(part, is_variable)),
        expr => is_computed(expr),
    }
}

/// Whether an expression has several values.
fn has_wildcard(expr: &Expr) -> bool {
    if let Expr::RefBrack { index, .. } = expr
        && variable(index) == Some("_")
    {
        return true;
    }
    let parts = of_expr(expr);
    parts.query.is_none() && parts.exprs.into_iter().any(has_wildcard)
}

fn insert(at: usize, text: String, from: Option<usize>) -> Edit {
    Edit {
        replaced: at..at,
        text,
        from,
    }
}
