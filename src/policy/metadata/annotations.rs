//! What `rego.metadata.rule()` and `rego.metadata.chain()` give: OPA's annotations of the modules that are loaded together.
//!
//! Loading calls [`write_in`] once all modules of a world are parsed, and before their calls are checked. Nothing is read
//! unless a module asks. Always holds: what OPA would read otherwise, or refuse, is a finding.

mod read;

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::node::Node;
use super::scan::{self, Block};
use crate::policy::engine::ast::{Annotated, Given, Position, Source};
use crate::policy::finding::{Finding, Id};

/// Writes into the modules that ask what their METADATA says.
pub(crate) fn write_in(sources: &mut [Source], findings: &mut Vec<Finding>) {
    if !sources.iter().any(Source::asks_for_metadata) {
        return;
    }
    let mut set = Set::default();
    for (place, source) in sources.iter().enumerate() {
        set.add(place, source, findings);
    }
    for (place, source) in sources.iter_mut().enumerate() {
        if source.asks_for_metadata() && !source.is_annotated {
            source.write_in(&set.annotated(place, source));
        }
    }
}

/// What a block is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Scope {
    Rule,
    Document,
    Package,
    Subpackages,
}

impl Scope {
    const ALL: [Scope; 4] = [Scope::Rule, Scope::Document, Scope::Package, Scope::Subpackages];

    const fn as_str(self) -> &'static str {
        match self {
            Scope::Rule => "rule",
            Scope::Document => "document",
            Scope::Package => "package",
            Scope::Subpackages => "subpackages",
        }
    }

    /// Whether it is about a rule.
    const fn is_of_rule(self) -> bool {
        matches!(self, Scope::Rule | Scope::Document)
    }
}

/// A statement that a block may stand above.
#[derive(Clone, Copy, Debug)]
enum Statement {
    Package,
    Import,
    /// The rule at this place of the file.
    Rule(usize),
}

/// The first statement below a line.
fn below(source: &Source, line: u32) -> Option<Statement> {
    let package = std::iter::once((source.package_at, Statement::Package));
    let imports = source.imports_at.iter().map(|at| (*at, Statement::Import));
    let rules = source.rules.iter().enumerate();
    let rules = rules.map(|(place, rule)| (rule.at, Statement::Rule(place)));
    let all = package.chain(imports).chain(rules);
    let below = all.filter(|(at, _)| at.line > line);
    below
        .min_by_key(|(at, _)| at.line)
        .map(|(_, statement)| statement)
}

type Path = Vec<String>;

/// The annotations of all modules, as members of a chain.
#[derive(Default)]
struct Set {
    /// By place of the source and of the rule, from the top of the file to its end.
    rules: BTreeMap<(usize, usize), Vec<Value>>,
    packages: BTreeMap<Path, Value>,
    /// Those of documents and of packages with all below them.
    paths: BTreeMap<Path, Value>,
}

impl Set {
    fn add(&mut self, place: usize, source: &Source, findings: &mut Vec<Finding>) {
        let blocks = scan::scan(&source.text).blocks;
        // OPA reads no block that is indented.
        for block in blocks.iter().filter(|block| block.at.column == 1) {
            if let Err((at, message)) = self.add_block(place, source, block) {
                findings.push(source.problem(Id::Metadata, at, format!("METADATA: {message}")));
            }
        }
    }

    fn add_block(&mut self, place: usize, source: &Source, block: &Block) -> Result<(), (Position, String)> {
        let node = block.yaml.as_ref().map_err(Clone::clone)?;
        let statement = below(source, block.at.line);
        let scope = scope(node, statement).map_err(|message| (block.at, message))?;
        let annotations = read::annotations(source, node, block.at)?;
        let path = match statement {
            Some(Statement::Rule(rule)) => source.rules.get(rule).map(|rule| source.path_of(rule)),
            _ => Some(source.package.clone()),
        };
        let path = path.unwrap_or_default();
        let mut members = Map::from_iter([("scope".to_owned(), json!(scope.as_str()))]);
        members.extend(annotations);
        let link = json!({"annotations": members, "path": path});
        let before = match (scope, statement) {
            (Scope::Rule, Some(Statement::Rule(rule))) => {
                self.rules.entry((place, rule)).or_default().push(link);
                None
            }
            (Scope::Package, _) => self.packages.insert(path, link),
            _ => self.paths.insert(path, link),
        };
        match before {
            None => Ok(()),
            Some(_) => Err((block.at, format!("a second block of scope `{}`", scope.as_str()))),
        }
    }

    /// What the rules of a source are told.
    fn annotated(&self, place: usize, source: &Source) -> Vec<Annotated> {
        let rules = source.rules.iter().enumerate();
        let annotated = rules.map(|(number, rule)| {
            let path = source.path_of(rule);
            let own = self.rules.get(&(place, number)).map_or(&[][..], Vec::as_slice);
            Annotated {
                own: self.given(source, &path, own),
                others: self.given(source, &path, &[]),
            }
        });
        annotated.collect()
    }

    /// What a rule is told that has annotations of its own, from the top of the file.
    fn given(&self, source: &Source, path: &Path, own: &[Value]) -> Given {
        let mut chain: Vec<&Value> = own.iter().rev().collect();
        let bare = json!({"path": path});
        if chain.is_empty() {
            chain.push(&bare);
        }
        chain.extend(self.paths.get(path));
        chain.extend(self.packages.get(&source.package));
        let above = (1..=source.package.len()).rev();
        let above = above.filter_map(|length| self.paths.get(source.package.get(..length)?));
        chain.extend(above);
        // Of several blocks above a rule OPA takes the first one.
        let rule = own.first().and_then(|link| link.get("annotations"));
        Given {
            chain: json!(chain).to_string(),
            rule: rule.map_or_else(|| "{}".to_owned(), Value::to_string),
        }
    }
}

/// What a block is about, by what it says and by what it stands above.
fn scope(node: &Node, statement: Option<Statement>) -> Result<Scope, String> {
    let is_entrypoint = read::is_entrypoint(node);
    let said = node.get("scope").and_then(Node::as_text).unwrap_or_default();
    let scope = match (said, statement) {
        ("", Some(Statement::Rule(_))) if is_entrypoint => Some(Scope::Document),
        ("", Some(Statement::Rule(_))) => Some(Scope::Rule),
        ("", Some(Statement::Package)) => Some(Scope::Package),
        (said, _) => Scope::ALL.into_iter().find(|scope| scope.as_str() == said),
    };
    let Some(scope) = scope else {
        let message = match said {
            "" => "it stands above no rule and no package".to_owned(),
            said => format!("there is no scope `{said}`"),
        };
        return Err(message);
    };
    let fits = match statement {
        Some(Statement::Rule(_)) => scope.is_of_rule(),
        Some(Statement::Package) => !scope.is_of_rule(),
        Some(Statement::Import) | None => false,
    };
    if !fits {
        let wanted = if scope.is_of_rule() { "rule" } else { "package" };
        return Err(format!(
            "a block of scope `{}` stands above a {wanted}",
            scope.as_str()
        ));
    }
    if is_entrypoint && !matches!(scope, Scope::Document | Scope::Package) {
        return Err(format!("a `{}` is no entrypoint", scope.as_str()));
    }
    Ok(scope)
}

#[cfg(test)]
mod tests;
