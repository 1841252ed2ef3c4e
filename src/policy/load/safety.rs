//! Variables that nothing binds: the engine finds some of them only when it comes to them, and is silently false at
//! others.

use std::collections::{BTreeMap, BTreeSet};

use crate::policy::engine::ast::{Body, Position, Source, WILDCARD};
use crate::policy::finding::{Finding, Id};

/// Adds a finding for each variable of a rule that nothing binds.
pub(super) fn check(sources: &[Source], findings: &mut Vec<Finding>) {
    let mut globals: BTreeMap<&[String], BTreeSet<&str>> = BTreeMap::new();
    for source in sources {
        let names = source.rules.iter().map(|rule| rule.name.as_str());
        globals.entry(&source.package).or_default().extend(names);
    }
    for source in sources {
        let rules = globals.get(source.package.as_slice());
        let is_global = |name: &str| {
            rules.is_some_and(|rules| rules.contains(name))
                || source.imported.iter().any(|import| import == name)
        };
        for body in source.rules.iter().flat_map(|rule| &rule.bodies) {
            let mut unbound = BTreeMap::new();
            judge(body, &is_global, &BTreeSet::new(), &mut unbound);
            findings.extend(unbound.into_iter().map(|(name, at)| finding(source, name, at)));
        }
    }
}

fn finding(source: &Source, name: &str, at: Position) -> Finding {
    let (message, hint) = match name {
        name if name.starts_with(WILDCARD) => (
            "`_` stands where nothing binds it".to_owned(),
            "`_` is for what is passed over, as in `xs[_]`; what is not to be found is named in a rule, and that negated",
        ),
        name => (
            format!("nothing binds `{name}`"),
            "there is no such variable here, and no rule or import of that name",
        ),
    };
    source.problem(Id::Unsafe, at, message).hinted(hint.to_owned())
}

/// Notes the first use of each variable that is not bound in a body or in what stands in it.
fn judge<'a>(
    body: &'a Body,
    is_global: &dyn Fn(&str) -> bool,
    bound: &BTreeSet<&'a str>,
    unbound: &mut BTreeMap<&'a str, Position>,
) {
    let mut bound = bound.clone();
    bound.extend(body.given.iter().map(String::as_str));
    loop {
        let before = bound.len();
        for way in &body.ways {
            let is_bound = |name: &String| bound.contains(name.as_str()) || is_global(name);
            if way.needs.iter().all(is_bound) {
                bound.extend(way.gives.iter().map(String::as_str));
            }
        }
        if bound.len() == before {
            break;
        }
    }
    let free = |name: &str| !bound.contains(name) && !is_global(name);
    let mut told = BTreeSet::new();
    for (name, at) in body.used.iter().filter(|(name, _)| free(name)) {
        let first = unbound.entry(name).or_insert(*at);
        *first = (*first).min(*at);
        told.insert(name.as_str());
    }
    // Not once more in what stands in it.
    bound.extend(told);
    for inner in &body.inner {
        judge(inner, is_global, &bound, unbound);
    }
}
