//! What is read below `data` although nothing is there: to the engine that is undefined, silently and for ever.

use std::collections::BTreeSet;

use crate::policy::engine::Document;
use crate::policy::engine::ast::{Position, Source};
use crate::policy::finding::{Finding, Id};

type Path = Vec<String>;

/// Adds a finding for each path that is neither a package's, nor a rule's, nor in the data, nor in `needs`.
pub(super) fn check(
    sources: &[Source],
    data: &Document,
    needs: &BTreeSet<Path>,
    findings: &mut Vec<Finding>,
) {
    let rules: BTreeSet<Path> = sources
        .iter()
        .flat_map(|source| source.rules.iter().map(|rule| source.path_of(rule)))
        .collect();
    let packages: BTreeSet<&[String]> = sources.iter().map(|source| source.package.as_slice()).collect();
    for source in sources {
        for (path, at) in &source.data_reads {
            let provided = packages.iter().any(|package| package.starts_with(path))
                || rules.iter().any(|rule| related(rule, path))
                || needs.iter().any(|needed| related(needed, path))
                || has(data, path);
            if !provided {
                findings.push(finding(source, *at, path, &rules));
            }
        }
    }
}

/// Adds a finding for each path that tests read in a package which has nothing there. What is in no package they may
/// give themselves, as data that stands in.
pub(super) fn check_tests(
    sources: &[Source],
    tests: &[Source],
    data: &Document,
    findings: &mut Vec<Finding>,
) {
    let there = There::of(sources, tests, data);
    for source in tests {
        for (path, at) in &source.data_reads {
            if there.lacks(path) {
                findings.push(finding(source, *at, path, &there.rules));
            }
        }
    }
}

/// Adds a warning for each path in a package that tests replace although nothing is there: what was meant to be replaced
/// is not. OPA takes it.
pub(super) fn check_mocks(
    sources: &[Source],
    tests: &[Source],
    data: &Document,
    warnings: &mut Vec<Finding>,
) {
    let there = There::of(sources, tests, data);
    for source in tests {
        for replaced in &source.replaced {
            let Some((_, path)) = replaced.target.split_first().filter(|(root, _)| *root == "data") else {
                continue;
            };
            if there.lacks(path) {
                let name = path.join(".");
                let message = format!("`with` replaces `data.{name}`, and there is nothing to replace");
                let near = nearest(path, &there.rules).map(|near| format!("did you mean `data.{near}`?"));
                warnings.push(source.problem(Id::NotRun, replaced.at, message).hinted(near));
            }
        }
    }
}

/// What policies and their tests have below `data`.
struct There<'a> {
    rules: BTreeSet<Path>,
    packages: BTreeSet<&'a [String]>,
    data: &'a Document,
}

impl<'a> There<'a> {
    fn of(sources: &'a [Source], tests: &'a [Source], data: &'a Document) -> Self {
        let all = || sources.iter().chain(tests);
        let rules = all().flat_map(|source| source.rules.iter().map(|rule| source.path_of(rule)));
        There {
            rules: rules.collect(),
            packages: all().map(|source| source.package.as_slice()).collect(),
            data,
        }
    }

    /// Whether a path is in a package, and nothing is there.
    fn lacks(&self, path: &[String]) -> bool {
        let inside =
            (1..path.len()).any(|end| path.get(..end).is_some_and(|path| self.packages.contains(path)));
        let provided = self.packages.iter().any(|package| package.starts_with(path))
            || self.rules.iter().any(|rule| related(rule, path))
            || has(self.data, path);
        inside && !provided
    }
}

/// Whether one of the paths leads to the other.
fn related(one: &[String], other: &[String]) -> bool {
    one.starts_with(other) || other.starts_with(one)
}

fn has(data: &Document, path: &[String]) -> bool {
    let mut at = data.clone();
    for key in path {
        match at.get(key) {
            Some(next) => at = next,
            // Indices of an array are no part of a constant path, and what a string has below it is undefined.
            None => return false,
        }
    }
    true
}

fn finding(source: &Source, at: Position, path: &[String], rules: &BTreeSet<Path>) -> Finding {
    let name = path.join(".");
    let hint = match nearest(path, rules) {
        Some(near) => format!("did you mean `data.{near}`?"),
        None => format!(
            "no package, no rule and no data file; what comes from elsewhere is listed in METADATA, as `needs: \
             [data.{name}]`"
        ),
    };
    source
        .problem(Id::Reference, at, format!("nothing provides `data.{name}`"))
        .hinted(hint)
}

/// The rule whose path is nearly this one.
fn nearest(path: &[String], rules: &BTreeSet<Path>) -> Option<String> {
    let name = path.join(".");
    let rules = rules.iter().map(|rule| rule.join("."));
    let nearest = rules.map(|rule| (strsim::levenshtein(&rule, &name), rule)).min();
    nearest
        .filter(|(distance, _)| *distance <= 2)
        .map(|(_, near)| near)
}
