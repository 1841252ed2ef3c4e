//! Loading is checking: from files to a [`PolicySet`], or to all that is wrong with them.
//!
//! Used by `serve` (at start and at every change), `review` and `check`, which therefore agree. A set is built whole;
//! whoever called keeps the last good one when this one is refused.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::PolicySet;
use super::engine::ast::Source;
use super::engine::{Document, Outside};
use super::files::Files;
use super::finding::{Finding, Id};
use super::metadata::annotations;
use super::trials::Trials;

mod build;
pub(super) mod calls;
mod circles;
mod conflicts;
mod data;
mod foreign;
mod gatekeeper;
mod keys;
mod packages;
pub mod plain;
mod plan;
mod references;
mod safety;
mod trials;
mod types;

pub(super) use data::lies_over;

/// The stack of the thread that parses and prepares: the engine recurses over what authors nest.
const STACK: usize = 64 << 20;

/// Loads a set whose builtins reach nothing outside.
///
/// # Errors
/// Everything that was found, sorted by file and place. A set without policies is no error here.
pub fn load(files: &Files) -> Result<PolicySet, Vec<Finding>> {
    load_with(files, &Arc::default())
}

/// Loads a set whose builtins reach outside as far as they may.
///
/// # Errors
/// As [`load`].
pub fn load_with(files: &Files, outside: &Arc<Outside>) -> Result<PolicySet, Vec<Finding>> {
    let mut set = on_a_deep_stack(files, || Ok(load_here(files, outside, Strictness::Served)?.set))?;
    show(&mut set.warnings, files);
    show(&mut set.missing, files);
    Ok(set)
}

/// Loads a set and warns of tests in it that are not run; with [`Strictness::Strict`] it is refused for everything that
/// `opa check --strict` refuses, in its tests, too.
///
/// # Errors
/// As [`load`].
pub fn check(
    files: &Files,
    outside: &Arc<Outside>,
    strictness: Strictness,
) -> Result<PolicySet, Vec<Finding>> {
    let mut set = on_a_deep_stack(files, || {
        trials::check(files, load_here(files, outside, strictness), outside, strictness)
    })?;
    show(&mut set.warnings, files);
    show(&mut set.missing, files);
    Ok(set)
}

/// What is refused besides errors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Strictness {
    /// Nothing: as it is served.
    Served,
    /// What OPA's strict mode refuses.
    Strict,
}

/// Loads a set and its tests, which a server never loads.
///
/// # Errors
/// What is wrong with the set; if nothing is, what is wrong with its tests.
pub fn load_with_tests(files: &Files, outside: &Arc<Outside>) -> Result<Trials, Vec<Finding>> {
    on_a_deep_stack(files, || {
        trials::load(files, load_here(files, outside, Strictness::Served)?, outside)
    })
}

/// Runs what recurses over what authors nest, and sorts what it finds.
fn on_a_deep_stack<T: Send>(
    files: &Files,
    work: impl FnOnce() -> Result<T, Vec<Finding>> + Send,
) -> Result<T, Vec<Finding>> {
    let loaded = std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().name("load".into()).stack_size(STACK);
        match thread.spawn_scoped(scope, work).map(|thread| thread.join()) {
            Ok(Ok(loaded)) => loaded,
            Ok(Err(_)) => Err(vec![Finding::new(Id::Internal, "loading the policies panicked")]),
            Err(error) => {
                let message = format!("no thread to load policies: {error}");
                Err(vec![Finding::new(Id::Internal, message)])
            }
        }
    });
    loaded.map_err(|mut findings: Vec<Finding>| {
        findings.sort();
        findings.dedup();
        show(&mut findings, files);
        findings
    })
}

/// Modules that can read each other, and the data that they read. Ours are one world, each foreign template is another.
struct World {
    sources: Vec<Source>,
    data: Document,
    /// Whether everything that it is made of could be read.
    is_whole: bool,
}

/// How long each file takes to be parsed, with its package. For benchmarks.
///
/// # Errors
/// What cannot be parsed.
pub fn parse_times(files: &Files) -> Result<Vec<(Vec<String>, Duration)>, Vec<Finding>> {
    let parse = |file| {
        let started = Instant::now();
        let source = Source::parse(file).map_err(|finding| vec![finding])?;
        Ok((source.package, started.elapsed()))
    };
    let modules = files.modules.iter().filter(|file| !file.is_test);
    on_a_deep_stack(files, || modules.map(parse).collect())
}

/// Gives findings in policies the line that they are about.
fn show(findings: &mut [Finding], files: &Files) {
    for finding in findings {
        let modules = files.modules.iter().map(|file| (&file.path, &file.text));
        let manifests = files.manifests.iter().map(|file| (&file.path, &file.text));
        let mut texts = modules.chain(manifests);
        let text = texts.find(|(path, _)| Some(*path) == finding.file.as_ref());
        let line = finding
            .line
            .and_then(|line| usize::try_from(line).ok()?.checked_sub(1));
        finding.source = text
            .zip(line)
            .and_then(|((_, text), line)| text.lines().nth(line))
            .map(str::to_owned);
    }
}

/// A set, and what it was made of.
struct Loaded {
    set: PolicySet,
    sources: Vec<Source>,
    data: Document,
    /// Packages to which the errors of builtins are no faults.
    lenient: BTreeSet<Vec<String>>,
}

fn load_here(files: &Files, outside: &Arc<Outside>, strictness: Strictness) -> Result<Loaded, Vec<Finding>> {
    let mut findings = Vec::new();
    let (mut sources, all_parsed) = parsed(files, strictness, &mut findings);
    annotations::write_in(&mut sources, &mut findings);
    let mut gatekeeper = gatekeeper::read(&files.manifests, &mut findings);
    let before = findings.len();
    let data = data::merged(&files.data, &sources, &mut findings);
    let all_read = findings.len() == before;
    let templates = gatekeeper.worlds(&data);
    let own = World {
        sources,
        data,
        is_whole: all_parsed,
    };
    let worlds: Vec<World> = std::iter::once(own).chain(templates).collect();
    let (own, templates) = worlds.split_first().unzip();
    let mut packages = packages::find(own.map_or(&[][..], |own| &own.sources), &mut findings);
    packages.extend(gatekeeper.packages(templates.unwrap_or_default(), 1));
    let plans = plan::plans(&packages, &files.settings, &mut findings);
    for (number, world) in worlds.iter().enumerate() {
        check_world(
            world,
            &packages::needs(&packages, number),
            all_read,
            outside,
            &mut findings,
        );
    }
    if !findings.is_empty() {
        return Err(findings);
    }
    let mut set =
        build::set(&files.revision, &worlds, &packages, plans, outside).map_err(|finding| vec![finding])?;
    set.warnings = plan::ended_exceptions(&packages, &set.policies, super::now_ns());
    set.warnings.append(&mut gatekeeper.warnings);
    set.missing = packages::missing(&packages, &worlds);
    for world in &worlds {
        set.missing.extend(keys::missing(&world.sources, &outside.keys));
    }
    let lenient = packages::lenient(&packages);
    drop(packages);
    let own = worlds.into_iter().next();
    let (sources, data) = own.map_or_else(|| (Vec::new(), Document::empty()), |own| (own.sources, own.data));
    Ok(Loaded {
        set,
        sources,
        data,
        lenient,
    })
}

/// Adds what is wrong with the text of a file.
fn of_text(source: &Source, strictness: Strictness, findings: &mut Vec<Finding>) {
    findings.extend(source.findings.iter().cloned());
    if strictness == Strictness::Strict {
        findings.extend(source.strict.iter().cloned());
    }
}

/// The modules that can be parsed, and whether those are all.
fn parsed(files: &Files, strictness: Strictness, findings: &mut Vec<Finding>) -> (Vec<Source>, bool) {
    let mut sources = Vec::new();
    let mut all = true;
    for file in files.modules.iter().filter(|file| !file.is_test) {
        match Source::parse(file) {
            Ok(source) => {
                of_text(&source, strictness, findings);
                sources.push(source);
            }
            Err(finding) => {
                findings.push(finding);
                all = false;
            }
        }
    }
    (sources, all)
}

/// What the modules of one world have wrong with each other.
fn check_world(
    world: &World,
    needs: &BTreeSet<Vec<String>>,
    all_read: bool,
    outside: &Outside,
    findings: &mut Vec<Finding>,
) {
    overlaps(&world.sources, findings);
    calls::check(&world.sources, world.is_whole, outside, findings);
    conflicts::check(&world.sources, findings);
    // What is missing may be in a file that cannot be read.
    if world.is_whole && all_read {
        references::check(&world.sources, &world.data, needs, findings);
    }
    if world.is_whole {
        safety::check(&world.sources, findings);
    }
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
