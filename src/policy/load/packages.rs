//! The policies among the packages, and the typos that would be policies which nobody enforces.

use std::collections::{BTreeMap, BTreeSet};

use super::{World, foreign};
use crate::gate::Gate;
use crate::policy::dialect::Dialect;
use crate::policy::engine::Document;
use crate::policy::engine::ast::{Position, Source};
use crate::policy::engine::builtins::BuiltinErrors;
use crate::policy::engine::entry::RESERVED;
use crate::policy::finding::{Finding, Id};
use crate::policy::metadata::{self, Metadata};
use crate::policy::roots;

/// What the packages of all policies begin with.
const ROOT: &str = "kubernetes";

/// A package that is a policy, or several where it has instances.
pub(super) struct Package<'a> {
    pub(super) gate: Gate,
    pub(super) dialect: Dialect,
    pub(super) name: String,
    pub(super) package: &'a [String],
    /// The gate rules that it has, or that what it has amounts to.
    pub(super) rules: Vec<&'static str>,
    /// The rules that it is asked for.
    pub(super) entry: Vec<String>,
    pub(super) metadata: Metadata,
    /// Its files, at least one.
    pub(super) sources: Vec<&'a Source>,
    /// The place of the world that it lives in.
    pub(super) world: usize,
    /// Whether it reads the Namespace in a way of its dialect's.
    pub(super) reads_namespace: bool,
}

impl Package<'_> {
    /// Where it begins.
    pub(super) fn place(&self) -> Option<(String, Position)> {
        let source = self.sources.first()?;
        Some((source.path.clone(), source.package_at))
    }

    /// A finding in its METADATA.
    pub(super) fn problem_at(&self, id: Id, at: Position, message: String) -> Finding {
        at.problem(id, &self.metadata.file, message)
    }
}

/// What the policies of a world need of data, given or not.
pub(super) fn needs(packages: &[Package<'_>], world: usize) -> BTreeSet<Vec<String>> {
    let packages = packages.iter().filter(|package| package.world == world);
    let needs = packages.flat_map(|package| &package.metadata.needs);
    needs.map(|(path, _)| path.clone()).collect()
}

/// Packages of our own world to which the errors of builtins are no faults.
pub(super) fn lenient(packages: &[Package<'_>]) -> BTreeSet<Vec<String>> {
    let undefined = |package: &&Package<'_>| package.metadata.builtin_errors == BuiltinErrors::Undefined;
    let lenient = packages
        .iter()
        .filter(|package| package.world == 0)
        .filter(undefined);
    lenient.map(|package| package.package.to_vec()).collect()
}

/// What policies need of data and is not there.
pub(super) fn missing(packages: &[Package<'_>], worlds: &[World]) -> Vec<Finding> {
    let mut missing = Vec::new();
    for package in packages {
        let nothing = Document::empty();
        let data = worlds.get(package.world).map_or(&nothing, |world| &world.data);
        for (path, at) in &package.metadata.needs {
            let found = path.iter().try_fold(data.clone(), |at, key| at.get(key));
            if found.is_none() {
                let message = format!("needs `data.{}`, which nothing gives", path.join("."));
                missing.push(package.problem_at(Id::MissingData, *at, message));
            }
        }
    }
    missing
}

/// The policies among the packages; findings for typos that would be policies which nobody enforces.
pub(super) fn find<'a>(all: &'a [Source], findings: &mut Vec<Finding>) -> Vec<Package<'a>> {
    let mut by_package: BTreeMap<&[String], Vec<&Source>> = BTreeMap::new();
    for source in all {
        by_package.entry(&source.package).or_default().push(source);
    }
    let mut policies: Vec<Package<'a>> = Vec::new();
    let has_main = by_package
        .iter()
        .any(|(package, sources)| foreign::is_main(package, sources));
    for (package, sources) in by_package {
        let Some(first) = sources.first() else { continue };
        if foreign::is_main(package, &sources) {
            policies.extend(foreign::system(package, sources, all, findings));
            continue;
        }
        if foreign::is_conftest(package, &sources) {
            policies.push(foreign::conftest(package, sources, findings));
            continue;
        }
        match package {
            [root, kind] if has_main && root == ROOT && kind == roots(Gate::Validate).0 => {
                foreign::stands_behind_main(&sources, all, findings);
            }
            [root, kind, name @ ..] if root == ROOT => {
                let Some(gate) = Gate::ALL.into_iter().find(|gate| roots(*gate).0 == kind) else {
                    findings.push(wrong_root(first, kind));
                    continue;
                };
                let name = if name.is_empty() {
                    kind.clone()
                } else {
                    name.join(".")
                };
                let rules = gate_rules(gate, package, &sources, findings);
                super::types::check(gate, &sources, findings);
                let metadata = metadata::of_package(gate, rules.contains(&"deny"), &sources, findings);
                policies.push(Package {
                    gate,
                    dialect: Dialect::Regate,
                    name,
                    package,
                    entry: rules.iter().map(|rule| (*rule).to_owned()).collect(),
                    rules,
                    metadata,
                    sources,
                    world: 0,
                    reads_namespace: false,
                });
            }
            [root] if root == ROOT => {
                findings.push(wrong_root(first, ""));
            }
            _ => {
                if let Some(root) = package.first().filter(|root| is_nearly_ours(root)) {
                    let message = format!("no gate reads the package `{}`", package.join("."));
                    let finding = first.problem(Id::UnknownPackage, first.package_at, message);
                    findings.push(finding.hinted(format!("did you mean `{ROOT}` for `{root}`?")));
                }
                for source in sources {
                    metadata::of_library(source, findings);
                }
            }
        }
    }
    policies.sort_by(|a, b| (a.gate, &a.name).cmp(&(b.gate, &b.name)));
    policies
}

/// Whether a library is called so much like the root of all policies that it was meant to be one.
fn is_nearly_ours(root: &str) -> bool {
    root != ROOT && strsim::levenshtein(&root.to_ascii_lowercase(), ROOT) <= 2
}

fn wrong_root(source: &Source, kind: &str) -> Finding {
    let roots = Gate::ALL
        .map(|gate| format!("kubernetes.{}", roots(gate).0))
        .join(", ");
    let message = format!("no gate reads the package `kubernetes.{kind}`");
    source
        .problem(Id::UnknownPackage, source.package_at, message)
        .hinted(format!("policies are in {roots}"))
}

/// The gate's rules that a policy's files have; findings where none is, or one looks like one and is not.
fn gate_rules(
    gate: Gate,
    package: &[String],
    sources: &[&Source],
    findings: &mut Vec<Finding>,
) -> Vec<&'static str> {
    let (_, own) = roots(gate);
    let mut found = BTreeSet::new();
    for source in sources {
        if let Some(part) = package.iter().find(|part| !is_name(part)) {
            let message = format!("`{part}` is no name for a policy: letters, digits and _");
            findings.push(source.problem(Id::PolicyName, source.package_at, message));
        }
        for rule in &source.rules {
            let ours = own.iter().find(|name| **name == rule.name);
            match (ours, rule.arguments) {
                (Some(name), None) => {
                    found.insert(*name);
                }
                (Some(name), Some(_)) => {
                    let message = format!("`{name}` is a function here; the {gate} gate reads it as a rule");
                    findings.push(source.problem(Id::GateRuleType, rule.at, message));
                }
                (None, _) => findings.extend(
                    suspicious(gate, &rule.name)
                        .map(|message| source.problem(Id::RuleName, rule.at, message)),
                ),
            }
        }
    }
    if let ([first, ..], true) = (sources, found.is_empty()) {
        let message = format!("no rule that the {gate} gate reads: one of {}", own.join(", "));
        findings.push(first.problem(Id::RuleName, first.package_at, message));
    }
    // In the order of the table, so that the generated entry does not depend on the files.
    own.iter().copied().filter(|name| found.contains(name)).collect()
}

pub(super) fn is_name(part: &str) -> bool {
    let mut chars = part.chars();
    chars.next().is_some_and(|c| c.is_ascii_alphabetic() || c == '_')
        && chars.all(|c| c.is_ascii_alphanumeric() || c == '_')
}

/// What to say of a rule that no gate reads and an author may have meant to be read.
fn suspicious(gate: Gate, name: &str) -> Option<String> {
    let (_, own) = roots(gate);
    if name == RESERVED {
        return Some(format!("the name `{RESERVED}` is reserved"));
    }
    if name == "violation" {
        return Some("`violation` is read by no gate: `deny` denies".into());
    }
    let other = Gate::ALL
        .into_iter()
        .find(|other| roots(*other).1.contains(&name));
    if let Some(other) = other {
        return Some(format!(
            "`{name}` is a rule of the {other} gate; the {gate} gate reads {}",
            own.join(", ")
        ));
    }
    let near = own.iter().find(|rule| strsim::levenshtein(rule, name) == 1)?;
    Some(format!(
        "`{name}` is read by no gate: did you mean `{near}`? If not, choose a name less like it"
    ))
}
