//! What Gatekeeper's `match` asks of the object under review, beside its kind and its namespace's labels.
//!
//! Read from constraints by `load/gatekeeper`, asked by [`Match::fits`](super::Match::fits). Always holds: what is written
//! matches if the object or the one that it replaces does, as in Gatekeeper, so that nobody walks out of a constraint
//! by changing a label.

use std::collections::BTreeMap;

use super::{Facts, Selector, glob};
use crate::policy::engine::Document;

/// Conditions on the object, all of which must hold for it or for the old one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Objects {
    /// `scope`
    pub scope: Scope,
    /// `namespaces`; empty: any. What is in none is always matched.
    pub namespaces: Vec<String>,
    /// `excludedNamespaces`. What is in none is never excluded.
    pub excluded: Vec<String>,
    /// `labelSelector`
    pub labels: Option<Selector>,
    /// `name`
    pub name: Option<String>,
}

/// `scope`: of whole clusters, of namespaces, or either.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Scope {
    /// `*`
    #[default]
    Any,
    /// `Cluster`; Namespaces among them.
    Cluster,
    /// `Namespaced`
    Namespaced,
}

/// An object under review, as far as conditions are about it.
struct Object {
    name: String,
    generate_name: String,
    /// A Namespace is in itself.
    namespace: String,
    labels: BTreeMap<String, String>,
}

impl Objects {
    /// Whether the review is about such an object.
    pub(super) fn fit(&self, facts: &Facts) -> bool {
        self.in_scope(facts) && objects(facts).any(|object| self.unmet(&object).is_none())
    }

    /// The key that the review does not fit, what the constraint has there, and what the review has.
    pub(in crate::policy) fn misfit(&self, facts: &Facts) -> Option<(&'static str, String, String)> {
        if !self.in_scope(facts) {
            return Some((
                "scope",
                format!("{:?}", self.scope),
                format!("namespace {:?}", facts.namespace),
            ));
        }
        if self.fit(facts) {
            return None;
        }
        match objects(facts).find_map(|object| self.unmet(&object)) {
            Some(unmet) => Some(unmet),
            None => Some(("match", "an object".to_owned(), "none".to_owned())),
        }
    }

    fn in_scope(&self, facts: &Facts) -> bool {
        let namespaced = !is_namespace(facts) && !facts.namespace.is_empty();
        match self.scope {
            Scope::Any => true,
            Scope::Cluster => !namespaced,
            Scope::Namespaced => namespaced,
        }
    }

    /// The first condition that does not hold for an object.
    fn unmet(&self, object: &Object) -> Option<(&'static str, String, String)> {
        let among = |patterns: &[String]| {
            let mut patterns = patterns.iter();
            patterns.any(|pattern| glob::matches(pattern, &object.namespace))
        };
        let unmet =
            |key, wanted: String, found: &dyn std::fmt::Debug| Some((key, wanted, format!("{found:?}")));
        let namespaced = !object.namespace.is_empty();
        if namespaced && !self.namespaces.is_empty() && !among(&self.namespaces) {
            return unmet("namespaces", format!("{:?}", self.namespaces), &object.namespace);
        }
        if namespaced && among(&self.excluded) {
            return unmet(
                "excludedNamespaces",
                format!("{:?}", self.excluded),
                &object.namespace,
            );
        }
        if let Some(name) = self.name.as_ref().filter(|name| !object.is_called(name)) {
            return unmet("name", format!("{name:?}"), &object.name);
        }
        let selector = self
            .labels
            .as_ref()
            .filter(|labels| !labels.selects(&object.labels))?;
        unmet("labelSelector", selector.to_string(), &object.labels)
    }
}

impl Object {
    fn is_called(&self, pattern: &str) -> bool {
        // Of a generated name only the beginning is known.
        let generated = !self.generate_name.is_empty() && pattern.ends_with('*');
        glob::matches(pattern, &self.name) || (generated && glob::matches(pattern, &self.generate_name))
    }
}

fn is_namespace(facts: &Facts) -> bool {
    let kind = facts.kind.as_ref();
    kind.is_some_and(|(group, kind)| group.is_empty() && kind == "Namespace")
}

/// The objects of a review.
fn objects(facts: &Facts) -> impl Iterator<Item = Object> {
    facts.objects.iter().map(|object| {
        let metadata = object.get("metadata").unwrap_or_else(Document::empty);
        let text = |key: &str| {
            let text = metadata.get(key);
            text.and_then(|text| text.as_str().map(str::to_owned))
                .unwrap_or_default()
        };
        Object {
            namespace: match is_namespace(facts) {
                true => text("name"),
                false => facts.namespace.clone(),
            },
            name: text("name"),
            generate_name: text("generateName"),
            labels: labels_of(&metadata),
        }
    })
}

/// Whether the labels of the object, or of the old one, are selected.
pub(in crate::policy) fn selects(selector: &Selector, facts: &Facts) -> bool {
    objects(facts).any(|object| selector.selects(&object.labels))
}

fn labels_of(metadata: &Document) -> BTreeMap<String, String> {
    let members = metadata.get("labels").and_then(|labels| labels.members());
    let texts = members.unwrap_or_default().into_iter();
    texts
        .filter_map(|(key, value)| Some((key.to_string(), value.as_str()?.to_owned())))
        .collect()
}

#[cfg(test)]
mod tests;
