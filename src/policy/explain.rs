//! Why a rule gave what it gave: which of its definitions fired, and what kept the others from it.
//!
//! Made on demand for whoever writes policies (`regate review --explain`, `regate test`), never while serving: a value
//! that a policy met may be a secret, and belongs on its author's terminal only. [`PolicySet::explain`] asks the engine of
//! a policy; nothing is kept for it while nobody asks. Always holds: places are those of the author's text, and every
//! text and list is bounded.

use std::fmt;

use super::engine::Document;
use super::matching::Facts;
pub use super::select::Misfit;
use super::select::{self, NamespaceOf};
use super::{Limits, Policy, PolicySet};
use crate::gate::Gate;

/// A place in a policy file, from 1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The file as the author named it.
    pub file: String,
    /// Line.
    pub line: u32,
    /// Column, in characters.
    pub column: u32,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.file, self.line, self.column)
    }
}

/// One definition of a rule: a head with one body. Each `else` is one of its own.
#[derive(Clone, Debug, PartialEq)]
pub struct Definition {
    /// Where it begins.
    pub place: Place,
    /// Its head, `deny contains msg`.
    pub head: String,
    /// What came of it.
    pub verdict: Verdict,
}

/// What came of a definition.
#[derive(Clone, Debug, PartialEq)]
pub enum Verdict {
    /// Its body held.
    Fired {
        /// What it gave, the first [`MAX_VALUES`].
        values: Vec<Document>,
        /// How many values it gave.
        count: usize,
    },
    /// Its body did not hold.
    Failed(Box<Failed>),
    /// An `else` behind what already held.
    NotReached,
    /// It cannot be told, and why.
    Unknown(String),
}

/// The first expression of a body that does not hold, after all before it did.
#[derive(Clone, Debug, PartialEq)]
pub struct Failed {
    /// Where it stands.
    pub place: Place,
    /// The expression on one line, as its author wrote it.
    pub text: String,
    /// The error, if it is one.
    pub error: Option<String>,
    /// In how many ways the expressions before it held; each was tried, and none went further.
    pub ways: usize,
    /// The first [`MAX_EXAMPLES`] of those ways.
    pub examples: Vec<Example>,
    /// The rules that the expression names, and what came of them: of at most [`MAX_NAMED`], to a depth of [`MAX_DEPTH`].
    pub because: Vec<Named>,
}

/// A rule that a failing expression names.
#[derive(Clone, Debug, PartialEq)]
pub struct Named {
    /// The rule as the expression names it.
    pub rule: String,
    /// What came of each of its definitions.
    pub definitions: Vec<Definition>,
}

/// One way in which the expressions before the failing one held.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Example {
    /// The variables that were bound, with their values.
    pub variables: Vec<(String, String)>,
    /// What the failing expression is made of.
    pub operands: Vec<Operand>,
    /// Both sides of an `==` (or of an `=` that binds nothing), whole, where both are defined.
    pub sides: Option<(Document, Document)>,
}

/// A part of the failing expression.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Operand {
    /// The part as its author wrote it.
    pub text: String,
    /// What it is.
    pub value: OperandValue,
}

/// What a part of an expression is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OperandValue {
    /// One value.
    One(String),
    /// Several, because it iterates: the first of them, and how many there are.
    Several(Vec<String>, usize),
    /// None; where it is a reference, as far as it is defined, with the value there.
    Undefined(Option<(String, String)>),
}

impl fmt::Display for Operand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Operand { text, value } = self;
        match value {
            OperandValue::One(value) => write!(f, "{text} is {value}"),
            OperandValue::Several(first, count) => {
                let more = if *count > first.len() { ", …" } else { "" };
                write!(f, "{text} is each of {count}: {}{more}", first.join(", "))
            }
            OperandValue::Undefined(None) => write!(f, "{text} is undefined"),
            OperandValue::Undefined(Some((defined, value))) => {
                write!(f, "{text} is undefined: {defined} is {value}")
            }
        }
    }
}

/// How many values of a definition are given.
pub const MAX_VALUES: usize = 10;
/// How many ways to a failing expression are given.
pub const MAX_EXAMPLES: usize = 3;
/// How many parts of a failing expression are given.
pub const MAX_OPERANDS: usize = 8;
/// How many of the rules that a failing expression names are explained.
pub const MAX_NAMED: usize = 3;
/// How far rules that others name are explained.
pub const MAX_DEPTH: usize = 3;
/// How long a value or an expression may be, in characters, before it is cut.
pub const MAX_TEXT: usize = 240;

impl PolicySet {
    /// What came of each definition of a policy's rule, in the order of files and lines. Slow: for people only.
    pub fn explain(&self, policy: &Policy, rule: &str, input: &Document, limits: &Limits) -> Vec<Definition> {
        let Some(group) = self.groups.get(policy.group) else {
            return Vec::new();
        };
        group.explain(&policy.package(), rule, input, policy.builtin_errors, limits)
    }

    /// What keeps each policy of a gate that the review does not match from being asked about it.
    pub fn misfits(&self, gate: Gate, facts: &Facts, namespace: NamespaceOf<'_>) -> Vec<(&Policy, Misfit)> {
        let misfit = |policy| select::misfit(policy, facts, namespace).map(|misfit| (policy, misfit));
        self.of(gate).filter_map(misfit).collect()
    }

    /// What a policy's evaluation prints, a line each, with file and line before it.
    pub fn prints(&self, policy: &Policy, input: &Document, limits: &Limits) -> Vec<String> {
        let Some(group) = self.groups.get(policy.group) else {
            return Vec::new();
        };
        group.prints(&policy.entry, input, policy.builtin_errors, limits)
    }
}

impl Policy {
    /// Its package, `["kubernetes", "admission", "owner"]`.
    pub fn package(&self) -> Vec<String> {
        let path = self.entry.trim_start_matches("data.").split('.');
        let mut package: Vec<String> = path.map(str::to_owned).collect();
        package.pop();
        package
    }
}
