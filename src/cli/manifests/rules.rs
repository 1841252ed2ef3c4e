//! Rules of admission from the policies' `match`: what the API server must ask for, so that no policy is left out.
//!
//! Asked by [`super::admission`] for the webhooks' rules and by [`super::cut`] for what exclusions take away. Always
//! holds: every review that a policy's `match` fits is asked for by its rules, unless the policy is vague: where only
//! `*/*` would do, which nothing here ever writes, it gets what policies usually are about, and the operator is told.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::{self, Display};

use crate::gate::Gate;
use crate::policy::matching::{Facts, Key, Match, Reach, Resource, kinds};
use crate::policy::{Policy, glob};

/// The operations of admission, in the order in which they are written.
pub(super) const OPERATIONS: [&str; 4] = ["CREATE", "UPDATE", "DELETE", "CONNECT"];
/// What a policy that names no operations either is usually about.
const USUAL_OPERATIONS: [&str; 2] = ["CREATE", "UPDATE"];
/// What a policy that names no resources is usually about. All of these have a version v1 and no other.
const USUAL_GROUPS: [&str; 3] = ["", "apps", "batch"];

/// What is connected to, always a subresource of the core group: a policy on CONNECT that names no resources is about
/// these.
const CONNECTED: [&str; 6] = [
    "nodes/proxy",
    "pods/attach",
    "pods/exec",
    "pods/portforward",
    "pods/proxy",
    "services/proxy",
];

/// What a policy of admission wants to be asked about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// Mutate or validate.
    pub gate: Gate,
    /// The policy's name.
    pub name: String,
    /// All of these must fit a review.
    pub matching: Vec<Match>,
}

impl Wanted {
    /// What the policy wants, if it is one of admission.
    pub fn of(policy: &Policy) -> Option<Self> {
        matches!(policy.gate, Gate::Mutate | Gate::Validate).then(|| Wanted {
            gate: policy.gate,
            name: policy.name.clone(),
            matching: policy.matching.clone(),
        })
    }

    /// The lists of a key; a review must fit each of them.
    pub(super) fn lists(&self, key: Key) -> Vec<&[String]> {
        self.matching
            .iter()
            .filter_map(|matching| matching.patterns(key))
            .collect()
    }

    /// Whether an empty list says that no review fits.
    pub(super) fn fits_nothing(&self) -> bool {
        let lists = self.matching.iter().flat_map(|matching| &matching.lists);
        lists
            .filter(|(key, _)| *key != Key::ExcludedNamespaces)
            .any(|(_, patterns)| patterns.is_empty())
    }
}

impl Display for Wanted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.gate, self.name)
    }
}

/// An API group and a resource, in the words of webhook rules: `*` for any group, any resource, any subresource.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Target {
    pub(super) group: String,
    pub(super) resource: String,
}

impl Target {
    fn new(group: &str, resource: &str) -> Self {
        Target {
            group: group.to_owned(),
            resource: resource.to_owned(),
        }
    }

    /// Resource and subresource.
    fn parts(&self) -> (&str, &str) {
        self.resource.split_once('/').unwrap_or((&self.resource, ""))
    }

    /// Whether it means one resource and no other.
    pub(super) fn is_one(&self) -> bool {
        self.group != "*" && !self.resource.contains('*')
    }

    /// Whether whatever the other means is meant by this one, too.
    pub(super) fn covers(&self, other: &Target) -> bool {
        let ((plural, sub), (other_plural, other_sub)) = (self.parts(), other.parts());
        let either = |wide: &str, narrow: &str| wide == "*" || wide == narrow;
        either(&self.group, &other.group) && either(plural, other_plural) && either(sub, other_sub)
    }

    /// Whether it is as good as everything.
    fn is_vague(&self) -> bool {
        self.resource == "*/*" || (self.group == "*" && self.resource == "*")
    }

    /// Whether a `match` can fit any of it, as far as its resources tell.
    fn may_fit(&self, matching: &Match) -> bool {
        let (plural, subresource) = self.parts();
        let facts = Facts {
            resource: Some(Resource {
                group: self.group.clone(),
                plural: plural.to_owned(),
                subresource: subresource.to_owned(),
            }),
            ..Facts::default()
        };
        let keys = [(Key::ApiGroups, &self.group), (Key::Resources, &self.resource)];
        let told = keys.into_iter().filter(|(_, text)| !text.contains('*'));
        let lists = told.filter_map(|(key, _)| Some((key, matching.patterns(key)?.to_vec())));
        let named = Match {
            lists: lists.collect(),
            ..Match::default()
        };
        named.fits(&facts, Reach::Narrow)
    }
}

/// What the API server is to ask for one policy.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Asked {
    /// Operations by what they are done to.
    pub(super) targets: BTreeMap<Target, Vec<&'static str>>,
    /// What stands for the resources that the policy does not name.
    pub(super) instead: BTreeMap<Target, Vec<&'static str>>,
    /// Whether the policy names no resources, or too many.
    pub(super) vague: bool,
}

impl Asked {
    /// Everything that is asked for.
    pub(super) fn all(&self) -> impl Iterator<Item = (&Target, &Vec<&'static str>)> {
        self.targets.iter().chain(&self.instead)
    }
}

/// What the API server is to ask for a policy.
pub(super) fn asked(wanted: &Wanted) -> Asked {
    if wanted.fits_nothing() {
        return Asked::default();
    }
    let lists = wanted.lists(Key::Operations);
    let fits = |operation: &&str| {
        lists
            .iter()
            .all(|list| list.iter().any(|pattern| glob::matches(pattern, operation)))
    };
    let operations: Vec<&str> = OPERATIONS.into_iter().filter(fits).collect();
    let usual = if lists.is_empty() {
        USUAL_OPERATIONS.to_vec()
    } else {
        operations.clone()
    };
    if operations.is_empty() {
        return Asked::default();
    }
    let (vague, told): (BTreeSet<_>, BTreeSet<_>) = targets(wanted).into_iter().partition(Target::is_vague);
    let connects = usual.contains(&"CONNECT");
    let instead = vague
        .iter()
        .flat_map(|target| usual_targets(wanted, target, connects));
    Asked {
        vague: !vague.is_empty(),
        instead: instead.map(|target| (target, usual.clone())).collect(),
        targets: told
            .into_iter()
            .map(|target| (target, operations.clone()))
            .collect(),
    }
}

/// What the policy's kinds, groups and resources mean: of several lists the narrowest, less what the others rule out.
fn targets(wanted: &Wanted) -> BTreeSet<Target> {
    let kinds = [Key::Kinds, Key::ObjectKinds].map(|key| wanted.lists(key));
    let by_kind = kinds
        .into_iter()
        .flatten()
        .filter_map(of_kinds)
        .min_by_key(BTreeSet::len);
    let mut targets = by_kind.unwrap_or_else(|| by_name(wanted));
    targets.retain(|target| wanted.matching.iter().all(|matching| target.may_fit(matching)));
    targets
}

/// The resources of kinds that the table of kinds knows, all of them.
fn of_kinds(patterns: &[String]) -> Option<BTreeSet<Target>> {
    let mut targets = BTreeSet::new();
    for pattern in patterns {
        let (group, kind) = kinds::split(pattern);
        let plural = kinds::plural(group, kind)?;
        targets.insert(Target::new(group, plural));
        if (group, kind) == ("", "Pod") {
            targets.extend(parts_of_pods());
        }
    }
    Some(targets)
}

/// The subresources that change a Pod's containers.
fn parts_of_pods() -> impl Iterator<Item = Target> {
    kinds::POD_SUBRESOURCES
        .iter()
        .map(|subresource| Target::new("", &format!("pods/{subresource}")))
}

/// The resources that groups and resources name together.
fn by_name(wanted: &Wanted) -> BTreeSet<Target> {
    let words = |key: Key, any: &str, word: fn(&str) -> String| -> BTreeSet<String> {
        let lists = wanted.lists(key).into_iter();
        let lists = lists.map(|list| list.iter().map(|pattern| word(pattern)).collect::<BTreeSet<_>>());
        let width =
            |list: &BTreeSet<String>| (list.iter().filter(|word| word.contains('*')).count(), list.len());
        lists
            .min_by_key(width)
            .unwrap_or_else(|| BTreeSet::from([any.to_owned()]))
    };
    let groups = words(Key::ApiGroups, "*", any_run);
    let resources = words(Key::Resources, "*/*", |pattern| match pattern.split_once('/') {
        Some((plural, subresource)) => format!("{}/{}", any_run(plural), any_run(subresource)),
        None => any_run(pattern),
    });
    let pairs = groups
        .iter()
        .flat_map(|group| resources.iter().map(move |resource| Target::new(group, resource)));
    pairs.collect()
}

/// Webhook rules have no `*` within a word.
fn any_run(pattern: &str) -> String {
    let word = if pattern.contains('*') { "*" } else { pattern };
    word.to_owned()
}

/// What is asked for instead of everything.
fn usual_targets(wanted: &Wanted, vague: &Target, connects: bool) -> BTreeSet<Target> {
    let groups = USUAL_GROUPS.iter().copied();
    let groups: Vec<&str> = match vague.group.as_str() {
        "*" => groups.collect(),
        group => vec![group],
    };
    let mut targets: BTreeSet<Target> = groups.iter().map(|group| Target::new(group, "*")).collect();
    if groups.contains(&"") {
        // `*` is without subresources; these would else be a way around every policy on Pods.
        targets.extend(parts_of_pods());
        let connected = CONNECTED.iter().filter(|_| connects);
        targets.extend(connected.map(|resource| Target::new("", resource)));
    }
    targets.retain(|target| wanted.matching.iter().all(|matching| target.may_fit(matching)));
    targets
}

/// A rule as webhook configurations have it: each operation on each resource of each group.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct WebhookRule {
    pub(super) operations: Vec<&'static str>,
    pub(super) groups: Vec<String>,
    pub(super) version: &'static str,
    pub(super) resources: Vec<String>,
}

/// The rules that ask for all of these policies; where there is none, for what policies usually are about.
pub(super) fn rules<'a>(wanted: impl Iterator<Item = &'a Wanted>) -> Vec<WebhookRule> {
    let mut wanted = wanted.map(asked).peekable();
    if wanted.peek().is_none() {
        let nothing_known = Wanted {
            gate: Gate::Validate,
            name: String::new(),
            matching: Vec::new(),
        };
        return written(&[asked(&nothing_known)]);
    }
    written(&wanted.collect::<Vec<_>>())
}

fn written(asked: &[Asked]) -> Vec<WebhookRule> {
    let mut all: BTreeMap<&Target, BTreeSet<&str>> = BTreeMap::new();
    for (target, operations) in asked.iter().flat_map(Asked::all) {
        all.entry(target).or_default().extend(operations);
    }
    let is_covered = |target: &Target, operations: &BTreeSet<&str>| {
        all.iter()
            .any(|(other, theirs)| *other != target && other.covers(target) && theirs.is_superset(operations))
    };
    // The API server refuses a rule in which one resource is part of another.
    let mut by_group: BTreeMap<(Vec<&'static str>, &str), Vec<String>> = BTreeMap::new();
    for (target, operations) in &all {
        if !is_covered(target, operations) {
            let key = (in_words(operations), target.group.as_str());
            by_group.entry(key).or_default().push(target.resource.clone());
        }
    }
    let mut by_resources: BTreeMap<_, Vec<String>> = BTreeMap::new();
    for ((operations, group), resources) in by_group {
        by_resources
            .entry((operations, version(group), resources))
            .or_default()
            .push(group.to_owned());
    }
    by_resources
        .into_iter()
        .map(|((operations, version, resources), groups)| WebhookRule {
            operations,
            groups,
            version,
            resources,
        })
        .collect()
}

/// Where v1 is all there is, matchPolicy Equivalent converts what another version may bring: policies see one shape.
fn version(group: &str) -> &'static str {
    if USUAL_GROUPS.contains(&group) { "v1" } else { "*" }
}

fn in_words(operations: &BTreeSet<&str>) -> Vec<&'static str> {
    let named: Vec<_> = OPERATIONS
        .into_iter()
        .filter(|operation| operations.contains(operation))
        .collect();
    if named.len() == OPERATIONS.len() {
        vec!["*"]
    } else {
        named
    }
}

/// What the operator should know of how these policies are asked.
pub(super) fn warnings<'a>(wanted: impl Iterator<Item = &'a Wanted>) -> Vec<String> {
    let mut instead: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut everything = Vec::new();
    for one in wanted {
        let asked = asked(one);
        if asked.vague {
            let text = in_short(&asked.instead);
            instead.entry(text).or_default().push(one.to_string());
        }
        if !asked.targets.is_empty() && one.lists(Key::Operations).is_empty() {
            everything.push(one.to_string());
        }
    }
    let vague = instead.into_iter().map(|(text, policies)| {
        format!(
            "{}: no `match` that names `resources` (or `kinds`), so admission asks for {text}; name them, or add \
             others with --rule",
            policies.join(", ")
        )
    });
    let everything = (!everything.is_empty()).then(|| {
        format!(
            "{}: no `match` that names `operations`, so admission asks for all of them, DELETE too, which has no \
             `object`",
            everything.join(", ")
        )
    });
    vague.chain(everything).collect()
}

/// What is asked for instead, for people: `CREATE and UPDATE in the API groups core and apps`.
fn in_short(instead: &BTreeMap<Target, Vec<&'static str>>) -> String {
    let groups = instead.keys().map(|target| match target.group.as_str() {
        "" => "core",
        group => group,
    });
    let groups: BTreeSet<&str> = groups.collect();
    let groups: Vec<&str> = groups.into_iter().collect();
    match instead.values().next() {
        None => "nothing".to_owned(),
        Some(operations) => format!(
            "{} in the API {} {}",
            listed(operations),
            if groups.len() == 1 { "group" } else { "groups" },
            listed(&groups)
        ),
    }
}

/// `a, b and c`
fn listed(words: &[&str]) -> String {
    match words.split_last() {
        Some((last, [])) => (*last).to_owned(),
        Some((last, rest)) => format!("{} and {last}", rest.join(", ")),
        None => String::new(),
    }
}
