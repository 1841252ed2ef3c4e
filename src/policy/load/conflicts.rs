//! Rules of one name that do not fit together: OPA refuses them, the engine finds some when it evaluates them.

use std::collections::BTreeMap;

use crate::policy::engine::ast::{RuleFacts, RuleKind, Source};
use crate::policy::finding::{Finding, Id};

type Path = Vec<String>;

/// A rule and the file that it stands in.
type Placed<'a> = (&'a Source, &'a RuleFacts);

/// Adds a finding for each path whose rules do not fit together.
pub(super) fn check(sources: &[Source], findings: &mut Vec<Finding>) {
    let mut paths: BTreeMap<Path, Vec<Placed<'_>>> = BTreeMap::new();
    for source in sources {
        for rule in &source.rules {
            if ["input", "data"].contains(&rule.name.as_str()) {
                let message = format!("a rule cannot be called `{}`", rule.name);
                findings.push(source.problem(Id::RootName, rule.at, message));
            }
            paths
                .entry(source.path_of(rule))
                .or_default()
                .push((source, rule));
        }
    }
    for (path, rules) in &paths {
        if let Some(finding) = conflict(path, rules, &paths) {
            findings.push(finding);
        }
    }
}

fn conflict(path: &Path, rules: &[Placed<'_>], paths: &BTreeMap<Path, Vec<Placed<'_>>>) -> Option<Finding> {
    let (first, _) = rules.split_first()?;
    // What reaches into another package is told as such.
    let is_of_first = |(source, _): &Placed<'_>| source.package == first.0.package;
    if !rules.iter().all(is_of_first) {
        return None;
    }
    let name = path.join(".");
    let between = |other: &Placed<'_>, what: String| {
        let (source, rule) = other;
        let first = format!("{}:{}", first.0.path, first.1.at.line);
        Some(source.problem(Id::Conflict, rule.at, format!("{what}: the first is at {first}")))
    };
    if let Some(other) = rules.iter().find(|(_, rule)| rule.arguments != first.1.arguments) {
        let what = match (other.1.arguments, first.1.arguments) {
            (Some(_), Some(_)) => format!("`{name}` has functions with different numbers of arguments"),
            _ => format!("`{name}` is a rule and a function"),
        };
        return between(other, what);
    }
    if let Some(other) = rules.iter().find(|(_, rule)| shape(rule) != shape(first.1)) {
        return between(
            other,
            format!("`{name}` is {} and {}", shape(other.1), shape(first.1)),
        );
    }
    let mut defaults = rules.iter().filter(|(_, rule)| rule.is_default);
    if let (Some(_), Some(second)) = (defaults.next(), defaults.next()) {
        return between(second, format!("`{name}` has two defaults"));
    }
    let (source, whole) = rules.iter().find(|(_, rule)| rule.is_ground)?;
    let below = std::ops::Bound::Excluded(path);
    let mut below = paths.range::<Path, _>((below, std::ops::Bound::Unbounded));
    let (inner, parts) = below.next().filter(|(inner, _)| inner.starts_with(path))?;
    if !parts.iter().all(is_of_first) {
        return None;
    }
    let message = format!("`{name}` is one value, and `{}` is a part of it", inner.join("."));
    Some(source.problem(Id::Conflict, whole.at, message))
}

/// What a rule is, as far as it has to be the same for all of one name.
fn shape(rule: &RuleFacts) -> &'static str {
    match (rule.is_set, rule.is_ground, rule.kind) {
        (_, _, RuleKind::Function) => "a function",
        (true, true, _) => "a set",
        (true, false, _) => "an object of sets",
        (false, true, _) => "one value",
        (false, false, _) => "an object of members",
    }
}

#[cfg(test)]
mod tests;
