//! Gatekeeper's objects: templates become packages of their own worlds, their constraints the instances of them.
//!
//! Called by loading with the files that hold such objects; everything wrong in them is told at its place in the YAML.
//! Always holds: a template's modules see no other template's and none of ours, so that libraries of one name do not
//! meet; a constraint is never dropped without a finding.

mod constraint;
mod place;
mod schema;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use super::World;
use super::packages::Package;
use crate::gate::Gate;
use crate::policy::dialect::Dialect;
use crate::policy::dialect::gatekeeper::{UNSTABLE, VIOLATION};
use crate::policy::engine::Document;
use crate::policy::engine::ast::{Position, Source};
use crate::policy::engine::entry::RESERVED;
use crate::policy::files::{ManifestFile, RegoFile};
use crate::policy::finding::{Finding, Id};
use crate::policy::metadata::{Metadata, Node};
use schema::Schema;

/// The one target that reviews of admission are.
const TARGET: &str = "admission.k8s.gatekeeper.sh";

/// Where the replicated cluster stands below `data`.
const INVENTORY: &str = "inventory";

/// The versions of templates.
const VERSIONS: [&str; 3] = ["v1", "v1beta1", "v1alpha1"];

/// What there is of Gatekeeper's.
#[derive(Default)]
pub(super) struct Gatekeeper {
    templates: Vec<Template>,
    /// What is no reason to refuse a set.
    pub(super) warnings: Vec<Finding>,
}

/// A template, with the constraints of its kind.
struct Template {
    kind: String,
    at: Spot,
    sources: Vec<Source>,
    /// What it was made of could be read.
    is_whole: bool,
    schema: Option<Schema>,
    metadata: Metadata,
}

/// A place in a file.
#[derive(Clone, Debug)]
struct Spot {
    file: String,
    at: Position,
}

impl Spot {
    fn of(file: &ManifestFile, node: &Node) -> Self {
        let at = node.at.unwrap_or(Position { line: 1, column: 1 });
        Spot {
            file: file.path.clone(),
            at,
        }
    }

    fn finding(&self, message: impl Into<String>) -> Finding {
        self.problem(Id::Gatekeeper, message)
    }

    fn problem(&self, id: Id, message: impl Into<String>) -> Finding {
        self.at.problem(id, &self.file, message)
    }
}

/// Reads all objects.
pub(super) fn read(files: &[ManifestFile], findings: &mut Vec<Finding>) -> Gatekeeper {
    let mut gatekeeper = Gatekeeper::default();
    let mut constraints = Vec::new();
    for file in files {
        let documents = match Node::parse_all(&file.text) {
            Ok(documents) => documents,
            Err((at, message)) => {
                let at = at.unwrap_or(Position { line: 1, column: 1 });
                findings.push(at.problem(Id::Gatekeeper, &file.path, format!("is no YAML: {message}")));
                continue;
            }
        };
        for object in documents.into_iter().flat_map(objects) {
            match group_and_version(&object) {
                Some(("templates.gatekeeper.sh", version)) => {
                    gatekeeper.template(file, &object, version, findings);
                }
                Some(("constraints.gatekeeper.sh", _)) => constraints.push((file, object)),
                Some((group @ ("mutations.gatekeeper.sh" | "expansion.gatekeeper.sh"), _)) => {
                    let message =
                        format!("objects of `{group}` are not read: nothing would enforce this one");
                    findings.push(Spot::of(file, &object).finding(message));
                }
                _ => {}
            }
        }
    }
    for (file, object) in constraints {
        gatekeeper.constraint(file, &object, findings);
    }
    for template in gatekeeper
        .templates
        .iter()
        .filter(|one| one.constraints().is_empty())
    {
        let message = format!(
            "there is no constraint of kind `{}`: nobody asks this template",
            template.kind
        );
        gatekeeper
            .warnings
            .push(template.at.problem(Id::UnusedTemplate, message));
    }
    gatekeeper
}

/// The objects of a document: those of a List each by itself.
fn objects(document: Node) -> Vec<Node> {
    let items = document.get("items").and_then(Node::items);
    let is_list = document.get("kind").and_then(Node::as_text) == Some("List");
    match items.filter(|_| is_list) {
        Some(items) => items.to_vec(),
        None => vec![document],
    }
}

fn group_and_version(object: &Node) -> Option<(&str, &str)> {
    object.get("apiVersion")?.as_text()?.split_once('/')
}

impl Gatekeeper {
    fn template(&mut self, file: &ManifestFile, object: &Node, version: &str, findings: &mut Vec<Finding>) {
        let before = findings.len();
        let spot = Spot::of(file, object);
        if object.get("kind").and_then(Node::as_text) != Some("ConstraintTemplate") {
            return findings
                .push(spot.finding("the only kind of `templates.gatekeeper.sh` is ConstraintTemplate"));
        }
        if !VERSIONS.contains(&version) {
            let message = format!(
                "templates have a version of {}, not `{version}`",
                VERSIONS.join(", ")
            );
            findings.push(spot.finding(message));
        }
        let kind = object.below(&["spec", "crd", "spec", "names", "kind"]);
        let Some(kind) = kind.and_then(Node::as_text) else {
            return findings
                .push(spot.finding("a template names its constraints: `spec.crd.spec.names.kind`"));
        };
        let name = object.below(&["metadata", "name"]).and_then(Node::as_text);
        if name != Some(&kind.to_ascii_lowercase()) {
            let message = format!(
                "a template is called like the kind of its constraints, in lower case: `{}`",
                kind.to_ascii_lowercase()
            );
            findings.push(spot.finding(message));
        }
        if let Some(other) = self.templates.iter().find(|other| other.kind == kind) {
            let message = format!(
                "a second template for the kind `{kind}`: the first is at {}:{}",
                other.at.file, other.at.at.line
            );
            findings.push(spot.finding(message));
        }
        let validation = object.below(&["spec", "crd", "spec", "validation"]);
        let schema = Schema::read(file, validation, version, findings);
        let sources = sources(file, object, findings);
        self.templates.push(Template {
            kind: kind.to_owned(),
            metadata: metadata(&spot, &sources),
            at: spot,
            is_whole: findings.len() == before,
            sources,
            schema,
        });
    }

    fn constraint(&mut self, file: &ManifestFile, object: &Node, findings: &mut Vec<Finding>) {
        let spot = Spot::of(file, object);
        let kind = object.get("kind").and_then(Node::as_text).unwrap_or_default();
        let Some(template) = self.templates.iter_mut().find(|template| template.kind == kind) else {
            let near = self.templates.iter().map(|template| template.kind.as_str());
            let near = near.min_by_key(|near| strsim::levenshtein(near, kind));
            let near = near.filter(|near| strsim::levenshtein(near, kind) <= 3);
            let hint = near
                .map(|near| format!(": did you mean `{near}`?"))
                .unwrap_or_default();
            return findings.push(spot.finding(format!("there is no template for the kind `{kind}`{hint}")));
        };
        let instance = constraint::read(
            file,
            object,
            template.schema.as_ref(),
            &mut self.warnings,
            findings,
        );
        if let (Some(instance), Some(instances)) = (instance, &mut template.metadata.instances) {
            instances.push(instance);
        }
    }

    /// A world for each template: its modules, and of all data only the inventory.
    pub(super) fn worlds(&mut self, data: &Document) -> Vec<World> {
        let inventory = data.get(INVENTORY);
        let data = Document::object(inventory.map(|inventory| (INVENTORY, inventory)));
        let world = |template: &mut Template| World {
            sources: std::mem::take(&mut template.sources),
            data: data.clone(),
            is_whole: template.is_whole,
        };
        self.templates.iter_mut().map(world).collect()
    }

    /// The packages of the templates; `worlds` are those that [`worlds`](Self::worlds) gave, from number `first` on.
    pub(super) fn packages<'a>(&self, worlds: &'a [World], first: usize) -> Vec<Package<'a>> {
        let package = |(number, (template, world)): (usize, (&Template, &'a World))| {
            let main = world.sources.first()?;
            let reads = |source: &Source| source.input_reads.iter().any(|path| reads_unstable(path, source));
            Some(Package {
                gate: Gate::Validate,
                dialect: Dialect::Gatekeeper,
                name: template.kind.clone(),
                package: &main.package,
                rules: vec!["deny"],
                entry: vec![VIOLATION.to_owned()],
                metadata: template.metadata.clone(),
                sources: world
                    .sources
                    .iter()
                    .filter(|source| source.package == main.package)
                    .collect(),
                world: first + number,
                reads_namespace: world.sources.iter().any(reads),
            })
        };
        let templates = self.templates.iter().zip(worlds).enumerate();
        templates.filter_map(package).collect()
    }
}

impl Template {
    fn constraints(&self) -> &[crate::policy::metadata::Instance] {
        self.metadata.instances.as_deref().unwrap_or_default()
    }
}

/// Whether a module looks for the Namespace where older versions of Gatekeeper had it.
fn reads_unstable(path: &[String], source: &Source) -> bool {
    match path {
        [review, member, ..] => review == "review" && member == UNSTABLE,
        [_] | [] => source.text.contains(UNSTABLE),
    }
}

/// What holds for all constraints of a template: the inventory, if it is read, has to be there.
fn metadata(spot: &Spot, sources: &[Source]) -> Metadata {
    let reads = sources.iter().flat_map(|source| &source.data_reads);
    let inventory = reads.filter(|(path, _)| path.first().is_some_and(|root| root == INVENTORY));
    let first = inventory.map(|(_, at)| *at).min();
    Metadata {
        needs: first
            .map(|at| (vec![INVENTORY.to_owned()], at))
            .into_iter()
            .collect(),
        instances: Some(Vec::new()),
        ..Metadata::of_dialect(&spot.file, Dialect::Gatekeeper)
    }
}

/// The modules of a template, the one with the violations first.
fn sources(file: &ManifestFile, object: &Node, findings: &mut Vec<Finding>) -> Vec<Source> {
    let Some(code) = code(file, object, findings) else {
        return Vec::new();
    };
    let mut sources = Vec::new();
    for (number, node) in code.modules.into_iter().enumerate() {
        let Some(text) = node.as_text() else {
            let message = format!("a module is a string, this is {}", node.kind());
            findings.push(Spot::of(file, node).finding(message));
            continue;
        };
        let module = RegoFile {
            path: file.path.clone(),
            text: text.to_owned(),
            is_test: false,
            v0: code.v0,
        };
        match Source::parse_inside(&module, place::of(&file.text, node, text)) {
            Err(finding) => findings.push(finding),
            Ok(source) => {
                findings.extend(source.findings.iter().cloned());
                findings.extend(refused(&source, number == 0));
                sources.push(source);
            }
        }
    }
    sources
}

/// What a module of a template must have, or must not.
fn refused(source: &Source, is_main: bool) -> Vec<Finding> {
    let mut findings = Vec::new();
    let violates =
        |rule: &&crate::policy::engine::ast::RuleFacts| rule.name == VIOLATION && rule.arguments.is_none();
    if is_main && source.rules.iter().find(violates).is_none() {
        let message = "a template needs a rule `violation`".to_owned();
        findings.push(source.problem(Id::Gatekeeper, source.package_at, message));
    }
    if !is_main && source.package.first().is_none_or(|root| root != "lib") {
        let message = "the packages of `libs` are `lib` and below it".to_owned();
        findings.push(source.problem(Id::Gatekeeper, source.package_at, message));
    }
    for rule in source.rules.iter().filter(|rule| rule.name == RESERVED) {
        findings.push(source.problem(
            Id::RuleName,
            rule.at,
            format!("the name `{RESERVED}` is reserved"),
        ));
    }
    findings
}

/// The Rego of a template: its module and its libraries.
struct Code<'a> {
    modules: Vec<&'a Node>,
    v0: bool,
}

fn code<'a>(file: &ManifestFile, object: &'a Node, findings: &mut Vec<Finding>) -> Option<Code<'a>> {
    let spot = Spot::of(file, object);
    let targets = object
        .below(&["spec", "targets"])
        .and_then(Node::items)
        .unwrap_or_default();
    let [target] = targets else {
        findings.push(spot.finding("a template has exactly one of `spec.targets`"));
        return None;
    };
    let spot = Spot::of(file, target);
    let name = target.get("target").and_then(Node::as_text).unwrap_or_default();
    if name != TARGET {
        findings.push(spot.finding(format!("the target `{name}` is not served: only `{TARGET}` is")));
        return None;
    }
    let engines: BTreeMap<&str, &Node> = target
        .get("code")
        .and_then(Node::items)
        .unwrap_or_default()
        .iter()
        .filter_map(|code| Some((code.get("engine")?.as_text()?, code)))
        .collect();
    let (source, v0) = match engines.get("Rego") {
        Some(code) => {
            let version = code.below(&["source", "version"]);
            let version = version.and_then(Node::as_text).unwrap_or("v0");
            if !["", "v0", "v1"].contains(&version) {
                findings.push(
                    Spot::of(file, code).finding(format!("Rego has the versions v0 and v1, not `{version}`")),
                );
            }
            (code.get("source").unwrap_or(target), version != "v1")
        }
        None => (target, true),
    };
    let Some(main) = source.get("rego") else {
        let others: Vec<&str> = engines.into_keys().collect();
        findings.push(spot.finding(match others.as_slice() {
            [] => "a template needs Rego: `targets[0].rego` or `targets[0].code`".to_owned(),
            others => format!(
                "this template is written for {} alone: only Rego is evaluated",
                others.join(", ")
            ),
        }));
        return None;
    };
    let libraries = source.get("libs").and_then(Node::items).unwrap_or_default();
    Some(Code {
        modules: std::iter::once(main).chain(libraries).collect(),
        v0,
    })
}
