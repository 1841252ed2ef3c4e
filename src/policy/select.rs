//! Which policies are asked about a review, found before any Rego runs.
//!
//! One index per gate, built with the set. Each policy is filed once, under the values of that key of its `match` which
//! the fewest policies share; a review looks up its own values and checks what it finds. So a policy that does not match
//! costs nothing, however many there are. Always holds: the answer is that of asking every policy's `match` in turn.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use super::Policy;
use super::glob;
use super::matching::{
    Facts, IMPERSONATE, Key, Match, NAMESPACE_SELECTOR, Reach, is_impersonation, kinds, objects,
};
use super::metadata::Exception;
use super::namespaces::{Namespace, Unknown};

/// A policy that matches a review.
#[derive(Clone, Debug)]
pub struct Selected<'a> {
    /// The policy.
    pub policy: &'a Policy,
    /// The exception that frees the review of it.
    pub exception: Option<&'a Exception>,
    /// Why it cannot be known whether it matches: the policy is at fault then, not skipped.
    pub unknown: Option<Unknown>,
}

/// The Namespace of the review; `None` for what is in none.
pub type NamespaceOf<'a> = &'a dyn Fn() -> Result<Option<Arc<Namespace>>, Unknown>;

/// The policies of one gate, by what their `match` names.
#[derive(Debug, Default)]
pub(super) struct GateIndex {
    /// All that can match anything, in the order in which they are asked.
    all: Vec<usize>,
    /// Those without a key that narrows.
    everywhere: Vec<usize>,
    shelves: Vec<(Key, Shelf)>,
}

/// Policies under the values of one key.
#[derive(Debug, Default)]
struct Shelf {
    exact: HashMap<String, Vec<usize>>,
    /// By what stands before the first `*`.
    prefixes: HashMap<String, Vec<usize>>,
    /// The lengths of those, in bytes.
    lengths: BTreeSet<usize>,
}

/// Keys by which policies can be found. Exclusion finds nothing.
const FINDING: [Key; 10] = [
    Key::ApiGroups,
    Key::Resources,
    Key::Kinds,
    Key::Operations,
    Key::Names,
    Key::Namespaces,
    Key::Users,
    Key::Groups,
    Key::Paths,
    Key::ObjectKinds,
];

/// A value that a review must have, or must begin with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Anchor<'a> {
    Exact(&'a str),
    Prefix(&'a str),
}

fn anchor(key: Key, pattern: &str) -> Anchor<'_> {
    let part = match key {
        Key::Resources => pattern.split_once('/').map_or(pattern, |(plural, _)| plural),
        Key::Kinds | Key::ObjectKinds => kinds::split(pattern).1,
        _ => pattern,
    };
    glob::prefix(part).map_or(Anchor::Exact(part), Anchor::Prefix)
}

/// The values of a review that a key is looked up by.
fn values(key: Key, facts: &Facts) -> Vec<&str> {
    let resource = facts.resource.as_ref();
    match key {
        Key::ApiGroups => resource
            .map(|resource| resource.group.as_str())
            .into_iter()
            .collect(),
        Key::Resources => resource
            .map(|resource| resource.plural.as_str())
            .into_iter()
            .collect(),
        Key::Kinds | Key::ObjectKinds => facts.kind.iter().map(|(_, kind)| kind.as_str()).collect(),
        Key::Operations if is_impersonation(&facts.operation) => vec![&facts.operation, IMPERSONATE],
        Key::Operations => vec![&facts.operation],
        Key::Names => vec![&facts.name],
        Key::Namespaces => vec![&facts.namespace],
        Key::Users => vec![&facts.user],
        Key::Groups => facts.groups.iter().map(String::as_str).collect(),
        Key::Paths => facts.path.as_deref().into_iter().collect(),
        Key::ExcludedNamespaces => Vec::new(),
    }
}

/// Whether a review asks for everything of some kind, so that looking up its values finds too little.
fn is_wild(facts: &Facts) -> bool {
    let resource = facts.resource.as_ref();
    facts.operation == "*" || resource.is_some_and(|resource| resource.group == "*" || resource.plural == "*")
}

/// The lists of all of a policy's matches that it can be found by.
fn lists(policy: &Policy) -> impl Iterator<Item = (Key, &[String])> {
    policy
        .matching
        .iter()
        .flat_map(|matching| &matching.lists)
        .filter(|(key, _)| FINDING.contains(key))
        .map(|(key, patterns)| (*key, patterns.as_slice()))
}

impl GateIndex {
    /// Files the policies with these places, which are in the order in which they are asked.
    pub(super) fn build<'a>(policies: impl Iterator<Item = (usize, &'a Policy)> + Clone) -> Self {
        let mut shared: HashMap<(Key, Anchor<'a>), usize> = HashMap::new();
        for (_, policy) in policies.clone() {
            for (key, patterns) in lists(policy) {
                for pattern in patterns {
                    *shared.entry((key, anchor(key, pattern))).or_default() += 1;
                }
            }
        }
        let mut index = GateIndex::default();
        for (place, policy) in policies {
            if lists(policy).any(|(_, patterns)| patterns.is_empty()) {
                continue;
            }
            index.all.push(place);
            let company = |(key, patterns): &(Key, &[String])| -> usize {
                let count = |pattern: &String| match anchor(*key, pattern) {
                    // What begins with a `*` is found by any value: as if shared by all.
                    Anchor::Prefix("") => usize::MAX / 2,
                    found => shared.get(&(*key, found)).copied().unwrap_or_default(),
                };
                patterns.iter().map(count).fold(0, usize::saturating_add)
            };
            match lists(policy).min_by_key(company) {
                Some((key, patterns)) => index.file(place, key, patterns),
                None => index.everywhere.push(place),
            }
        }
        index
    }

    fn file(&mut self, place: usize, key: Key, patterns: &[String]) {
        let at = self.shelves.iter().position(|(have, _)| *have == key);
        let at = at.unwrap_or_else(|| {
            self.shelves.push((key, Shelf::default()));
            self.shelves.len() - 1
        });
        let Some((_, shelf)) = self.shelves.get_mut(at) else {
            return;
        };
        for pattern in patterns {
            let places = match anchor(key, pattern) {
                Anchor::Exact(value) => shelf.exact.entry(value.to_owned()).or_default(),
                Anchor::Prefix(value) => {
                    shelf.lengths.insert(value.len());
                    shelf.prefixes.entry(value.to_owned()).or_default()
                }
            };
            places.push(place);
        }
    }

    /// The places of all policies that may match, in order: every one that does is among them.
    pub(super) fn candidates(&self, facts: &Facts) -> Vec<usize> {
        if is_wild(facts) {
            return self.all.clone();
        }
        let mut found = self.filed(facts);
        found.sort_unstable();
        found.dedup();
        found
    }

    /// What is filed under the review's values. Each value and each beginning is looked up once: whoever may ask what others
    /// may do can name one group a hundred thousand times.
    fn filed(&self, facts: &Facts) -> Vec<usize> {
        let mut found = self.everywhere.clone();
        for (key, shelf) in &self.shelves {
            let values: BTreeSet<&str> = values(*key, facts).into_iter().collect();
            found.extend(
                values
                    .iter()
                    .filter_map(|value| shelf.exact.get(*value))
                    .flatten(),
            );
            let beginnings = values
                .iter()
                .flat_map(|value| shelf.lengths.iter().filter_map(|length| value.get(..*length)));
            let known: BTreeSet<&str> = beginnings
                .filter(|beginning| shelf.prefixes.contains_key(*beginning))
                .collect();
            found.extend(
                known
                    .iter()
                    .filter_map(|beginning| shelf.prefixes.get(*beginning))
                    .flatten(),
            );
        }
        found
    }
}

/// How far a policy's `match` reaches: a refusal must not be walked around.
fn reach_of(policy: &Policy) -> Reach {
    if policy.has("deny") {
        Reach::Wide
    } else {
        Reach::Narrow
    }
}

/// The part of a policy's `match` that a review is not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Misfit {
    /// The key of `match`.
    pub key: &'static str,
    /// What the policy has there.
    pub wanted: String,
    /// What the review has there.
    pub found: String,
}

/// The first part of a policy's `match` that keeps it from being asked about a review; `None` if nothing does.
pub(super) fn misfit(policy: &Policy, facts: &Facts, namespace: NamespaceOf<'_>) -> Option<Misfit> {
    let reach = reach_of(policy);
    let lists = policy
        .matching
        .iter()
        .find_map(|matching| matching.misfit(facts, reach));
    if let Some((key, patterns)) = lists {
        return Some(Misfit {
            key: key.as_str(),
            wanted: listed(patterns.iter().map(String::as_str)),
            found: found(key, facts),
        });
    }
    let objects = policy
        .matching
        .iter()
        .filter_map(|matching| matching.objects.as_ref());
    if let Some((key, wanted, found)) = objects.into_iter().find_map(|objects| objects.misfit(facts)) {
        return Some(Misfit { key, wanted, found });
    }
    let selectors = policy.matching.iter().find_map(|matching| {
        let selected = selects(matching, facts, namespace, Reach::Wide);
        matching.selector.as_ref().filter(|_| selected == Ok(false))
    });
    let labels = || match namespace() {
        Ok(Some(namespace)) => namespace
            .labels
            .iter()
            .map(|(key, value)| format!("{key}={value}"))
            .collect(),
        _ => Vec::new(),
    };
    selectors.map(|selector| Misfit {
        key: NAMESPACE_SELECTOR,
        wanted: selector.to_string(),
        found: listed(labels().iter().map(String::as_str)),
    })
}

/// What a review has that a key is about.
fn found(key: Key, facts: &Facts) -> String {
    let none = || "none".to_owned();
    let one = |text: &str| format!("\"{text}\"");
    match (key, &facts.resource) {
        (Key::Resources, Some(resource)) => one(&match resource.subresource.as_str() {
            "" => resource.plural.clone(),
            subresource => format!("{}/{subresource}", resource.plural),
        }),
        (Key::Kinds | Key::ObjectKinds, _) => {
            facts
                .kind
                .as_ref()
                .map_or_else(none, |(group, kind)| match group.as_str() {
                    "" => one(kind),
                    group => one(&format!("{group}/{kind}")),
                })
        }
        (Key::Namespaces | Key::ExcludedNamespaces, _)
            if facts.all_namespaces && facts.namespace.is_empty() =>
        {
            "all namespaces".to_owned()
        }
        (Key::ExcludedNamespaces, _) => one(&facts.namespace),
        (Key::Groups, _) => listed(values(key, facts).into_iter()),
        (Key::Operations, _) => one(&facts.operation),
        _ => values(key, facts).first().map_or_else(none, |text| one(text)),
    }
}

fn listed<'t>(texts: impl Iterator<Item = &'t str>) -> String {
    let texts: Vec<String> = texts.map(|text| format!("\"{text}\"")).collect();
    format!("[{}]", texts.join(", "))
}

/// What to do with a policy for a review, if it matches.
pub(super) fn judge<'a>(
    policy: &'a Policy,
    facts: &Facts,
    now_ns: i64,
    namespace: NamespaceOf<'_>,
) -> Option<Selected<'a>> {
    let reach = reach_of(policy);
    if !policy.matching.iter().all(|matching| matching.fits(facts, reach)) {
        return None;
    }
    let fault = |unknown| {
        Some(Selected {
            policy,
            exception: None,
            unknown: Some(unknown),
        })
    };
    for matching in &policy.matching {
        match selects(matching, facts, namespace, Reach::Wide) {
            Ok(true) => {}
            Ok(false) => return None,
            Err(unknown) => return fault(unknown),
        }
    }
    let live = |exception: &&Exception| {
        exception
            .until
            .as_ref()
            .is_none_or(|until| !until.is_over(now_ns))
            && exception.matching.fits(facts, Reach::Narrow)
    };
    for exception in policy.exceptions.iter().filter(live) {
        match selects(&exception.matching, facts, namespace, Reach::Narrow) {
            Ok(true) => {
                return Some(Selected {
                    policy,
                    exception: Some(exception),
                    unknown: None,
                });
            }
            Ok(false) => {}
            Err(unknown) => return fault(unknown),
        }
    }
    Some(Selected {
        policy,
        exception: None,
        unknown: None,
    })
}

/// Whether the labels of the review's Namespace are selected. What is in none is always asked about, as for webhooks, and
/// never freed: it has no labels that somebody could have meant.
fn selects(
    matching: &Match,
    facts: &Facts,
    namespace: NamespaceOf<'_>,
    reach: Reach,
) -> Result<bool, Unknown> {
    let Some(selector) = &matching.selector else {
        return Ok(true);
    };
    if matching.objects.is_some() && facts.own_namespace.is_some() {
        return Ok(objects::selects(selector, facts));
    }
    Ok(match namespace()? {
        Some(namespace) => selector.selects(&namespace.labels),
        None => reach == Reach::Wide,
    })
}

#[cfg(test)]
mod tests;
