//! Packages of Rego that were written for conftest (`main`) and for OPA's own webhook (`system`).
//!
//! Asked by [`super::packages`] for each package. Always holds: a package that these systems would have enforced is a
//! policy here, or there is a finding that says why it is none.

use std::collections::BTreeSet;

use super::packages::Package;
use crate::gate::Gate;
use crate::policy::dialect::{Dialect, Severity, severity};
use crate::policy::engine::ast::Source;
use crate::policy::engine::entry::RESERVED;
use crate::policy::finding::{Finding, Id};
use crate::policy::metadata;

/// conftest's package.
const CONFTEST: &str = "main";

/// OPA's package, and its rule.
const SYSTEM: &str = "system";
const MAIN: &str = "main";

/// What only a response with a patch has.
const PATCH_TYPE: &str = "patchType";

/// Whether a package is conftest's: one that is called so by chance has no such rules.
pub(super) fn is_conftest(package: &[String], sources: &[&Source]) -> bool {
    matches!(package, [name] if name == CONFTEST) && rules(sources).any(|name| severity(name).is_some())
}

/// Whether a package has OPA's `data.system.main`.
pub(super) fn is_main(package: &[String], sources: &[&Source]) -> bool {
    matches!(package, [name] if name == SYSTEM) && rules(sources).any(|name| name == MAIN)
}

fn rules<'a>(sources: &[&'a Source]) -> impl Iterator<Item = &'a str> {
    let rules = sources.iter().flat_map(|source| &source.rules);
    rules.map(|rule| rule.name.as_str())
}

/// conftest's package as a policy of the validating gate.
pub(super) fn conftest<'a>(
    package: &'a [String],
    sources: Vec<&'a Source>,
    findings: &mut Vec<Finding>,
) -> Package<'a> {
    let mut names: BTreeSet<&str> = BTreeSet::new();
    for source in &sources {
        for rule in &source.rules {
            let name = rule.name.as_str();
            let problem = match (severity(name), rule.arguments) {
                (Some(_), None) => {
                    names.insert(name);
                    None
                }
                (Some(_), Some(_)) => Some(format!(
                    "`{name}` is a function here; conftest reads it as a rule"
                )),
                (None, _) if name == RESERVED => Some(format!("the name `{RESERVED}` is reserved")),
                (None, _) => nearly(name),
            };
            findings.extend(problem.map(|message| source.problem(Id::RuleName, rule.at, message)));
        }
    }
    let is = |wanted: Severity| {
        names
            .iter()
            .any(|name| severity(name).is_some_and(|(is, _)| is == wanted))
    };
    let rules = [(Severity::Failure, "deny"), (Severity::Warning, "warn")];
    let rules: Vec<&'static str> = rules
        .into_iter()
        .filter(|(wanted, _)| is(*wanted))
        .map(|(_, name)| name)
        .collect();
    let denies = rules.contains(&"deny");
    Package {
        gate: Gate::Validate,
        dialect: Dialect::Conftest,
        name: CONFTEST.to_owned(),
        package,
        metadata: metadata::of_package_in(Dialect::Conftest, Gate::Validate, denies, &sources, findings),
        rules,
        entry: names.into_iter().map(str::to_owned).collect(),
        sources,
        world: 0,
        reads_namespace: false,
    }
}

/// What to say of a rule whose name is a slip for one that is read.
fn nearly(name: &str) -> Option<String> {
    let near = ["deny", "violation", "warn", "exception"]
        .into_iter()
        .find(|known| strsim::levenshtein(known, name) == 1)?;
    Some(format!(
        "`{name}` is read by nobody: did you mean `{near}`? If not, choose a name less like it"
    ))
}

/// OPA's `system.main` as a policy of the validating gate, and of the mutating one if it can answer with a patch.
pub(super) fn system<'a>(
    package: &'a [String],
    sources: Vec<&'a Source>,
    all: &[Source],
    findings: &mut Vec<Finding>,
) -> Vec<Package<'a>> {
    for source in &sources {
        for rule in &source.rules {
            let problem = match (rule.name.as_str(), rule.arguments) {
                (MAIN, Some(_)) => format!("`{MAIN}` is a function here; it is read as a rule"),
                (RESERVED, _) => format!("the name `{RESERVED}` is reserved"),
                _ => continue,
            };
            findings.push(source.problem(Id::RuleName, rule.at, problem));
        }
    }
    let patches = all.iter().any(|source| source.text.contains(PATCH_TYPE));
    let validates: (Gate, &[&'static str]) = (Gate::Validate, &["deny", "warn", "audit_annotations"]);
    let mutates: (Gate, &[&'static str]) = (Gate::Mutate, &["patch", "deny", "warn", "audit_annotations"]);
    let gates = std::iter::once(validates).chain(patches.then_some(mutates));
    gates
        .map(|(gate, rules)| Package {
            gate,
            dialect: Dialect::System,
            name: SYSTEM.to_owned(),
            package,
            rules: rules.to_vec(),
            entry: vec![MAIN.to_owned()],
            metadata: metadata::of_package_in(Dialect::System, gate, true, &sources, findings),
            sources: sources.clone(),
            world: 0,
            reads_namespace: false,
        })
        .collect()
}

/// The unnamed package of the validating gate where `system.main` stands in its place: a library, which has to be read.
pub(super) fn stands_behind_main(sources: &[&Source], all: &[Source], findings: &mut Vec<Finding>) {
    for source in sources {
        metadata::of_library(source, findings);
    }
    let Some(first) = sources.first() else { return };
    let related = |path: &Vec<String>| path.starts_with(&first.package) || first.package.starts_with(path);
    let mut others = all.iter().filter(|source| source.package != first.package);
    if !others.any(|source| source.reads.iter().any(related)) {
        let message = format!(
            "`{SYSTEM}.{MAIN}` stands in the place of `{}`, and nothing reads this package: nobody would enforce it",
            first.package.join(".")
        );
        findings.push(first.problem(Id::UnknownPackage, first.package_at, message));
    }
}

#[cfg(test)]
mod tests;
