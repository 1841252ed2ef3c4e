//! A constraint: which reviews it is about, what it asks, and what its word is worth.

use super::Spot;
use super::schema::Schema;
use crate::policy::engine::Document;
use crate::policy::files::ManifestFile;
use crate::policy::finding::{Finding, Id};
use crate::policy::matching::objects::{Objects, Scope};
use crate::policy::matching::{Key, Match};
use crate::policy::metadata::{Enforcement, Instance, Node, selector};

/// What an action is taken at that reviews of the API server come to.
const WEBHOOK: &str = "validation.gatekeeper.sh";

/// Reads a constraint; `None`, and findings, for one that could not be enforced as it is meant.
pub(super) fn read(
    file: &ManifestFile,
    object: &Node,
    schema: Option<&Schema>,
    warnings: &mut Vec<Finding>,
    findings: &mut Vec<Finding>,
) -> Option<Instance> {
    let before = findings.len();
    let spot = Spot::of(file, object);
    let name = object
        .below(&["metadata", "name"])
        .and_then(Node::as_text)
        .unwrap_or_default();
    let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "-.".contains(c);
    if name.is_empty() || name.len() > 253 || !name.chars().all(fits) {
        findings.push(spot.finding("a constraint's name is of lower-case letters, digits, - and ."));
    }
    let nothing = Node::from_json(&serde_json::json!({}));
    let spec = object.get("spec").unwrap_or(&nothing);
    let mut reader = Reader {
        file,
        spot: &spot,
        findings,
    };
    let enforcement = reader.enforcement(spec);
    let matching = spec
        .get("match")
        .map(|node| reader.matching(node))
        .unwrap_or_default();
    for (key, _) in spec.members().unwrap_or_default() {
        let known = [
            "enforcementAction",
            "scopedEnforcementActions",
            "match",
            "parameters",
        ];
        if key.as_text().is_none_or(|key| !known.contains(&key)) {
            reader.finding(
                key,
                format!("the `spec` of a constraint has {}", known.join(", ")),
            );
        }
    }
    let parameters = spec.get("parameters").unwrap_or(&nothing);
    let parameters = match schema {
        Some(schema) => schema.check(file, parameters, warnings, findings),
        None => parameters.to_json(),
    };
    (findings.len() == before).then(|| Instance {
        name: name.to_owned(),
        matching,
        enforcement: Some(enforcement),
        parameters: parameters.as_ref().map(Document::from_json),
        file: Some(file.path.clone()),
        at: object.at,
    })
}

struct Reader<'a> {
    file: &'a ManifestFile,
    /// Where to point when a node has no place of its own.
    spot: &'a Spot,
    findings: &'a mut Vec<Finding>,
}

impl Reader<'_> {
    fn finding(&mut self, node: &Node, message: impl Into<String>) {
        let at = node.at.unwrap_or(self.spot.at);
        self.findings
            .push(at.problem(Id::Gatekeeper, &self.file.path, message));
    }

    fn enforcement(&mut self, spec: &Node) -> Enforcement {
        match spec.get("enforcementAction") {
            None => Enforcement::Deny,
            Some(node) if node.as_text() == Some("scoped") => self.scoped(spec, node),
            Some(node) => self.action(node),
        }
    }

    fn action(&mut self, node: &Node) -> Enforcement {
        let found = Enforcement::ALL
            .into_iter()
            .find(|one| node.as_text() == Some(one.as_str()));
        found.unwrap_or_else(|| {
            self.finding(node, "`enforcementAction` is one of deny, warn, dryrun, scoped");
            Enforcement::Deny
        })
    }

    /// The strictest action for the webhook. What is for other points alone is evaluated without any effect.
    fn scoped(&mut self, spec: &Node, node: &Node) -> Enforcement {
        let actions = spec.get("scopedEnforcementActions").and_then(Node::items);
        let Some(actions) = actions.filter(|actions| !actions.is_empty()) else {
            self.finding(node, "`scoped` needs `scopedEnforcementActions`");
            return Enforcement::Deny;
        };
        let mut found = Vec::new();
        for action in actions {
            let points = action
                .get("enforcementPoints")
                .and_then(Node::items)
                .unwrap_or_default();
            let names = points.iter().filter_map(|point| point.get("name")?.as_text());
            let ours = names.into_iter().any(|name| name == "*" || name == WEBHOOK);
            let does = self.action(action.get("action").unwrap_or(action));
            found.extend(ours.then_some(does));
        }
        let strictest = Enforcement::ALL.into_iter().find(|one| found.contains(one));
        strictest.unwrap_or(Enforcement::Dryrun)
    }

    fn matching(&mut self, node: &Node) -> Match {
        let mut matching = Match::default();
        let mut objects = Objects::default();
        let Some(members) = node.members() else {
            self.finding(node, format!("`match` must be a map, it is {}", node.kind()));
            return matching;
        };
        for (key, value) in members {
            match key.as_text().unwrap_or_default() {
                "kinds" => matching.lists.extend(self.kinds(value).map(|kinds| (Key::ObjectKinds, kinds))),
                "scope" => objects.scope = self.scope(value),
                "namespaces" => objects.namespaces = self.texts(value),
                "excludedNamespaces" => objects.excluded = self.texts(value),
                "labelSelector" => objects.labels = self.selector("a labelSelector", value),
                "namespaceSelector" => matching.selector = self.selector("a namespaceSelector", value),
                "name" => match value.as_text() {
                    Some(name) => objects.name = Some(name.to_owned()).filter(|name| !name.is_empty()),
                    None => self.finding(value, "`name` is a string"),
                },
                "source" => match value.as_text() {
                    Some("All" | "Original" | "") => {}
                    _ => self.finding(
                        value,
                        "`source` is All or Original: nothing is expanded here, so there is nothing Generated",
                    ),
                },
                other => {
                    let message = format!(
                        "`{other}` is no key of a constraint's `match`: it has kinds, scope, namespaces, \
                         excludedNamespaces, labelSelector, namespaceSelector, name, source"
                    );
                    self.finding(key, message);
                }
            }
        }
        matching.objects = Some(objects);
        matching
    }

    /// Patterns `group/Kind`; `None` where any kind is meant.
    fn kinds(&mut self, node: &Node) -> Option<Vec<String>> {
        let mut patterns = Vec::new();
        let mut any = node.items().is_some_and(<[Node]>::is_empty);
        if node.items().is_none() {
            self.finding(
                node,
                format!("`kinds` must be a list of maps, it is {}", node.kind()),
            );
        }
        for item in node.items().unwrap_or_default() {
            for (key, _) in item.members().unwrap_or_default() {
                if !matches!(key.as_text(), Some("apiGroups" | "kinds")) {
                    self.finding(key, "an item of `kinds` has `apiGroups` and `kinds`");
                }
            }
            if item.members().is_none() {
                self.finding(item, "an item of `kinds` is a map of `apiGroups` and `kinds`");
            }
            let mut all_or = |key: &str| {
                let texts = item.get(key).map(|node| self.texts(node)).unwrap_or_default();
                match texts.is_empty() {
                    true => vec!["*".to_owned()],
                    false => texts,
                }
            };
            let (groups, kinds) = (all_or("apiGroups"), all_or("kinds"));
            any |= groups == ["*"] && kinds == ["*"];
            for group in &groups {
                let named = |kind: &String| match group.as_str() {
                    "" => kind.clone(),
                    group => format!("{group}/{kind}"),
                };
                patterns.extend(kinds.iter().map(named));
            }
        }
        (!any).then_some(patterns)
    }

    fn scope(&mut self, node: &Node) -> Scope {
        match node.as_text() {
            Some("*" | "") => Scope::Any,
            Some("Cluster") => Scope::Cluster,
            Some("Namespaced") => Scope::Namespaced,
            _ => {
                self.finding(node, "`scope` is one of *, Cluster, Namespaced");
                Scope::Any
            }
        }
    }

    fn texts(&mut self, node: &Node) -> Vec<String> {
        let texts: Option<Vec<String>> = node.items().and_then(|items| {
            items
                .iter()
                .map(|item| item.as_text().map(str::to_owned))
                .collect()
        });
        texts.unwrap_or_else(|| {
            self.finding(node, "this must be a list of strings");
            Vec::new()
        })
    }

    fn selector(&mut self, named: &str, node: &Node) -> Option<crate::policy::matching::Selector> {
        selector(named, &self.file.path, self.spot.at, node, self.findings)
    }
}
