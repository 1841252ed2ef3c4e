//! A body as its expressions one after the other, each with the text that the engine reads and the text that its author
//! wrote.
//!
//! What normalising took out of an expression ([`super::super::normalize`]) stands before it under a name that no author
//! wrote; it is told as the expression that it was taken out of. The engine looks at expressions when what they need is
//! bound, in whatever order they stand, and so do the steps.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use regorus::unstable::{AssignOp, BoolOp, Expr, Literal, LiteralStmt, Module, Query, Span};

use super::notation::cut;
use crate::policy::engine::ast::parts::{declared_in, negates_whole_bodies, variable};
use crate::policy::engine::ast::{Body, Position, account_of};
use crate::policy::engine::normalize::Normalized;
use crate::policy::engine::normalize::heads::end_of;
use crate::policy::engine::normalize::rewrites::Rewrites;
use crate::policy::engine::normalize::tokens::{Kind, Token, within};
use crate::policy::explain::{MAX_TEXT, Place};

/// One expression of a body.
pub(super) struct Step<'a> {
    pub(super) statement: &'a LiteralStmt,
    /// What the engine reads.
    pub(super) code: String,
    /// What its author wrote, on one line.
    pub(super) shown: String,
    /// Where its author wrote it.
    pub(super) at: Position,
    /// What it needs and binds.
    account: Body,
}

impl Step<'_> {
    /// Whether it says something, other than which names are variables.
    pub(super) fn can_fail(&self) -> bool {
        !matches!(self.statement.literal, Literal::SomeVars { .. })
    }
}

/// Reads the bodies of one file.
pub(super) struct Reader<'a> {
    pub(super) path: &'a str,
    normalized: &'a Normalized,
    tokens: &'a [Token],
    rewrites: Rewrites<'a>,
    negates_whole_bodies: bool,
    /// What rules of the package are called, in whichever file.
    rules: &'a BTreeSet<String>,
    /// What each name that no author wrote stands for.
    stands_for: BTreeMap<String, String>,
}

impl<'a> Reader<'a> {
    pub(super) fn new(
        path: &'a str,
        normalized: &'a Normalized,
        tokens: &'a [Token],
        module: &Module,
        rules: &'a BTreeSet<String>,
    ) -> Self {
        Self {
            path,
            normalized,
            tokens,
            rewrites: Rewrites::new(normalized, tokens, module),
            negates_whole_bodies: negates_whole_bodies(module),
            rules,
            stands_for: BTreeMap::new(),
        }
    }

    /// The expressions of a body in the order in which what they need is bound.
    pub(super) fn steps(&mut self, query: &'a Query) -> Vec<Step<'a>> {
        let mut steps: Vec<Step<'a>> = Vec::new();
        // Where the steps begin that belong to the expression which is yet to come.
        let mut taken_out = None;
        for statement in &query.stmts {
            let range = end_of(
                self.normalized.text.as_str(),
                self.tokens,
                self.rewrites.bytes(&statement.span),
            );
            let range = self.rewrites.bytes(&statement.span).start..range;
            let code = self.code(range.clone());
            let defined = self.note_taken_out(statement);
            let step = Step {
                statement,
                shown: defined.clone().unwrap_or_else(|| self.shown(range)),
                at: self.position(&statement.span),
                account: account_of(statement, self.normalized, self.negates_whole_bodies),
                code,
            };
            steps.push(step);
            let last = steps.len() - 1;
            if defined.is_some() || self.is_guard(statement) {
                taken_out.get_or_insert(last);
            } else if let Some(first) = taken_out.take() {
                belong_together(steps.get_mut(first..).unwrap_or_default());
            }
        }
        self.in_order(steps, query)
    }

    /// The names of a body that are variables.
    pub(super) fn variables(&self, steps: &[Step<'_>], query: &Query) -> BTreeSet<String> {
        let ways = steps.iter().flat_map(|step| &step.account.ways);
        let mut names: BTreeSet<String> = ways.flat_map(|way| way.gives.clone()).collect();
        names.retain(|name| !self.rules.contains(name) && !self.rewrites.is_global(name));
        names.extend(declared_in(query));
        names
    }

    fn in_order(&self, mut left: Vec<Step<'a>>, query: &Query) -> Vec<Step<'a>> {
        let variables = self.variables(&left, query);
        let mut done: Vec<Step<'a>> = Vec::with_capacity(left.len());
        while !left.is_empty() {
            let ready = |step: &Step<'_>| {
                let all = done.iter().map(|step| &step.account).chain([&step.account]);
                let bound = bound_by(all);
                is_bound(&step.account, &bound, &variables)
            };
            // What is never bound is the loader's to refuse; here it is tried where it stands.
            let next = left.iter().position(ready).unwrap_or(0);
            done.push(left.remove(next));
        }
        done
    }

    /// Whether the operand of an expression has all that it needs, after these steps or by itself.
    pub(super) fn can_ask(&self, account: &Body, after: &[Step<'_>], variables: &BTreeSet<String>) -> bool {
        let all = after.iter().map(|step| &step.account).chain([account]);
        is_bound(account, &bound_by(all), variables)
    }

    /// What the engine reads in a range.
    pub(super) fn code(&self, range: Range<usize>) -> String {
        self.normalized.text.get(range).unwrap_or_default().to_owned()
    }

    /// What the engine reads of an expression.
    pub(super) fn range(&self, expr: &Expr) -> Option<Range<usize>> {
        self.rewrites.range(expr)
    }

    /// What the author wrote in a range of the engine's text, on one line.
    pub(super) fn shown(&self, range: Range<usize>) -> String {
        let text = self.normalized.text.as_str();
        let mut line = String::new();
        let mut end = None;
        for token in within(self.tokens, range) {
            if end.is_some_and(|end| end < token.bytes.start) {
                line.push(' ');
            }
            end = Some(token.bytes.end);
            let word = text.get(token.bytes.clone()).unwrap_or_default();
            let stands_for = self.stands_for.get(word).filter(|_| token.kind == Kind::Word);
            line.push_str(stands_for.map_or(word, String::as_str));
        }
        cut(line, MAX_TEXT)
    }

    /// A rule's head, `deny contains msg`.
    pub(super) fn head(&self, span: &Span) -> String {
        let bytes = self.rewrites.bytes(span);
        let end = end_of(&self.normalized.text, self.tokens, bytes.clone());
        self.shown(bytes.start..end)
    }

    pub(super) fn place(&self, at: Position) -> Place {
        Place {
            file: self.path.to_owned(),
            line: at.line,
            column: at.column,
        }
    }

    pub(super) fn position(&self, span: &Span) -> Position {
        self.normalized.place(Position::from(span))
    }

    /// The variables that these steps bind and that their author named.
    pub(super) fn bound(&self, steps: &[Step<'_>], variables: &BTreeSet<String>) -> Vec<String> {
        let bound = bound_by(steps.iter().map(|step| &step.account));
        let named = |name: &&&str| variables.contains(**name) && !self.is_ours(name);
        bound
            .iter()
            .filter(named)
            .map(|name| (*name).to_owned())
            .collect()
    }

    fn is_ours(&self, name: &str) -> bool {
        name.starts_with("__") && !self.normalized.author().contains(name)
    }

    /// Notes `__n0 := …`, and gives what was taken out.
    fn note_taken_out(&mut self, statement: &LiteralStmt) -> Option<String> {
        let Literal::Expr { expr, .. } = &statement.literal else {
            return None;
        };
        let Expr::AssignExpr {
            op: AssignOp::ColEq,
            lhs,
            rhs,
            ..
        } = &**expr
        else {
            return None;
        };
        let name = variable(lhs).filter(|name| self.is_ours(name))?;
        let text = self.shown(self.rewrites.range(rhs)?);
        self.stands_for.insert(name.to_owned(), text.clone());
        Some(text)
    }

    /// Whether it is `x >= []` which no author wrote: it asks before an iteration whether there is a collection.
    fn is_guard(&self, statement: &LiteralStmt) -> bool {
        let Literal::Expr { expr, .. } = &statement.literal else {
            return false;
        };
        let Expr::BoolExpr {
            op: BoolOp::Ge,
            lhs,
            rhs,
            ..
        } = &**expr
        else {
            return false;
        };
        // It asks about what was taken out, or stands where its author wrote `some`.
        let begin = self.rewrites.bytes(&statement.span).start;
        let mut words = self.normalized.author_from(begin).split(char::is_whitespace);
        matches!(&**rhs, Expr::Array { items, .. } if items.is_empty())
            && (variable(lhs).is_some_and(|name| self.is_ours(name)) || words.next() == Some("some"))
    }
}

/// What was taken out of an expression is told as that expression, where it begins.
fn belong_together(steps: &mut [Step<'_>]) {
    let Some((at, shown)) = steps
        .first()
        .map(|step| step.at)
        .zip(steps.last().map(|step| step.shown.clone()))
    else {
        return;
    };
    for step in steps {
        step.at = at;
        step.shown.clone_from(&shown);
    }
}

/// What these accounts bind together.
fn bound_by<'b>(accounts: impl Iterator<Item = &'b Body>) -> BTreeSet<&'b str> {
    let ways: Vec<_> = accounts.flat_map(|account| &account.ways).collect();
    let gives: BTreeSet<&str> = ways
        .iter()
        .flat_map(|way| &way.gives)
        .map(String::as_str)
        .collect();
    let mut bound = BTreeSet::new();
    loop {
        let before = bound.len();
        for way in &ways {
            // A name that nothing here binds is that of a rule, or was bound outside.
            let there = |name: &String| bound.contains(name.as_str()) || !gives.contains(name.as_str());
            if way.needs.iter().all(there) {
                bound.extend(way.gives.iter().map(String::as_str));
            }
        }
        if bound.len() == before {
            return bound;
        }
    }
}

/// Whether all variables that are used are bound, in what stands inside, too.
fn is_bound(account: &Body, bound: &BTreeSet<&str>, variables: &BTreeSet<String>) -> bool {
    let free = |name: &str| variables.contains(name) && !bound.contains(name);
    if account.used.iter().any(|(name, _)| free(name)) {
        return false;
    }
    account.inner.iter().all(|inner| {
        let mut bound = bound.clone();
        bound.extend(inner.given.iter().map(String::as_str));
        bound.extend(bound_by([inner].into_iter()));
        is_bound(inner, &bound, variables)
    })
}
