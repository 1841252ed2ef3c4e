//! Loading is checking: from files to a [`PolicySet`], or to all that is wrong with them.
//!
//! Used by `serve` (at start and at every change), `review` and `check`, which therefore agree. A set is built whole;
//! whoever called keeps the last good one when this one is refused.

use std::collections::BTreeSet;

use super::PolicySet;
use super::engine::Document;
use super::engine::ast::Source;
use super::files::Files;
use super::finding::Finding;

mod build;
mod calls;
mod circles;
mod data;
mod foreign;
mod gatekeeper;
mod packages;
mod plan;
mod references;
mod safety;
mod types;

/// The stack of the thread that parses and prepares: the engine recurses over what authors nest.
const STACK: usize = 64 << 20;

/// Loads a set.
///
/// # Errors
/// Everything that was found, sorted by file and place. A set without policies is no error here.
pub fn load(files: &Files) -> Result<PolicySet, Vec<Finding>> {
    let loaded = std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().name("load".into()).stack_size(STACK);
        match thread
            .spawn_scoped(scope, || load_here(files))
            .map(|thread| thread.join())
        {
            Ok(Ok(loaded)) => loaded,
            Ok(Err(_)) => Err(vec![Finding {
                message: "loading the policies panicked".into(),
                ..Finding::default()
            }]),
            Err(error) => Err(vec![Finding {
                message: format!("no thread to load policies: {error}"),
                ..Finding::default()
            }]),
        }
    });
    loaded.map_err(|mut findings: Vec<Finding>| {
        findings.sort();
        findings.dedup();
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

fn load_here(files: &Files) -> Result<PolicySet, Vec<Finding>> {
    let mut findings = Vec::new();
    let (sources, all_parsed) = parsed(files, &mut findings);
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
        check(
            world,
            &packages::needs(&packages, number),
            all_read,
            &mut findings,
        );
    }
    if !findings.is_empty() {
        return Err(findings);
    }
    let mut set = build::set(&files.revision, &worlds, &packages, plans).map_err(|finding| vec![finding])?;
    set.warnings = plan::ended_exceptions(&packages, &set.policies, super::now_ns());
    set.warnings.append(&mut gatekeeper.warnings);
    set.missing = packages::missing(&packages, &worlds);
    Ok(set)
}

/// The modules that can be parsed, and whether those are all.
fn parsed(files: &Files, findings: &mut Vec<Finding>) -> (Vec<Source>, bool) {
    let mut sources = Vec::new();
    let mut all = true;
    for file in files.modules.iter().filter(|file| !file.is_test) {
        match Source::parse(file) {
            Ok(source) => {
                findings.extend(source.findings.iter().cloned());
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
fn check(world: &World, needs: &BTreeSet<Vec<String>>, all_read: bool, findings: &mut Vec<Finding>) {
    overlaps(&world.sources, findings);
    calls::check(&world.sources, findings);
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
                findings.push(source.finding(rule.at, message));
            }
        }
    }
}

#[cfg(test)]
mod tests;
