//! Loading tests: the same checks as for what is served, over the policies and their tests together.
//!
//! Test packages share an engine as policies do. Always holds: the set itself was loaded and found right before, without
//! its tests, so that no test can make good what a policy lacks.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::packages::is_name;
use super::{Loaded, Strictness, annotations, build, calls, conflicts, data, overlaps, references, safety};
use crate::gate::Gate;
use crate::policy::engine::ast::{Position, RuleFacts, Source};
use crate::policy::engine::builtins::BuiltinErrors;
use crate::policy::engine::group::Group;
use crate::policy::engine::{Document, Outside};
use crate::policy::files::Files;
use crate::policy::finding::{Finding, Id};
use crate::policy::trials::{Trial, Trials, is_test, is_todo};
use crate::policy::{PolicySet, roots};

/// Test packages that share an engine at most: each brings the policies that it tests.
const GROUP_SIZE: usize = 16;

/// The set, with warnings for tests that are not run; where OPA's strict mode is asked for, what is wrong with its tests
/// refuses it. Otherwise they may build on what lies elsewhere.
pub(super) fn check(
    files: &Files,
    loaded: Result<Loaded, Vec<Finding>>,
    outside: &Outside,
    strictness: Strictness,
) -> Result<PolicySet, Vec<Finding>> {
    let mut loaded = loaded?;
    if strictness == Strictness::Served {
        loaded.set.warnings.extend(misplaced(&loaded.sources));
        return Ok(loaded.set);
    }
    let policies = loaded.sources.len();
    let sources = with_tests(files, loaded.sources, &loaded.data, outside, strictness)?;
    let (served, tests) = sources.split_at_checked(policies).unwrap_or_default();
    loaded
        .set
        .warnings
        .extend(not_run(served, tests, &found(tests), &loaded.data));
    Ok(loaded.set)
}

/// Warnings for tests that are not run, or do less than they seem to.
fn not_run(served: &[Source], tests: &[Source], found: &Found<'_>, data: &Document) -> Vec<Finding> {
    let mut warnings = misplaced(served);
    warnings.extend(found.values().flat_map(|rules| ambiguous(rules)));
    references::check_mocks(served, tests, data, &mut warnings);
    warnings
}

pub(super) fn load(files: &Files, loaded: Loaded, outside: &Arc<Outside>) -> Result<Trials, Vec<Finding>> {
    let policies = loaded.sources.len();
    let mut sources = with_tests(files, loaded.sources, &loaded.data, outside, Strictness::Served)?;
    let (served, tests) = sources.split_at_checked(policies).unwrap_or_default();
    let found = found(tests);
    let mut warnings = not_run(served, tests, &found, &loaded.data);
    let (groups, trials) = grouped(&sources, found, &loaded.lenient, &loaded.data, outside)?;
    warnings.sort();
    sources.truncate(policies);
    Ok(Trials {
        set: loaded.set,
        data: loaded.data,
        sources,
        warnings,
        groups,
        trials,
    })
}

/// The policies' sources, and behind them those of the tests.
fn with_tests(
    files: &Files,
    mut sources: Vec<Source>,
    data: &Document,
    outside: &Outside,
    strictness: Strictness,
) -> Result<Vec<Source>, Vec<Finding>> {
    let mut findings = Vec::new();
    let mut tests = Vec::new();
    for file in files.modules.iter().filter(|file| file.is_test) {
        match Source::parse(file) {
            Ok(source) => {
                super::of_text(&source, strictness, &mut findings);
                tests.push(source);
            }
            Err(finding) => findings.push(finding),
        }
    }
    let all_parsed = findings.is_empty();
    data::hiding(data, &tests, &mut findings);
    let policies = sources.len();
    sources.extend(tests);
    annotations::write_in(&mut sources, &mut findings);
    overlaps(&sources, &mut findings);
    if let (true, Some((served, tests))) = (all_parsed, sources.split_at_checked(policies)) {
        references::check_tests(served, tests, data, &mut findings);
        calls::check(&sources, true, outside, &mut findings);
        conflicts::check(&sources, &mut findings);
        safety::check(&sources, &mut findings);
    }
    if findings.is_empty() {
        Ok(sources)
    } else {
        Err(findings)
    }
}

/// A rule of a file of tests.
type Rule<'a> = (&'a Source, &'a RuleFacts);

/// The tests of each package, each with all its rules.
type Found<'a> = BTreeMap<&'a [String], BTreeMap<&'a str, Vec<Rule<'a>>>>;

fn found(tests: &[Source]) -> Found<'_> {
    let mut found = Found::new();
    for source in tests {
        for rule in source
            .rules
            .iter()
            .filter(|rule| is_test(&rule.name) || is_todo(&rule.name))
        {
            let package = found.entry(&source.package).or_default();
            package.entry(&rule.name).or_default().push((source, rule));
        }
    }
    found
}

/// A warning for each test where nobody looks for tests, and which is therefore never run.
fn misplaced(served: &[Source]) -> Vec<Finding> {
    let tests = served.iter().flat_map(|source| {
        let rules = source.rules.iter().filter(|rule| is_test(&rule.name));
        rules.map(move |rule| (source, rule))
    });
    let warning = |(source, rule): Rule<'_>| {
        let message = format!("`{}` is not run: tests stand in files `*_test.rego`", rule.name);
        source.problem(Id::NotRun, rule.at, message)
    };
    tests.map(warning).collect()
}

/// Warnings for tests of one package that do less than they seem to.
fn ambiguous<'a>(rules: &BTreeMap<&'a str, Vec<Rule<'a>>>) -> Vec<Finding> {
    let mut warnings = Vec::new();
    for (name, rules) in rules {
        let functions = rules.iter().filter(|(_, rule)| rule.arguments.is_some());
        warnings.extend(functions.map(|(source, rule)| {
            let message = format!("`{name}` is not run: it is a function, and a test is a rule");
            source.problem(Id::NotRun, rule.at, message)
        }));
        let defaults = rules.iter().filter(|rule| is_true_by_default(rule));
        warnings.extend(defaults.map(|(source, rule)| {
            let message = format!("`{name}` is true by default: no body of it has to hold");
            source.problem(Id::NotRun, rule.at, message)
        }));
        let mut again = rules
            .iter()
            .filter(|(_, rule)| rule.arguments.is_none() && !rule.is_default);
        again.next();
        warnings.extend(again.map(|(source, rule)| {
            let message = format!("`{name}` is there already: the test passes if one of them is true");
            source.problem(Id::NotRun, rule.at, message)
        }));
    }
    warnings
}

/// Whether it is `default test_x := true`.
fn is_true_by_default((source, rule): &Rule<'_>) -> bool {
    let is_true = |at: &Position| {
        let line = usize::try_from(at.line).ok().and_then(|line| line.checked_sub(1));
        let line = line
            .and_then(|line| source.text.lines().nth(line))
            .unwrap_or_default();
        let before = usize::try_from(at.column).unwrap_or_default().saturating_sub(1);
        line.chars().skip(before).take(4).eq("true".chars())
    };
    rule.is_default && rule.literals.iter().any(|(_, at)| is_true(at))
}

/// The tests in the order of files and lines, and the engines for them.
fn grouped(
    sources: &[Source],
    found: Found<'_>,
    lenient: &BTreeSet<Vec<String>>,
    data: &Document,
    outside: &Arc<Outside>,
) -> Result<(Vec<Group>, Vec<Trial>), Vec<Finding>> {
    let (authn, _) = roots(Gate::Authn);
    let mut batches: BTreeMap<BuiltinErrors, Vec<(&[String], bool)>> = BTreeMap::new();
    for package in found.keys() {
        let closure = build::closure(&[package], sources);
        let decoding = closure
            .iter()
            .any(|source| matches!(source.package.as_slice(), [_, root, ..] if root == authn));
        let errors = if closure.iter().any(|source| lenient.contains(&source.package)) {
            BuiltinErrors::Undefined
        } else {
            BuiltinErrors::Fault
        };
        batches.entry(errors).or_default().push((package, decoding));
    }
    let (mut groups, mut trials, mut findings) = (Vec::new(), Vec::new(), Vec::new());
    for (errors, packages) in batches {
        for batch in packages.chunks(GROUP_SIZE) {
            let names: Vec<&[String]> = batch.iter().map(|(package, _)| *package).collect();
            let inside = build::closure(&names, sources);
            match Group::build(&inside, &[], data, errors, outside) {
                Ok((group, _)) => groups.push(group),
                Err(finding) => findings.push(finding),
            }
            for (package, decoding) in batch {
                let rules = found.get(package).into_iter().flatten();
                trials.extend(rules.filter_map(|(_, rules)| trial(rules, groups.len(), *decoding)));
            }
        }
    }
    trials.sort_by(|one, other| (&one.file, one.line).cmp(&(&other.file, other.line)));
    if findings.is_empty() {
        Ok((groups, trials))
    } else {
        Err(findings)
    }
}

/// `data.a["b-c"].test_x`
fn entry(package: &[String], rule: &str) -> String {
    let part = |part: &String| match is_name(part) {
        true => format!(".{part}"),
        false => format!("[{}]", serde_json::json!(part)),
    };
    let parts: String = package.iter().map(part).collect();
    format!("data{parts}.{rule}")
}

/// The test that rules of one name are; `groups` were built so far, that of the test last.
fn trial(rules: &[Rule<'_>], groups: usize, lenient_decoding: bool) -> Option<Trial> {
    let mut rules = rules.iter().filter(|(_, rule)| rule.arguments.is_none());
    let (source, rule) = rules.find(|(_, rule)| !rule.is_default)?;
    Some(Trial {
        package: source.package.join("."),
        name: rule.name.clone(),
        file: source.path.clone(),
        line: rule.at.line,
        is_todo: is_todo(&rule.name),
        entry: entry(&source.package, &rule.name),
        lenient_decoding,
        group: groups.checked_sub(1)?,
    })
}
