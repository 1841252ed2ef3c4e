//! Loading is checking: from files to a [`PolicySet`], or to all that is wrong with them.
//!
//! Used by `serve` (at start and at every change), `review` and `check`, which therefore agree. A set is built whole;
//! whoever called keeps the last good one when this one is refused.

use std::collections::{BTreeMap, BTreeSet};

use super::engine::Document;
use super::engine::ast::Source;
use super::engine::entry::RESERVED;
use super::engine::group::Group;
use super::files::{DataFile, Files, Format};
use super::finding::Finding;
use super::{Policy, PolicySet, roots};
use crate::gate::Gate;
use crate::json::Problem;

mod calls;
mod references;
mod safety;
mod types;

/// Packages that share an engine at most. More of them make an evaluation dearer, fewer cost memory.
const GROUP_SIZE: usize = 32;

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

fn load_here(files: &Files) -> Result<PolicySet, Vec<Finding>> {
    let mut findings = Vec::new();
    let mut sources = Vec::new();
    for file in files.modules.iter().filter(|file| !file.is_test) {
        match Source::parse(file) {
            Ok(source) => {
                findings.extend(source.findings.iter().cloned());
                sources.push(source);
            }
            Err(finding) => findings.push(finding),
        }
    }
    let all_parsed = sources.len() == files.modules.iter().filter(|file| !file.is_test).count();
    let before = findings.len();
    let data = data(&files.data, &sources, &mut findings);
    let all_read = all_parsed && findings.len() == before;
    let policies = packages(&sources, &mut findings);
    overlaps(&sources, &mut findings);
    calls::check(&sources, &mut findings);
    // What is missing may be in a file that cannot be read.
    if all_read {
        references::check(&sources, &data, &BTreeSet::new(), &mut findings);
    }
    if all_parsed {
        safety::check(&sources, &mut findings);
    }
    if !findings.is_empty() {
        return Err(findings);
    }
    build(&files.revision, &sources, policies, &data).map_err(|finding| vec![finding])
}

/// A policy before it has a group.
struct Package<'a> {
    gate: Gate,
    name: String,
    package: &'a [String],
    rules: Vec<&'static str>,
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

/// The policies among the packages; findings for typos that would be policies which nobody enforces.
fn packages<'a>(sources: &'a [Source], findings: &mut Vec<Finding>) -> Vec<Package<'a>> {
    let mut by_package: BTreeMap<&[String], Vec<&Source>> = BTreeMap::new();
    for source in sources {
        by_package.entry(&source.package).or_default().push(source);
    }
    let mut policies: Vec<Package<'a>> = Vec::new();
    for (package, sources) in by_package {
        let Some(first) = sources.first() else { continue };
        match package {
            [root, kind, name @ ..] if root == "kubernetes" => {
                let Some(gate) = Gate::ALL.into_iter().find(|gate| roots(*gate).0 == kind) else {
                    findings.push(first.finding(first.package_at, wrong_root(kind)));
                    continue;
                };
                let name = if name.is_empty() {
                    kind.clone()
                } else {
                    name.join(".")
                };
                if let Some(twin) = policies
                    .iter()
                    .find(|other| other.gate == gate && other.name == name)
                {
                    let message = format!(
                        "a second policy called `{name}`: `{}` is one too",
                        twin.package.join(".")
                    );
                    findings.push(first.finding(first.package_at, message));
                }
                let rules = gate_rules(gate, package, &sources, findings);
                types::check(gate, &sources, findings);
                policies.push(Package {
                    gate,
                    name,
                    package,
                    rules,
                });
            }
            [root] if root == "kubernetes" => {
                findings.push(first.finding(first.package_at, wrong_root("")));
            }
            _ => {}
        }
    }
    policies.sort_by(|a, b| (a.gate, &a.name).cmp(&(b.gate, &b.name)));
    policies
}

fn wrong_root(kind: &str) -> String {
    let roots = Gate::ALL
        .map(|gate| format!("kubernetes.{}", roots(gate).0))
        .join(", ");
    format!("no gate reads the package `kubernetes.{kind}`: policies are in {roots}")
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
            findings.push(source.finding(
                source.package_at,
                format!("`{part}` is no name for a policy: letters, digits and _"),
            ));
        }
        for rule in &source.rules {
            let ours = own.iter().find(|name| **name == rule.name);
            match (ours, rule.arguments) {
                (Some(name), None) => {
                    found.insert(*name);
                }
                (Some(name), Some(_)) => {
                    findings.push(source.finding(
                        rule.at,
                        format!("`{name}` is a function here; the {gate} gate reads it as a rule"),
                    ));
                }
                (None, _) => findings
                    .extend(suspicious(gate, &rule.name).map(|message| source.finding(rule.at, message))),
            }
        }
    }
    if let ([first, ..], true) = (sources, found.is_empty()) {
        let message = format!("no rule that the {gate} gate reads: one of {}", own.join(", "));
        findings.push(first.finding(first.package_at, message));
    }
    // In the order of the table, so that the generated entry does not depend on the files.
    own.iter().copied().filter(|name| found.contains(name)).collect()
}

fn is_name(part: &str) -> bool {
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

/// All data files as one document; findings for unreadable ones, paths given twice and data that would hide a rule.
fn data(files: &[DataFile], sources: &[Source], findings: &mut Vec<Finding>) -> Document {
    let mut tree = Document::empty();
    for file in files {
        let finding = |message: String| Finding {
            file: Some(file.path.clone()),
            message,
            ..Finding::default()
        };
        let read = match file.format {
            Format::Json => Document::parse(&file.bytes).map_err(|error| error.to_string()),
            Format::Yaml => yaml(&file.bytes),
        };
        let document = match read {
            Ok(document) => document,
            Err(message) => {
                findings.push(finding(message));
                continue;
            }
        };
        if document.kind() != "object" {
            findings.push(finding(format!(
                "a data file holds an object, this one has type {}",
                document.kind()
            )));
            continue;
        }
        let document = file
            .at
            .iter()
            .rev()
            .fold(document, |inner, key| Document::object([(key.as_str(), inner)]));
        for path in rule_paths(sources) {
            if lies_over(&document, &path) {
                findings.push(finding(format!(
                    "data at `data.{}` would hide a rule there",
                    path.join(".")
                )));
            }
        }
        match merge(&tree, &document, &mut Vec::new()) {
            Ok(merged) => tree = merged,
            Err(path) => findings.push(finding(format!(
                "`data.{path}` is given by another data file too"
            ))),
        }
    }
    tree
}

fn yaml(bytes: &[u8]) -> Result<Document, String> {
    let text = std::str::from_utf8(bytes).map_err(|_| "not UTF-8".to_owned())?;
    let json: serde_json::Value = serde_saphyr::from_str(text).map_err(|error| error.to_string())?;
    if beyond_64_bits(&json) {
        return Err(Problem::NumberRange.to_string());
    }
    Ok(Document::from_json(&json))
}

/// Whether a number has become a float that could not say its integer: 2^63 is the first that no signed integer is.
fn beyond_64_bits(json: &serde_json::Value) -> bool {
    match json {
        serde_json::Value::Number(number) => {
            number.is_f64()
                && number
                    .as_f64()
                    .is_none_or(|float| float.fract() == 0.0 && float.abs() >= 2f64.powi(63))
        }
        serde_json::Value::Array(items) => items.iter().any(beyond_64_bits),
        serde_json::Value::Object(members) => members.values().any(beyond_64_bits),
        _ => false,
    }
}

/// Paths of rules below `data`, one per package and rule name, the generated ones among them.
fn rule_paths(sources: &[Source]) -> BTreeSet<Vec<String>> {
    let path =
        |source: &Source, name: &str| source.package.iter().cloned().chain([name.to_owned()]).collect();
    let written = sources
        .iter()
        .flat_map(|source| source.rules.iter().map(move |rule| path(source, &rule.name)));
    let generated = sources.iter().map(|source| path(source, RESERVED));
    written.chain(generated).collect()
}

/// Whether the document has a value at the path, or something that is no object above it.
fn lies_over(document: &Document, path: &[String]) -> bool {
    let mut at = document.clone();
    for key in path {
        if at.kind() != "object" {
            return true;
        }
        match at.get(key) {
            Some(next) => at = next,
            None => return false,
        }
    }
    true
}

/// Both objects in one; the path that both give, if they do.
fn merge(tree: &Document, more: &Document, path: &mut Vec<String>) -> Result<Document, String> {
    let Some(members) = more.members() else {
        return Err(path.join("."));
    };
    if tree.kind() != "object" {
        return Err(path.join("."));
    }
    let mut merged = tree.clone();
    for (key, value) in members {
        path.push(key.to_string());
        let value = match tree.get(&key) {
            None => value,
            Some(have) => merge(&have, &value, path)?,
        };
        path.pop();
        merged = merged.with(&key, value);
    }
    Ok(merged)
}

/// Sources that a package reads, directly or through others, in the order of the files.
fn closure<'a>(package: &[String], sources: &'a [Source]) -> Vec<&'a Source> {
    let mut inside = vec![false; sources.len()];
    let mut wanted: Vec<&[String]> = Vec::new();
    for (source, inside) in sources
        .iter()
        .zip(&mut inside)
        .filter(|(source, _)| source.package == package)
    {
        *inside = true;
        wanted.extend(source.reads.iter().map(Vec::as_slice));
    }
    while let Some(path) = wanted.pop() {
        for (source, inside) in sources.iter().zip(&mut inside) {
            let related = source.package.starts_with(path) || path.starts_with(&source.package);
            if related && !*inside {
                *inside = true;
                wanted.extend(source.reads.iter().map(Vec::as_slice));
            }
        }
    }
    sources
        .iter()
        .zip(inside)
        .filter(|(_, inside)| *inside)
        .map(|(source, _)| source)
        .collect()
}

/// A policy and its own files.
type Member<'a> = (Package<'a>, Vec<&'a Source>);

/// Puts policies with the same libraries into groups and prepares an engine for each.
fn build(
    revision: &str,
    sources: &[Source],
    packages: Vec<Package<'_>>,
    data: &Document,
) -> Result<PolicySet, Finding> {
    let mut shared: BTreeMap<(Gate, Vec<&str>), Vec<Member<'_>>> = BTreeMap::new();
    for package in packages {
        let reads = closure(package.package, sources);
        let (own, libraries): (Vec<_>, Vec<_>) = reads
            .into_iter()
            .partition(|source| source.package == package.package);
        let key = (
            package.gate,
            libraries.iter().map(|source| source.path.as_str()).collect(),
        );
        shared.entry(key).or_default().push((package, own));
    }
    let mut set = PolicySet {
        revision: revision.to_owned(),
        policies: Vec::new(),
        groups: Vec::new(),
    };
    for ((gate, libraries), members) in shared {
        let libraries: Vec<&Source> = sources
            .iter()
            .filter(|source| libraries.contains(&source.path.as_str()))
            .collect();
        for members in members.chunks(GROUP_SIZE) {
            let mut group_sources = libraries.clone();
            group_sources.extend(members.iter().flat_map(|(_, own)| own.iter().copied()));
            let entries: Vec<_> = members
                .iter()
                .map(|(member, _)| (member.package, member.rules.clone()))
                .collect();
            let (group, entries) = Group::build(&group_sources, &entries, data)?;
            for ((member, _), entry) in members.iter().zip(entries) {
                let (name, rules) = (member.name.clone(), member.rules.clone());
                set.policies.push(Policy {
                    gate,
                    name,
                    rules,
                    order: 0,
                    group: set.groups.len(),
                    entry,
                });
            }
            set.groups.push(group);
        }
    }
    set.policies
        .sort_by(|a, b| (a.gate, a.order, &a.name).cmp(&(b.gate, b.order, &b.name)));
    Ok(set)
}

#[cfg(test)]
mod tests;
