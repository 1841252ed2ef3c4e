//! Imports that nobody uses, and two that give one name.

use std::collections::BTreeSet;

use regorus::unstable::Module;

use super::Position;
use super::parts::{each_of_rule, variable};
use super::reference::reference;
use super::scopes::Problem;
use crate::policy::engine::normalize::Normalized;
use crate::policy::finding::Id;

/// What is wrong with the imports of a file.
pub(super) fn problems(module: &Module, normalized: &Normalized, v1: bool) -> Vec<Problem> {
    let mut met = BTreeSet::new();
    for rule in &module.policy {
        each_of_rule(rule, &mut |expr| met.extend(variable(expr)));
    }
    let (mut problems, mut names) = (Vec::new(), BTreeSet::new());
    for import in &module.imports {
        let target = reference(&import.refr);
        let alias = import.r#as.as_ref().map(|span| span.text().to_owned());
        let Some(name) = alias
            .or_else(|| target.constant.last().cloned())
            .or(target.root.clone())
        else {
            continue;
        };
        let at = normalized.place(Position::from(&import.span));
        let of_language = matches!(target.root.as_deref(), Some("future" | "rego"));
        if !of_language && !met.contains(name.as_str()) {
            let message = format!("the import `{name}` is not used");
            problems.push((Id::UnusedImport, at, message));
        }
        if v1 && names.contains(&name) {
            let message = format!("an import above gives the name `{name}` already");
            problems.push((Id::ImportName, at, message));
        }
        names.insert(name);
    }
    problems
}
