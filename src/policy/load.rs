//! Loading is checking: from files to a [`PolicySet`], or to all that is wrong with them.
//!
//! Used by `serve` (at start and at every change), `review` and `check`, which therefore agree. A set is built whole;
//! whoever called keeps the last good one when this one is refused.

use std::collections::BTreeSet;

use super::PolicySet;
use super::engine::Document;
use super::engine::ast::Source;
use super::files::Files;
use super::finding::{Finding, Id};

mod build;
pub(super) mod calls;
mod circles;
mod conflicts;
mod data;
mod packages;
mod plan;
mod references;
mod safety;
mod types;

/// The stack of the thread that parses and prepares: the engine recurses over what authors nest.
const STACK: usize = 64 << 20;

/// What is refused besides errors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Strictness {
    /// Nothing: what is served and tried out.
    Served,
    /// What is wrong with tests, too.
    Checked,
    /// And everything that OPA's strict mode refuses.
    Strict,
}

/// Loads a set.
///
/// # Errors
/// Everything that was found, sorted by file and place. A set without policies is no error here.
pub fn load(files: &Files) -> Result<PolicySet, Vec<Finding>> {
    load_as(files, Strictness::Served)
}

/// Loads a set, and refuses it for more than would keep it from being served.
///
/// # Errors
/// As [`load`].
pub fn load_as(files: &Files, strictness: Strictness) -> Result<PolicySet, Vec<Finding>> {
    let loaded = std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().name("load".into()).stack_size(STACK);
        match thread
            .spawn_scoped(scope, || load_here(files, strictness))
            .map(|thread| thread.join())
        {
            Ok(Ok(loaded)) => loaded,
            Ok(Err(_)) => Err(vec![Finding::new(Id::Internal, "loading the policies panicked")]),
            Err(error) => {
                let message = format!("no thread to load policies: {error}");
                Err(vec![Finding::new(Id::Internal, message)])
            }
        }
    });
    match loaded {
        Ok(mut set) => {
            show(&mut set.warnings, files);
            show(&mut set.missing, files);
            Ok(set)
        }
        Err(mut findings) => {
            findings.sort();
            findings.dedup();
            show(&mut findings, files);
            Err(findings)
        }
    }
}

/// Gives findings in policies the line that they are about.
fn show(findings: &mut [Finding], files: &Files) {
    for finding in findings {
        let text = files
            .modules
            .iter()
            .find(|file| Some(&file.path) == finding.file.as_ref());
        let line = finding
            .line
            .and_then(|line| usize::try_from(line).ok()?.checked_sub(1));
        finding.source = text
            .zip(line)
            .and_then(|(file, line)| file.text.lines().nth(line))
            .map(str::to_owned);
    }
}

fn load_here(files: &Files, strictness: Strictness) -> Result<PolicySet, Vec<Finding>> {
    let mut findings = Vec::new();
    let mut sources = Vec::new();
    for file in files.modules.iter().filter(|file| !file.is_test) {
        match Source::parse(file) {
            Ok(source) => sources.push(source),
            Err(finding) => findings.push(finding),
        }
    }
    let all_parsed = findings.is_empty();
    let data = data::merged(&files.data, &sources, &mut findings);
    let all_read = findings.is_empty();
    let packages = packages::find(&sources, &mut findings);
    let plans = plan::plans(&packages, &files.settings, &mut findings);
    let needs = packages::needs(&packages);
    overlaps(&sources, &mut findings);
    let known = Known {
        all_parsed,
        all_read,
        data: &data,
        needs: &needs,
    };
    check(&sources, &known, strictness, &mut findings);
    if strictness != Strictness::Served {
        tests(files, &sources, &known, strictness, &mut findings);
    }
    if !findings.is_empty() {
        return Err(findings);
    }
    let mut set =
        build::set(&files.revision, &sources, &packages, plans, &data).map_err(|finding| vec![finding])?;
    set.warnings = plan::ended_exceptions(&packages, &set.policies, super::now_ns());
    set.missing = packages::missing(&packages, &data);
    Ok(set)
}

/// What is known besides the files that are checked.
struct Known<'a> {
    all_parsed: bool,
    all_read: bool,
    data: &'a Document,
    needs: &'a BTreeSet<Vec<String>>,
}

/// Adds what is wrong with the text of files and between them, whatever their packages are for.
fn check(sources: &[Source], known: &Known<'_>, strictness: Strictness, findings: &mut Vec<Finding>) {
    for source in sources {
        findings.extend(source.findings.iter().cloned());
        if strictness == Strictness::Strict {
            findings.extend(source.strict.iter().cloned());
        }
    }
    calls::check(sources, findings);
    conflicts::check(sources, findings);
    // What is missing may be in a file that cannot be read.
    if known.all_read {
        references::check(sources, known.data, known.needs, findings);
    }
    if known.all_parsed {
        safety::check(sources, findings);
    }
}

/// Adds what is wrong with the files of tests, which see the rules of the policies.
fn tests(
    files: &Files,
    sources: &[Source],
    known: &Known<'_>,
    strictness: Strictness,
    findings: &mut Vec<Finding>,
) {
    let mut all = sources.to_vec();
    let mut all_parsed = known.all_parsed;
    for file in files.modules.iter().filter(|file| file.is_test) {
        match Source::parse(file) {
            Ok(source) => all.push(source),
            Err(finding) => {
                all_parsed = false;
                findings.push(finding);
            }
        }
    }
    let known = Known {
        all_parsed,
        all_read: known.all_read && all_parsed,
        ..*known
    };
    // What is wrong with the others is said twice then, and told once.
    check(&all, &known, strictness, findings);
}

/// Findings for rules whose path is at, under or above another package: either would read the other's values.
fn overlaps(sources: &[Source], findings: &mut Vec<Finding>) {
    let packages: BTreeSet<&[String]> = sources.iter().map(|source| source.package.as_slice()).collect();
    for source in sources {
        for rule in &source.rules {
            let path = source.path_of(rule);
            let reached = packages.iter().find(|package| {
                package.len() > source.package.len()
                    && (package.starts_with(&path) || path.starts_with(package))
            });
            if let Some(package) = reached {
                let message = format!(
                    "the rule `{}` reaches into the package `{}`",
                    rule.name,
                    package.join(".")
                );
                findings.push(source.problem(Id::RulePackage, rule.at, message));
            }
        }
    }
}

#[cfg(test)]
mod tests;
