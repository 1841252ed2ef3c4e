//! Rules that say nothing: a name alone, with neither a value nor a body. The parser takes it for `name := true`, and it is
//! what a slip leaves of a line.

use regorus::unstable::{Module, Rule, RuleHead};

use super::Position;
use super::parts::variable;
use super::scopes::Problem;
use crate::policy::engine::normalize::Normalized;
use crate::policy::finding::Id;

/// What is wrong with the heads of a file's rules.
pub(super) fn problems(module: &Module, normalized: &Normalized) -> Vec<Problem> {
    let mut problems = Vec::new();
    for rule in &module.policy {
        if let Rule::Spec {
            head:
                RuleHead::Compr {
                    refr,
                    assign: None,
                    span,
                },
            bodies,
            ..
        } = &**rule
            && let (Some(name), true) = (variable(refr), bodies.is_empty())
        {
            let at = normalized.place(Position::from(span));
            problems.push((
                Id::Parse,
                at,
                format!("`{name}` alone is no rule: it needs a value or a body"),
            ));
        }
    }
    problems
}
