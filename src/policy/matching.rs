//! `match`: which reviews a policy is about, decided before any Rego runs.
//!
//! A [`Match`] is what an author wrote under `match`; [`Facts`] is what a review says that can be matched on. Read from
//! METADATA and from `policies.settings` by [`super::metadata`], asked by the index of [`super::select`] and, for the
//! rules of webhook registrations, by `manifests`. Always holds: keys AND, values OR, an absent key matches all, an
//! empty list nothing.

pub mod kinds;
pub mod objects;
pub mod selector;

use std::fmt;

use super::engine::Document;
use super::glob;
use crate::gate::Gate;
use objects::Objects;
pub use selector::Selector;

/// A key of `match` whose value is a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Key {
    /// `apiGroups`: of the resource, `""` for the core group.
    ApiGroups,
    /// `resources`: as in webhook rules.
    Resources,
    /// `kinds`: main resources by `Kind` or `group/Kind`.
    Kinds,
    /// `operations`: of admission, or verbs at authz.
    Operations,
    /// `names`: `metadata.name`, else `generateName`.
    Names,
    /// `namespaces`: `""` for a review without one.
    Namespaces,
    /// `excludedNamespaces`
    ExcludedNamespaces,
    /// `users`: usernames.
    Users,
    /// `groups`: of the user.
    Groups,
    /// `paths`: of what is no resource.
    Paths,
    /// Gatekeeper's `kinds`: by the object's kind, whatever resource or subresource it comes as. No key of METADATA.
    ObjectKinds,
}

impl Key {
    /// All keys that METADATA can have.
    pub const ALL: [Key; 10] = [
        Key::ApiGroups,
        Key::Resources,
        Key::Kinds,
        Key::Operations,
        Key::Names,
        Key::Namespaces,
        Key::ExcludedNamespaces,
        Key::Users,
        Key::Groups,
        Key::Paths,
    ];

    /// The key as authors write it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Key::ApiGroups => "apiGroups",
            Key::Resources => "resources",
            Key::Kinds | Key::ObjectKinds => "kinds",
            Key::Operations => "operations",
            Key::Names => "names",
            Key::Namespaces => "namespaces",
            Key::ExcludedNamespaces => "excludedNamespaces",
            Key::Users => "users",
            Key::Groups => "groups",
            Key::Paths => "paths",
        }
    }

    /// Whether reviews of the gate have what the key is about.
    pub const fn holds_at(self, gate: Gate) -> bool {
        match gate {
            Gate::Authn => false,
            Gate::Image => matches!(self, Key::Namespaces | Key::ExcludedNamespaces),
            Gate::Authz => !matches!(self, Key::Kinds | Key::ObjectKinds),
            Gate::Mutate | Gate::Validate => !matches!(self, Key::Paths | Key::ObjectKinds),
        }
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// The key whose value is a label selector.
pub const NAMESPACE_SELECTOR: &str = "namespaceSelector";

/// Whether the gate's reviews are about something in a namespace whose labels can select.
pub const fn has_namespace_selector(gate: Gate) -> bool {
    matches!(gate, Gate::Image | Gate::Mutate | Gate::Validate)
}

/// What an author wrote under `match`, checked. The default matches everything.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Match {
    /// Each key at most once, with its patterns.
    pub lists: Vec<(Key, Vec<String>)>,
    /// `namespaceSelector`
    pub selector: Option<Selector>,
    /// What a constraint of Gatekeeper asks of the object.
    pub objects: Option<Objects>,
}

/// What a wildcard in a review, or a review for all namespaces, is taken for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// Of what can refuse: whatever the review might be about is matched, since a refusal must not be walked around.
    Wide,
    /// Of what only permits or exempts: only what is certainly meant is matched.
    Narrow,
}

/// What a review says that can be matched on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    /// The resource that is asked for; `None` for a path.
    pub resource: Option<Resource>,
    /// API group and kind of the object, at admission.
    pub kind: Option<(String, String)>,
    /// Operation of admission, verb at authz.
    pub operation: String,
    /// `metadata.name`, else `generateName`; empty where there is none.
    pub name: String,
    /// Empty for what is in none, and at authz for all of them.
    pub namespace: String,
    /// At authz no namespace may mean all namespaces.
    pub all_namespaces: bool,
    /// The username.
    pub user: String,
    /// The user's groups.
    pub groups: Vec<String>,
    /// The path of what is no resource.
    pub path: Option<String>,
    /// Labels and annotations of a Namespace that is itself under review.
    pub own_namespace: Option<super::namespaces::Namespace>,
    /// At admission the object, and the one that it replaces or that goes, as far as they are there.
    pub objects: Vec<Document>,
}

/// A resource as requests name it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Resource {
    /// API group, empty for the core group.
    pub group: String,
    /// Plural, `pods`.
    pub plural: String,
    /// `exec` of `pods/exec`, empty for the resource itself.
    pub subresource: String,
}

impl Match {
    /// Whether the review is one of those meant, by everything but its namespace's labels.
    pub fn fits(&self, facts: &Facts, reach: Reach) -> bool {
        self.misfit(facts, reach).is_none() && self.objects.as_ref().is_none_or(|objects| objects.fit(facts))
    }

    /// The first key whose patterns describe something else than the review.
    pub(super) fn misfit(&self, facts: &Facts, reach: Reach) -> Option<(Key, &[String])> {
        let mut lists = self.lists.iter();
        let found = lists.find(|(key, patterns)| !fits(*key, patterns, facts, reach));
        found.map(|(key, patterns)| (*key, patterns.as_slice()))
    }

    /// The patterns of a key, if it is there.
    pub fn patterns(&self, key: Key) -> Option<&[String]> {
        let found = self.lists.iter().find(|(have, _)| *have == key);
        found.map(|(_, patterns)| patterns.as_slice())
    }

    /// Whether it rules nothing out, written or not: `excludedNamespaces: []` and `namespaceSelector: {}` do not.
    pub fn fits_all(&self) -> bool {
        let all =
            |(key, patterns): &(Key, Vec<String>)| *key == Key::ExcludedNamespaces && patterns.is_empty();
        self.lists.iter().all(all)
            && self
                .selector
                .as_ref()
                .is_none_or(|selector| selector.requirements.is_empty())
            && self.objects.is_none()
    }

    /// Whether nothing was written.
    pub fn is_empty(&self) -> bool {
        self.lists.is_empty() && self.selector.is_none() && self.objects.is_none()
    }
}

/// The verbs that 1.36 asks for what was all `impersonate` before.
pub(super) const IMPERSONATE: &str = "impersonate";
const IMPERSONATE_FINER: [&str; 2] = ["impersonate:", "impersonate-on:"];

/// Whether a verb is a finer form of `impersonate`.
pub(super) fn is_impersonation(verb: &str) -> bool {
    IMPERSONATE_FINER.iter().any(|prefix| verb.starts_with(prefix))
}

fn fits(key: Key, patterns: &[String], facts: &Facts, reach: Reach) -> bool {
    let any = |value: &str| patterns.iter().any(|pattern| glob::matches(pattern, value));
    // A review that asks for everything is about whatever a refusal lists.
    let wild = |value: &str| reach == Reach::Wide && value == "*" && !patterns.is_empty();
    let everywhere = facts.all_namespaces && facts.namespace.is_empty();
    match key {
        Key::ApiGroups => facts
            .resource
            .as_ref()
            .is_some_and(|resource| any(&resource.group) || wild(&resource.group)),
        Key::Resources => facts.resource.as_ref().is_some_and(|resource| {
            wild(&resource.plural) || patterns.iter().any(|pattern| names(pattern, resource, reach))
        }),
        Key::Kinds => patterns.iter().any(|pattern| kinds::names(pattern, facts)),
        Key::ObjectKinds => patterns.iter().any(|pattern| kinds::is_of(pattern, facts)),
        Key::Operations => {
            let impersonation = || {
                is_impersonation(&facts.operation) && patterns.iter().any(|pattern| pattern == IMPERSONATE)
            };
            any(&facts.operation) || wild(&facts.operation) || impersonation()
        }
        Key::Names => facts.resource.is_some() && any(&facts.name),
        Key::Namespaces => (reach == Reach::Wide || !everywhere) && any(&facts.namespace),
        Key::ExcludedNamespaces => (reach == Reach::Wide || !everywhere) && !any(&facts.namespace),
        Key::Users => any(&facts.user),
        Key::Groups => facts.groups.iter().any(|group| any(group)),
        Key::Paths => facts.path.as_deref().is_some_and(any),
    }
}

/// Whether a pattern of `resources` describes the resource: `pods` is no subresource, `pods/*` both, `*/*` everything.
fn names(pattern: &str, resource: &Resource, reach: Reach) -> bool {
    match pattern.split_once('/') {
        None => resource.subresource.is_empty() && glob::matches(pattern, &resource.plural),
        Some((plural, subresource)) => {
            let wild = reach == Reach::Wide && resource.subresource == "*";
            glob::matches(plural, &resource.plural)
                && (wild || glob::matches(subresource, &resource.subresource))
        }
    }
}

#[cfg(test)]
mod tests;
