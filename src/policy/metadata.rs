//! METADATA: how a policy is run, written above its package.
//!
//! [`of_package`] finds the `# METADATA` blocks of a policy's files and reads ours of what stands under `custom`;
//! [`Overlay`] is what the operator sets from outside for policies that somebody else wrote. Read by [`super::load`],
//! which turns both into [`super::Policy`]s. Every problem is a finding with its place, all of them at once; nothing
//! that an author may have meant for us is passed over.

pub(crate) mod annotations;
mod node;
mod read;
mod scan;
mod until;

use std::fmt;

use super::dialect::Dialect;
use super::engine::Document;
use super::engine::ast::{Position, Source};
use super::engine::builtins::BuiltinErrors;
use super::finding::{Finding, Id};
use super::matching::{Match, Selector};
use crate::gate::Gate;
pub(crate) use node::{Node, Tree};
pub(crate) use read::Overlay;
use read::Reader;
use scan::{Block, Scan};
pub use until::Until;

/// What a policy's word is worth.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Enforcement {
    /// Its denials deny.
    #[default]
    Deny,
    /// Its denials and faults become warnings; its patches are applied. At mutate and validate only.
    Warn,
    /// It is evaluated, recorded and counted, without any effect.
    Dryrun,
}

impl Enforcement {
    /// All of them.
    pub const ALL: [Enforcement; 3] = [Enforcement::Deny, Enforcement::Warn, Enforcement::Dryrun];

    /// As authors write it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Enforcement::Deny => "deny",
            Enforcement::Warn => "warn",
            Enforcement::Dryrun => "dryrun",
        }
    }

    /// Whether a gate can do it: only admission answers can carry warnings.
    pub const fn holds_at(self, gate: Gate) -> bool {
        match self {
            Enforcement::Deny | Enforcement::Dryrun => true,
            Enforcement::Warn => matches!(gate, Gate::Mutate | Gate::Validate),
        }
    }
}

impl fmt::Display for Enforcement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// Reviews that a policy does not judge.
#[derive(Clone, Debug, PartialEq)]
pub struct Exception {
    /// Which reviews; never empty.
    pub matching: Match,
    /// Why, for the record.
    pub reason: String,
    /// When it ends, if it does.
    pub until: Option<Until>,
    /// Where it stands; `None` if it was set from outside.
    pub(crate) at: Option<Position>,
}

/// What `custom` says of a policy.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Metadata {
    pub(crate) enforcement: Enforcement,
    pub(crate) order: i64,
    pub(crate) matching: Match,
    pub(crate) parameters: Document,
    /// `None` where the package is one policy; never empty.
    pub(crate) instances: Option<Vec<Instance>>,
    /// Paths below `data`, and where each was asked for.
    pub(crate) needs: Vec<(Vec<String>, Position)>,
    pub(crate) exceptions: Vec<Exception>,
    pub(crate) builtin_errors: BuiltinErrors,
    /// The file that it stands in.
    pub(crate) file: String,
}

/// One of several policies that share a package.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Instance {
    pub(crate) name: String,
    pub(crate) matching: Match,
    pub(crate) enforcement: Option<Enforcement>,
    pub(crate) parameters: Option<Document>,
    /// The file that it stands in, if that is another one than the policy's.
    pub(crate) file: Option<String>,
    pub(crate) at: Option<Position>,
}

impl Metadata {
    /// What holds where nothing is said.
    pub(crate) fn new(file: &str) -> Self {
        Metadata {
            enforcement: Enforcement::Deny,
            order: 0,
            matching: Match::default(),
            parameters: Document::empty(),
            instances: None,
            needs: Vec::new(),
            exceptions: Vec::new(),
            builtin_errors: BuiltinErrors::Fault,
            file: file.to_owned(),
        }
    }

    /// The same for a policy of this dialect.
    pub(crate) fn of_dialect(file: &str, dialect: Dialect) -> Self {
        Metadata {
            builtin_errors: dialect.builtin_errors(),
            ..Self::new(file)
        }
    }
}

/// The keys under `custom` that are ours.
pub(crate) const KEYS: [&str; 8] = [
    "enforcement",
    "match",
    "order",
    "parameters",
    "instances",
    "needs",
    "exceptions",
    "builtinErrors",
];

/// What a policy's METADATA says. `denies`: whether the policy has a `deny` rule, which makes the rules for namespaces
/// at authz stricter.
pub(crate) fn of_package(
    gate: Gate,
    denies: bool,
    sources: &[&Source],
    findings: &mut Vec<Finding>,
) -> Metadata {
    of_package_in(Dialect::Regate, gate, denies, sources, findings)
}

/// The same for a package of another dialect, in which something else holds where METADATA says nothing.
pub(crate) fn of_package_in(
    dialect: Dialect,
    gate: Gate,
    denies: bool,
    sources: &[&Source],
    findings: &mut Vec<Finding>,
) -> Metadata {
    let mut metadata = Metadata::of_dialect("", dialect);
    let mut first: Option<(&Source, Position)> = None;
    for source in sources {
        for block in scanned(source, findings) {
            let Some(node) = readable(source, &block, findings) else {
                continue;
            };
            if !is_of_package(source, &block, node) {
                refuse_ours(source, node, "only a policy's package can have it", findings);
                continue;
            }
            if let Some((other, at)) = first {
                let message = format!(
                    "a second METADATA block for this package: the first is at {}:{}",
                    other.path, at.line
                );
                findings.push(source.problem(Id::MetadataPlace, block.at, message));
                continue;
            }
            first = Some((source, block.at));
            let mut reader = Reader::new(gate, denies, &source.path, block.at, findings);
            metadata = reader.metadata(node, Metadata::of_dialect(&source.path, dialect));
        }
    }
    metadata
}

/// A label selector of a file that is not METADATA.
pub(crate) fn selector(
    named: &str,
    file: &str,
    at: Position,
    node: &Node,
    findings: &mut Vec<Finding>,
) -> Option<Selector> {
    Reader::new(Gate::Validate, true, file, at, findings).selector(named, node)
}

/// Refuses what is ours in the METADATA of a package that is no policy.
pub(crate) fn of_library(source: &Source, findings: &mut Vec<Finding>) {
    for block in scanned(source, findings) {
        if let Some(node) = readable(source, &block, findings) {
            refuse_ours(source, node, "this package is no policy", findings);
        }
    }
}

/// The blocks of a file; findings for what is ours and in none.
fn scanned(source: &Source, findings: &mut Vec<Finding>) -> Vec<Block> {
    let Scan { blocks, strays } = scan::scan(&source.text);
    for stray in strays {
        let why = "a block begins with a line `# METADATA` and has no empty lines";
        refuse_ours(source, &stray, why, findings);
    }
    blocks
}

/// The YAML of a block, if it is a map.
fn readable<'a>(source: &Source, block: &'a Block, findings: &mut Vec<Finding>) -> Option<&'a Node> {
    match &block.yaml {
        Ok(node) if node.members().is_some() => Some(node),
        Ok(node) => {
            let message = format!("METADATA must be a map, it is {}", node.kind());
            findings.push(source.problem(Id::Metadata, block.at, message));
            None
        }
        Err((at, message)) => {
            let message = format!("METADATA is no YAML: {message}");
            findings.push(source.problem(Id::Metadata, *at, message));
            None
        }
    }
}

/// Whether a block stands above the package clause and says nothing else.
fn is_of_package(source: &Source, block: &Block, node: &Node) -> bool {
    let scope = node.get("scope").and_then(Node::as_text).unwrap_or("package");
    block.end < source.package_at.line && scope == "package"
}

fn refuse_ours(source: &Source, node: &Node, why: &str, findings: &mut Vec<Finding>) {
    let custom = node.get("custom").and_then(Node::members).unwrap_or_default();
    for (key, _) in custom {
        if let Some(name) = key.as_text().filter(|name| KEYS.contains(name)) {
            let at = key.at.unwrap_or(source.package_at);
            let message = format!("`{name}` in METADATA: {why}");
            findings.push(source.problem(Id::MetadataPlace, at, message));
        }
    }
}

#[cfg(test)]
mod tests;
