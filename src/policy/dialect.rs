//! Dialects: policies that were written for Gatekeeper, conftest or OPA's own webhook, run as they are.
//!
//! Loading turns the files of every dialect into [`super::Policy`]s, so that selection, enforcement, records, metrics and
//! faults are the same for all. What differs is here, and only here: the input document that a policy is given, and how
//! what its rules say is read. Asked by `review/evaluate` before an evaluation and by the policy set after it. Always
//! holds: what a dialect cannot understand of a policy's answer is a fault, never silence.

mod conftest;
pub(crate) mod gatekeeper;
mod system;

use super::engine::Document;
use super::engine::builtins::BuiltinErrors;
use super::namespaces::Namespace;
use super::{Fault, Outcome};

pub(crate) use conftest::{Severity, severity};

/// Whose way a policy is written in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Dialect {
    /// Regate's own packages.
    #[default]
    Regate,
    /// A constraint of a Gatekeeper `ConstraintTemplate`.
    Gatekeeper,
    /// conftest's `package main`.
    Conftest,
    /// OPA's `data.system.main`: the whole response.
    System,
}

/// What an input document is made of.
pub(crate) struct Question<'a> {
    /// The review as received.
    pub(crate) review: &'a Document,
    /// `input.regate`, without the Namespace.
    pub(crate) regate: Document,
    /// The policy's parameters.
    pub(crate) parameters: &'a Document,
    /// The review's Namespace, where the policy reads it.
    pub(crate) namespace: Option<&'a Namespace>,
}

impl Dialect {
    /// What the errors of builtins are where a policy does not say so: elsewhere they are OPA's.
    pub(crate) const fn builtin_errors(self) -> BuiltinErrors {
        match self {
            Dialect::Regate => BuiltinErrors::Fault,
            Dialect::Gatekeeper | Dialect::Conftest | Dialect::System => BuiltinErrors::Undefined,
        }
    }

    /// The input document; `None` where the dialect has no word for such a review.
    pub(crate) fn input(self, question: Question<'_>) -> Option<Document> {
        let Question {
            review,
            regate,
            parameters,
            namespace,
        } = question;
        match self {
            Dialect::Regate => {
                let regate = match namespace {
                    Some(namespace) => regate.with("namespace", namespace.to_document()),
                    None => regate,
                };
                Some(
                    review
                        .with("regate", regate)
                        .with("parameters", parameters.clone()),
                )
            }
            Dialect::Gatekeeper => Some(gatekeeper::input(review, parameters, namespace)),
            Dialect::Conftest => conftest::input(review),
            Dialect::System => Some(review.clone()),
        }
    }

    /// What a policy said, from the `[rule, value]` pairs of its entry rule.
    pub(crate) fn outcome(self, values: &Document, input: &Document) -> Result<Outcome, Fault> {
        match self {
            Dialect::Regate => Outcome::read(values),
            Dialect::Gatekeeper => gatekeeper::outcome(values),
            Dialect::Conftest => conftest::outcome(values),
            Dialect::System => system::outcome(values, input),
        }
    }
}

/// The pairs of an entry rule.
fn pairs(values: &Document) -> Result<Vec<(String, Document)>, Fault> {
    let broken = || Fault::Type {
        rule: "(generated)",
        problem: "no pairs of rule and value".to_owned(),
    };
    let pair = |pair: Document| match pair.items().as_deref() {
        Some([rule, value]) => Ok((rule.as_str().unwrap_or_default().to_owned(), value.clone())),
        _ => Err(broken()),
    };
    values.items().ok_or_else(broken)?.into_iter().map(pair).collect()
}

/// A fault of a rule whose value is of another type than the dialect's.
fn wrong(rule: &'static str, want: &str, value: &Document) -> Fault {
    Fault::Type {
        rule,
        problem: format!("{want} expected, it is of type {}", value.kind()),
    }
}

/// The request of an admission review.
fn request(review: &Document) -> Document {
    review.get("request").unwrap_or_else(Document::empty)
}

/// A member that is there and not null.
fn present(object: &Document, key: &str) -> Option<Document> {
    object.get(key).filter(|member| member.kind() != "null")
}
