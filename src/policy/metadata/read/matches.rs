//! `match`, checked for its gate: keys that mean something there, and values that some review can have.

use super::super::node::Node;
use super::Reader;
use crate::gate::Gate;
use crate::policy::glob;
use crate::policy::matching::selector::{Operator, Requirement};
use crate::policy::matching::{Key, Match, NAMESPACE_SELECTOR, Selector, has_namespace_selector, kinds};

/// The operations of admission.
const OPERATIONS: [&str; 4] = ["CONNECT", "CREATE", "DELETE", "UPDATE"];

impl Reader<'_> {
    /// A `match` that decides whether the policy is asked.
    pub(super) fn matching(&mut self, node: &Node) -> Match {
        let matching = self.exempting(node);
        if self.gate == Gate::Authz && self.denies {
            self.check_all_namespaces(node, &matching);
        }
        matching
    }

    /// A `match` that frees reviews.
    pub(super) fn exempting(&mut self, node: &Node) -> Match {
        let mut matching = Match::default();
        let Some(members) = node.members() else {
            self.finding(node, format!("`match` must be a map, it is {}", node.kind()));
            return matching;
        };
        for (key, value) in members {
            let name = key.as_text().unwrap_or_else(|| key.kind());
            let found = Key::ALL
                .into_iter()
                .find(|key| key.as_str() == name && key.holds_at(self.gate));
            match found {
                Some(key) => {
                    let patterns = self.patterns(key, value);
                    matching.lists.push((key, patterns));
                }
                None if name == NAMESPACE_SELECTOR && has_namespace_selector(self.gate) => {
                    matching.selector = self.selector("a namespaceSelector", value);
                }
                None => {
                    let message = no_key(name, self.gate);
                    self.finding(key, message);
                }
            }
        }
        self.check_kinds(node, &matching);
        matching
    }

    fn patterns(&mut self, key: Key, node: &Node) -> Vec<String> {
        let mut patterns = Vec::new();
        for item in self.list(key.as_str(), "strings", node) {
            let problem = match item.as_text() {
                None => Some(format!("`{key}` is a list of strings, this is {}", item.kind())),
                Some(text) => problem(key, self.gate, text),
            };
            match problem {
                Some(message) => self.finding(item, message),
                None => patterns.extend(item.as_text().map(str::to_owned)),
            }
        }
        patterns
    }

    /// A kind that is not in the table says nothing of its resource.
    fn check_kinds(&mut self, node: &Node, matching: &Match) {
        if matching.patterns(Key::Resources).is_some() {
            return;
        }
        let items = node
            .get(Key::Kinds.as_str())
            .and_then(Node::items)
            .unwrap_or_default();
        for item in items {
            let Some(pattern) = item.as_text() else { continue };
            let (group, kind) = kinds::split(pattern);
            if kinds::plural(group, kind).is_some() {
                continue;
            }
            let hint = match kinds::groups_of(kind).next() {
                Some(group) if pattern == kind => format!("did you mean `{group}/{kind}`?"),
                _ => "name its `resources` too".to_owned(),
            };
            self.finding(item, format!("`{pattern}` is no kind of Kubernetes' own: {hint}"));
        }
    }

    /// At authz a request without a namespace may be about all of them: a denial that lists some must judge it, too.
    fn check_all_namespaces(&mut self, node: &Node, matching: &Match) {
        let everywhere = |key: Key| {
            let patterns = matching.patterns(key)?;
            Some(patterns.iter().any(|pattern| glob::matches(pattern, "")))
        };
        let at = |key: Key| node.get(key.as_str()).unwrap_or(node).clone();
        if everywhere(Key::Namespaces) == Some(false) {
            let message = "`namespaces` of a policy that denies must list \"\" too, and the policy must judge requests \
                           without a namespace: they may be about all namespaces";
            self.finding(&at(Key::Namespaces), message);
        }
        if everywhere(Key::ExcludedNamespaces) == Some(true) {
            let message = "`excludedNamespaces` of a policy that denies must not list \"\": requests without a \
                           namespace may be about all namespaces";
            self.finding(&at(Key::ExcludedNamespaces), message);
        }
    }

    pub(in crate::policy::metadata) fn selector(&mut self, named: &str, node: &Node) -> Option<Selector> {
        let mut selector = Selector::default();
        for (key, value) in self.strict(named, node, &["matchLabels", "matchExpressions"]) {
            if key == "matchLabels" {
                self.match_labels(value, &mut selector);
            } else {
                let items = self.list("matchExpressions", "maps", value);
                let requirements = items.iter().filter_map(|item| self.requirement(item));
                selector.requirements.extend(requirements.collect::<Vec<_>>());
            }
        }
        Some(selector)
    }

    fn match_labels(&mut self, node: &Node, selector: &mut Selector) {
        let Some(members) = node.members() else {
            return self.finding(
                node,
                format!("`matchLabels` must be a map, it is {}", node.kind()),
            );
        };
        for (key, value) in members {
            match (key.as_text(), value.as_text()) {
                (Some(key), Some(value)) => selector.requirements.push(Requirement {
                    key: key.to_owned(),
                    operator: Operator::In(vec![value.to_owned()]),
                }),
                _ => self.finding(value, "labels and their values are strings"),
            }
        }
    }

    fn requirement(&mut self, node: &Node) -> Option<Requirement> {
        let (mut key, mut operator, mut values) = (None, None, Vec::new());
        for (name, value) in self.strict("an expression", node, &["key", "operator", "values"]) {
            match name {
                "key" => key = value.as_text().map(str::to_owned),
                "operator" => operator = value.as_text(),
                _ => {
                    let items = self.list("values", "strings", value);
                    values = items
                        .iter()
                        .filter_map(Node::as_text)
                        .map(str::to_owned)
                        .collect();
                    if values.len() != items.len() {
                        self.finding(value, "`values` is a list of strings");
                    }
                }
            }
        }
        let operator = match (operator, values.is_empty()) {
            (Some("In"), false) => Operator::In(values),
            (Some("NotIn"), false) => Operator::NotIn(values),
            (Some("Exists"), true) => Operator::Exists,
            (Some("DoesNotExist"), true) => Operator::DoesNotExist,
            _ => {
                self.finding(
                    node,
                    "`operator` is In or NotIn with `values`, or Exists or DoesNotExist without",
                );
                return None;
            }
        };
        if key.is_none() {
            self.finding(node, "an expression needs a `key`");
        }
        Some(Requirement { key: key?, operator })
    }
}

fn no_key(name: &str, gate: Gate) -> String {
    let selector = has_namespace_selector(gate).then_some(NAMESPACE_SELECTOR);
    let keys: Vec<&str> = Key::ALL
        .into_iter()
        .filter(|key| key.holds_at(gate))
        .map(Key::as_str)
        .chain(selector)
        .collect();
    match keys.is_empty() {
        true => format!("the {gate} gate has nothing to `match` on"),
        false => format!(
            "`{name}` is no key of `match` at the {gate} gate: it has {}",
            keys.join(", ")
        ),
    }
}

/// Why no review can ever have such a value, if so.
fn problem(key: Key, gate: Gate, pattern: &str) -> Option<String> {
    match key {
        Key::Operations if gate == Gate::Authz => pattern
            .chars()
            .any(char::is_uppercase)
            .then(|| format!("`{pattern}` is no verb: verbs are lower-case, as in get, list, create")),
        Key::Operations => (!OPERATIONS
            .iter()
            .any(|operation| glob::matches(pattern, operation)))
        .then(|| format!("`{pattern}` is no operation: one of {}", OPERATIONS.join(", "))),
        Key::Resources => {
            let parts: Vec<&str> = pattern.split('/').collect();
            let wrong = parts.len() > 2 || parts.iter().any(|part| part.is_empty());
            if wrong {
                return Some(format!(
                    "`{pattern}` is no resource: `pods`, `pods/exec`, `pods/*` or `*/*`"
                ));
            }
            pattern
                .chars()
                .any(char::is_uppercase)
                .then(|| format!("`{pattern}` is no resource: those are lower-case plurals like `pods`"))
        }
        Key::Kinds => {
            let (_, kind) = kinds::split(pattern);
            kind.is_empty()
                .then(|| format!("`{pattern}` is no kind: `Pod` or `apps/Deployment`"))
        }
        Key::Paths => {
            let inner = pattern.strip_suffix('*').unwrap_or(pattern);
            let fits = !inner.contains('*') && (inner.starts_with('/') || pattern == "*");
            (!fits).then(|| format!("`{pattern}` is no path: `/healthz`, `/api/*` or `*`"))
        }
        Key::ApiGroups
        | Key::Names
        | Key::Namespaces
        | Key::ExcludedNamespaces
        | Key::Users
        | Key::Groups
        | Key::ObjectKinds => None,
    }
}
