//! Which policies the exclusions of a registration cut: what a policy's `match` means and the API server never asks.
//!
//! Every cut is told, since an exclusion that nobody knows of is a policy that nobody enforces; a policy that is cut
//! whole makes the command end with 1. The exclusions themselves are those of [`super::exempt`].

use std::collections::BTreeMap;

use super::exempt;
use super::request::Request;
use super::rules::{Asked, Target, Wanted, asked};
use crate::policy::glob;
use crate::policy::matching::{Key, Selector};

/// The label with a namespace's own name.
const NAME: &str = "kubernetes.io/metadata.name";
/// What every node's username begins with.
const NODE: &str = "system:node:";

/// What exclusions take away.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cuts {
    /// What is never asked, and the policies that are about it among others.
    pub(super) partly: Vec<String>,
    /// Policies that are about nothing else: nobody enforces them.
    pub whole: Vec<String>,
}

/// What the exclusions of a registration take from its policies.
pub fn cuts(request: &Request) -> Cuts {
    let mut partly: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut cuts = Cuts::default();
    for wanted in request.admission() {
        let asked = asked(wanted);
        if asked.all().next().is_none() {
            cuts.whole.extend(never_asked(request, wanted, &asked));
            continue;
        }
        let exclusions = exclusions(request, wanted, &asked);
        if let Some((what, _)) = exclusions.iter().find(|(_, whole)| *whole) {
            cuts.whole.push(format!(
                "{wanted}: nobody enforces it: its `match` is about nothing but {what}, and admission is never asked \
                 about that"
            ));
            continue;
        }
        for (what, _) in exclusions {
            partly.entry(what).or_default().push(wanted.to_string());
        }
    }
    let told = |(what, policies): (String, Vec<String>)| {
        format!("never asked about {what}: {}", policies.join(", "))
    };
    cuts.partly = partly.into_iter().map(told).collect();
    cuts
}

/// What to say of a policy that no rule asks about, unless it says so itself.
fn never_asked(request: &Request, wanted: &Wanted, asked: &Asked) -> Option<String> {
    let why = match asked.vague {
        // It may be what --rule is there for.
        true if !request.rules.is_empty() => return None,
        true => {
            "its `match` names no `resources`, and none of its API groups: name them, or add them with --rule"
        }
        false => "the keys of its `match` rule each other out",
    };
    (!wanted.fits_nothing()).then(|| format!("{wanted}: nobody enforces it: {why}"))
}

/// What is never asked of that which the policy is about, and whether it is about nothing else.
fn exclusions(request: &Request, wanted: &Wanted, asked: &Asked) -> Vec<(String, bool)> {
    let mut found = namespaces(request, wanted);
    if may_be(wanted, Key::Groups, exempt::NODES) {
        let whole = only(wanted, Key::Groups, |pattern| pattern == exempt::NODES)
            || only(wanted, Key::Users, |pattern| pattern.starts_with(NODE));
        found.push((format!("the group {}", exempt::NODES), whole));
    }
    let own = request.own_user();
    for user in own.iter().filter(|user| may_be(wanted, Key::Users, user)) {
        let whole = only(wanted, Key::Users, |pattern| pattern == user);
        found.push((format!("the user {user}"), whole));
    }
    found.extend(resources(asked));
    found
}

/// The namespaces that are never asked about: all at once if it is about no other, else one exclusion each.
fn namespaces(request: &Request, wanted: &Wanted) -> Vec<(String, bool)> {
    let mut names = request.excluded_namespaces();
    let whole = only(wanted, Key::Namespaces, |pattern| names.contains(pattern));
    names.retain(|name| may_be_in(wanted, name));
    if whole && !names.is_empty() {
        let names: Vec<String> = names.into_iter().collect();
        return vec![(format!("the namespace {}", names.join(", ")), true)];
    }
    let told = names
        .into_iter()
        .map(|name| (format!("the namespace {name}"), false));
    told.collect()
}

/// The resources that are never asked about, as one exclusion.
fn resources(asked: &Asked) -> Vec<(String, bool)> {
    let is_exempt = |target: &Target| target.is_one() && exempt::is_exempt(&target.group, &target.resource);
    let whole = asked.all().all(|(target, _)| is_exempt(target));
    let excluded = exempt::resources().filter(|(group, resource)| {
        let one = Target {
            group: (*group).to_owned(),
            resource: (*resource).to_owned(),
        };
        asked.all().any(|(target, _)| target.covers(&one))
    });
    let access_reviews = asked.all().map(|(target, _)| target).filter(|target| {
        is_exempt(target)
            && !exempt::resources().any(|one| one == (target.group.as_str(), target.resource.as_str()))
    });
    let named = excluded.map(|(group, resource)| format!("{group}/{resource}"));
    let named: Vec<String> = named
        .chain(access_reviews.map(|target| format!("{}/{}", target.group, target.resource)))
        .collect();
    if named.is_empty() {
        return Vec::new();
    }
    vec![(named.join(", "), whole)]
}

/// Whether a review with this value can fit.
fn may_be(wanted: &Wanted, key: Key, value: &str) -> bool {
    let lists = wanted.lists(key);
    lists
        .iter()
        .all(|list| list.iter().any(|pattern| glob::matches(pattern, value)))
}

/// Whether one list says that nothing else can fit.
fn only(wanted: &Wanted, key: Key, excluded: impl Fn(&str) -> bool) -> bool {
    wanted
        .lists(key)
        .iter()
        .any(|list| !list.is_empty() && list.iter().all(|pattern| excluded(pattern)))
}

/// Whether something in this namespace can fit.
fn may_be_in(wanted: &Wanted, namespace: &str) -> bool {
    let excluded = wanted.lists(Key::ExcludedNamespaces);
    let is_excluded = excluded
        .iter()
        .any(|list| list.iter().any(|pattern| glob::matches(pattern, namespace)));
    let labels = [(NAME.to_owned(), namespace.to_owned())].into();
    let selectors = wanted
        .matching
        .iter()
        .filter_map(|matching| matching.selector.as_ref());
    // Of the other labels nothing is known here.
    let selected = selectors
        .flat_map(|selector| &selector.requirements)
        .filter(|requirement| requirement.key == NAME)
        .all(|requirement| {
            let alone = Selector {
                requirements: vec![requirement.clone()],
            };
            alone.selects(&labels)
        });
    may_be(wanted, Key::Namespaces, namespace) && !is_excluded && selected
}
