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

impl Objects {
    /// Whether the review is about such an object.
    pub(super) fn fit(&self, facts: &Facts) -> bool {
        let is_namespace = facts
            .kind
            .as_ref()
            .is_some_and(|(group, kind)| group.is_empty() && kind == "Namespace");
        let namespaced = !is_namespace && !facts.namespace.is_empty();
        let in_scope = match self.scope {
            Scope::Any => true,
            Scope::Cluster => !namespaced,
            Scope::Namespaced => namespaced,
        };
        in_scope
            && facts
                .objects
                .iter()
                .any(|object| self.fits(object, is_namespace, facts))
    }

    fn fits(&self, object: &Document, is_namespace: bool, facts: &Facts) -> bool {
        let metadata = object.get("metadata").unwrap_or_else(Document::empty);
        let text = |key: &str| {
            let text = metadata.get(key);
            text.and_then(|text| text.as_str().map(str::to_owned))
                .unwrap_or_default()
        };
        // A Namespace is in itself.
        let namespace = match is_namespace {
            true => text("name"),
            false => facts.namespace.clone(),
        };
        let any = |patterns: &[String]| patterns.iter().any(|pattern| glob::matches(pattern, &namespace));
        let in_namespace = namespace.is_empty()
            || ((self.namespaces.is_empty() || any(&self.namespaces)) && !any(&self.excluded));
        let named = self.name.as_ref().is_none_or(|pattern| {
            let generated = text("generateName");
            glob::matches(pattern, &text("name"))
                // Only how the name will begin is known.
                || (!generated.is_empty() && pattern.ends_with('*') && glob::matches(pattern, &generated))
        });
        in_namespace
            && named
            && self
                .labels
                .as_ref()
                .is_none_or(|labels| labels.selects(&labels_of(&metadata)))
    }
}

/// Whether the labels of the object, or of the old one, are selected.
pub(in crate::policy) fn selects(selector: &Selector, facts: &Facts) -> bool {
    facts.objects.iter().any(|object| {
        let metadata = object.get("metadata").unwrap_or_else(Document::empty);
        selector.selects(&labels_of(&metadata))
    })
}

fn labels_of(metadata: &Document) -> BTreeMap<String, String> {
    let members = metadata.get("labels").and_then(|labels| labels.members());
    members
        .unwrap_or_default()
        .into_iter()
        .filter_map(|(key, value)| Some((key.to_string(), value.as_str()?.to_owned())))
        .collect()
}

#[cfg(test)]
mod tests;
