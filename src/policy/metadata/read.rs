//! From a tree to what it means, with a finding for everything that means nothing.

use super::node::{Node, Tree};
use super::{Enforcement, Exception, Instance, KEYS, Metadata, Until};
use crate::gate::Gate;
use crate::policy::engine::Document;
use crate::policy::engine::ast::Position;
use crate::policy::engine::builtins::BuiltinErrors;
use crate::policy::finding::{Finding, Id};
use crate::policy::matching::Match;

mod matches;

/// Reads what is meant for one gate.
pub(super) struct Reader<'a> {
    gate: Gate,
    denies: bool,
    file: &'a str,
    /// Where to point when a node has no place of its own.
    at: Option<Position>,
    findings: &'a mut Vec<Finding>,
}

/// What the operator sets for policies from outside: one of `policies.settings`.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Overlay {
    pub(crate) enforcement: Option<Enforcement>,
    pub(crate) matching: Match,
    pub(crate) parameters: Option<Document>,
    pub(crate) exceptions: Vec<Exception>,
}

impl Overlay {
    /// Reads one for a policy of this gate; `named` is where the setting is written.
    pub(crate) fn read(
        gate: Gate,
        denies: bool,
        named: &str,
        node: &Node,
        findings: &mut Vec<Finding>,
    ) -> Self {
        let mut reader = Reader {
            gate,
            denies,
            file: named,
            at: None,
            findings,
        };
        let mut overlay = Overlay::default();
        let keys = ["policy", "enforcement", "match", "parameters", "exceptions"];
        for (key, value) in reader.strict("a setting", node, &keys) {
            match key {
                "enforcement" => overlay.enforcement = reader.enforcement(value),
                "match" => overlay.matching = reader.matching(value),
                "parameters" => overlay.parameters = reader.parameters(value),
                "exceptions" => overlay.exceptions = reader.exceptions(value),
                _ => {}
            }
        }
        overlay
    }
}

impl<'a> Reader<'a> {
    pub(super) fn new(
        gate: Gate,
        denies: bool,
        file: &'a str,
        at: Position,
        findings: &'a mut Vec<Finding>,
    ) -> Self {
        Reader {
            gate,
            denies,
            file,
            at: Some(at),
            findings,
        }
    }

    fn finding(&mut self, node: &Node, message: impl Into<String>) {
        let at = node.at.or(self.at);
        let finding = Finding::new(Id::Metadata, message).in_file(self.file);
        self.findings.push(match at {
            Some(at) => finding.at(at),
            None => finding,
        });
    }

    /// A whole METADATA block.
    pub(super) fn metadata(&mut self, block: &Node, mut metadata: Metadata) -> Metadata {
        for (key, value) in block.members().unwrap_or_default() {
            match key.as_text() {
                Some("title" | "description") if value.as_text().is_none() => {
                    self.finding(
                        value,
                        format!("a title or description is a string, not {}", value.kind()),
                    );
                }
                Some(name) if KEYS.contains(&name) => {
                    self.finding(key, format!("`{name}` belongs under `custom` in METADATA"));
                }
                _ => {}
            }
        }
        match block.get("custom").map(|custom| (custom, custom.members())) {
            None => {}
            Some((_, Some(members))) => {
                for (key, value) in members {
                    self.custom(key, value, &mut metadata);
                }
            }
            Some((custom, None)) => {
                self.finding(custom, format!("`custom` must be a map, it is {}", custom.kind()));
            }
        }
        metadata
    }

    fn custom(&mut self, key: &Node, value: &Node, metadata: &mut Metadata) {
        match key.as_text() {
            Some("enforcement") => metadata.enforcement = self.enforcement(value).unwrap_or_default(),
            Some("match") => metadata.matching = self.matching(value),
            Some("order") => metadata.order = self.order(value),
            Some("parameters") => {
                metadata.parameters = self.parameters(value).unwrap_or_else(Document::empty);
            }
            Some("instances") => metadata.instances = Some(self.instances(value)),
            Some("needs") => metadata.needs = self.needs(value),
            Some("exceptions") => metadata.exceptions = self.exceptions(value),
            Some("builtinErrors") => {
                metadata.builtin_errors = match value.as_text() {
                    Some("undefined") => BuiltinErrors::Undefined,
                    Some("fault") => BuiltinErrors::Fault,
                    _ => {
                        self.finding(value, "`builtinErrors` is `fault` or `undefined`");
                        BuiltinErrors::Fault
                    }
                }
            }
            // Others may have keys of their own here, but none that could be a slip for one of ours.
            Some(name) => {
                let near = KEYS
                    .iter()
                    .find(|ours| strsim::levenshtein(ours, name) == 1 || ours.eq_ignore_ascii_case(name));
                if let Some(near) = near {
                    self.finding(
                        key,
                        format!("`{name}` is no key of Regate's: did you mean `{near}`?"),
                    );
                }
            }
            None => self.finding(key, format!("a key must be a string, it is {}", key.kind())),
        }
    }

    /// The members of a map that has no other keys than these.
    fn strict<'n>(
        &mut self,
        what: &str,
        node: &'n Node,
        keys: &[&'static str],
    ) -> Vec<(&'static str, &'n Node)> {
        if node.members().is_none() {
            self.finding(node, format!("{what} must be a map, it is {}", node.kind()));
        }
        node.only(what, keys, |key, message| self.finding(key, message))
    }

    fn enforcement(&mut self, node: &Node) -> Option<Enforcement> {
        let found = Enforcement::ALL
            .into_iter()
            .find(|one| node.as_text() == Some(one.as_str()));
        match found {
            Some(one) if one.holds_at(self.gate) => return found,
            Some(one) => {
                let gate = self.gate;
                self.finding(
                    node,
                    format!("the {gate} gate has no warnings: `{one}` is for mutate and validate"),
                );
            }
            None => self.finding(node, "`enforcement` is one of deny, warn, dryrun"),
        }
        None
    }

    fn order(&mut self, node: &Node) -> i64 {
        let order = match &node.value {
            Tree::Number(number) => number.as_i64(),
            _ => None,
        };
        order.unwrap_or_else(|| {
            self.finding(node, "`order` must be an integer");
            0
        })
    }

    fn parameters(&mut self, node: &Node) -> Option<Document> {
        if node.members().is_none() {
            self.finding(node, format!("`parameters` must be a map, it is {}", node.kind()));
            return None;
        }
        let document = node.to_document();
        if document.is_none() {
            self.finding(node, "every key of `parameters` must be a string");
        }
        document
    }

    fn list<'n>(&mut self, name: &str, of: &str, node: &'n Node) -> &'n [Node] {
        node.items().unwrap_or_else(|| {
            self.finding(
                node,
                format!("`{name}` must be a list of {of}, it is {}", node.kind()),
            );
            &[]
        })
    }

    fn instances(&mut self, node: &Node) -> Vec<Instance> {
        let items = self.list("instances", "maps", node);
        if node.items().is_some_and(<[Node]>::is_empty) {
            self.finding(node, "`instances` is empty: nobody would ask this policy");
        }
        let mut instances: Vec<Instance> = Vec::new();
        for item in items {
            let Some(instance) = self.instance(item) else {
                continue;
            };
            if instances.iter().any(|other| other.name == instance.name) {
                self.finding(item, format!("a second instance called `{}`", instance.name));
            }
            instances.push(instance);
        }
        instances
    }

    fn instance(&mut self, node: &Node) -> Option<Instance> {
        let mut instance = Instance {
            name: String::new(),
            matching: Match::default(),
            enforcement: None,
            parameters: None,
            file: None,
            at: node.at,
        };
        for (key, value) in self.strict(
            "an instance",
            node,
            &["name", "match", "enforcement", "parameters"],
        ) {
            match key {
                "name" => instance.name = self.instance_name(value),
                "match" => instance.matching = self.matching(value),
                "enforcement" => instance.enforcement = self.enforcement(value),
                _ => instance.parameters = self.parameters(value),
            }
        }
        node.members()?;
        if node.get("name").is_none() {
            self.finding(node, "an instance needs a `name`");
        }
        (!instance.name.is_empty()).then_some(instance)
    }

    /// Names become parts of the policy's name in logs, annotations and messages.
    fn instance_name(&mut self, node: &Node) -> String {
        let fits = |name: &&str| {
            name.starts_with(|c: char| c.is_ascii_alphanumeric())
                && name.len() <= 63
                && name
                    .chars()
                    .all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-')
        };
        match node.as_text().filter(fits) {
            Some(name) => name.to_owned(),
            None => {
                self.finding(node, "an instance's `name` is of letters, digits, _ and -");
                String::new()
            }
        }
    }

    fn needs(&mut self, node: &Node) -> Vec<(Vec<String>, Position)> {
        let mut needs = Vec::new();
        for item in self.list("needs", "paths like data.x.y", node) {
            let path: Option<Vec<String>> = item.as_text().and_then(|text| {
                let path: Vec<String> = text
                    .strip_prefix("data.")?
                    .split('.')
                    .map(str::to_owned)
                    .collect();
                path.iter().all(|part| !part.is_empty()).then_some(path)
            });
            match (path, item.at.or(self.at)) {
                (Some(path), Some(at)) => needs.push((path, at)),
                _ => self.finding(item, "`needs` lists paths like data.x.y"),
            }
        }
        needs
    }

    fn exceptions(&mut self, node: &Node) -> Vec<Exception> {
        let items = self.list("exceptions", "maps", node);
        items.iter().filter_map(|item| self.exception(item)).collect()
    }

    fn exception(&mut self, node: &Node) -> Option<Exception> {
        let mut exception = Exception {
            matching: Match::default(),
            reason: String::new(),
            until: None,
            at: node.at,
        };
        let before = self.findings.len();
        for (key, value) in self.strict("an exception", node, &["match", "reason", "until"]) {
            match key {
                // What exempts does not have to be about all namespaces.
                "match" => exception.matching = self.exempting(value),
                "reason" => exception.reason = value.as_text().unwrap_or_default().trim().to_owned(),
                _ => exception.until = self.until(value),
            }
        }
        if self.findings.len() == before {
            if exception.matching.fits_all() {
                self.finding(
                    node,
                    "an exception needs a `match` that says which reviews it is about",
                );
            }
            if exception.reason.is_empty() {
                self.finding(node, "an exception needs a `reason`");
            }
        }
        (self.findings.len() == before).then_some(exception)
    }

    fn until(&mut self, node: &Node) -> Option<Until> {
        let until = node.as_text().and_then(Until::parse);
        if until.is_none() {
            self.finding(
                node,
                "`until` is a quoted date like \"2027-01-31\" or an RFC 3339 time",
            );
        }
        until
    }
}
