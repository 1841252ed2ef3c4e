//! Groups of policies that share libraries, each with its prepared engine.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::World;
use super::packages::Package;
use super::plan::Plan;
use crate::gate::Gate;
use crate::policy::dialect::Dialect;
use crate::policy::engine::ast::Source;
use crate::policy::engine::builtins::BuiltinErrors;
use crate::policy::engine::group::Group;
use crate::policy::engine::{Document, Outside};
use crate::policy::finding::Finding;
use crate::policy::select::GateIndex;
use crate::policy::{Policy, PolicySet};

/// Packages that share an engine at most. More of them make an evaluation dearer, fewer cost memory.
const GROUP_SIZE: usize = 32;

/// The places of the sources that packages read, directly or through others, and of their own, in the order of the files.
fn places(packages: &[&[String]], sources: &[Source]) -> Vec<usize> {
    let mut inside = vec![false; sources.len()];
    let mut wanted: Vec<&[String]> = Vec::new();
    for (source, inside) in sources
        .iter()
        .zip(&mut inside)
        .filter(|(source, _)| packages.contains(&source.package.as_slice()))
    {
        *inside = true;
        wanted.extend(source.reads.iter().map(Vec::as_slice));
    }
    while let Some(path) = wanted.pop() {
        for (source, inside) in sources.iter().zip(&mut inside) {
            let related = source.package.starts_with(path) || path.starts_with(&source.package);
            if related && !*inside {
                *inside = true;
                wanted.extend(source.reads.iter().map(Vec::as_slice));
            }
        }
    }
    let places = inside.into_iter().enumerate();
    places
        .filter_map(|(place, inside)| inside.then_some(place))
        .collect()
}

/// Sources that packages read, directly or through others, and their own, in the order of the files.
pub(super) fn closure<'a>(packages: &[&[String]], sources: &'a [Source]) -> Vec<&'a Source> {
    at(&places(packages, sources), sources)
}

/// The sources at these places.
fn at<'a>(places: &[usize], sources: &'a [Source]) -> Vec<&'a Source> {
    places.iter().filter_map(|place| sources.get(*place)).collect()
}

/// Puts policies with the same libraries into groups and prepares an engine for each.
pub(super) fn set(
    revision: &str,
    worlds: &[World],
    packages: &[Package<'_>],
    plans: Vec<Plan>,
    outside: &Arc<Outside>,
) -> Result<PolicySet, Finding> {
    let mut shared: BTreeMap<(usize, Gate, Vec<usize>), Vec<usize>> = BTreeMap::new();
    let mut reads_namespace = vec![false; packages.len()];
    let sources_of = |world: usize| worlds.get(world).map_or(&[][..], |world| &world.sources);
    for (place, (package, reads)) in packages.iter().zip(&mut reads_namespace).enumerate() {
        let sources = sources_of(package.world);
        let mut libraries = places(&[package.package], sources);
        *reads = match package.dialect {
            Dialect::Regate => read_the_namespace(&at(&libraries, sources)),
            Dialect::Gatekeeper | Dialect::Conftest | Dialect::System => package.reads_namespace,
        };
        let is_own = |place: &usize| {
            sources
                .get(*place)
                .is_some_and(|source| source.package == package.package)
        };
        libraries.retain(|place| !is_own(place));
        let key = (package.world, package.gate, libraries);
        shared.entry(key).or_default().push(place);
    }
    let mut groups = Vec::new();
    let mut homes: BTreeMap<usize, (usize, String)> = BTreeMap::new();
    let nothing = Document::empty();
    for ((world, _, libraries), members) in shared {
        let libraries = at(&libraries, sources_of(world));
        let data = worlds.get(world).map_or(&nothing, |world| &world.data);
        for members in members.chunks(GROUP_SIZE) {
            let own: Vec<&Package<'_>> = members.iter().filter_map(|at| packages.get(*at)).collect();
            let (group, entries) = group(&libraries, &own, data, outside)?;
            homes.extend(
                members
                    .iter()
                    .zip(entries)
                    .map(|(at, entry)| (*at, (groups.len(), entry))),
            );
            groups.push(group);
        }
    }
    let mut policies: Vec<Policy> = plans
        .into_iter()
        .filter_map(|plan| {
            let (group, entry) = homes.get(&plan.package)?.clone();
            let reads_namespace = reads_namespace.get(plan.package).copied().unwrap_or_default();
            Some(Policy {
                group,
                entry,
                reads_namespace,
                ..plan.policy
            })
        })
        .collect();
    policies.sort_by(|a, b| (a.gate, a.order, &a.name).cmp(&(b.gate, b.order, &b.name)));
    Ok(PolicySet {
        revision: revision.to_owned(),
        warnings: Vec::new(),
        missing: Vec::new(),
        indexes: Gate::ALL
            .into_iter()
            .map(|gate| (gate, index(gate, &policies)))
            .collect(),
        policies,
        groups,
    })
}

fn group(
    libraries: &[&Source],
    packages: &[&Package<'_>],
    data: &Document,
    outside: &Arc<Outside>,
) -> Result<(Group, Vec<String>), Finding> {
    let own = packages
        .iter()
        .flat_map(|package| package.sources.iter().copied());
    let sources: Vec<&Source> = libraries.iter().copied().chain(own).collect();
    let entries: Vec<_> = packages
        .iter()
        .map(|package| {
            (
                package.package,
                package.entry.iter().map(String::as_str).collect(),
            )
        })
        .collect();
    let undefined = packages
        .iter()
        .any(|package| package.metadata.builtin_errors == BuiltinErrors::Undefined);
    let errors = if undefined {
        BuiltinErrors::Undefined
    } else {
        BuiltinErrors::Fault
    };
    Group::build(&sources, &entries, data, errors, outside)
}

fn index(gate: Gate, policies: &[Policy]) -> GateIndex {
    GateIndex::build(
        policies
            .iter()
            .enumerate()
            .filter(move |(_, policy)| policy.gate == gate),
    )
}

/// Whether files read `input.regate.namespace`, or something that it is part of. Where one hands on the whole `input`, any
/// of them may read it under another name: a policy must not take a Namespace that it was not given for one without labels.
fn read_the_namespace(sources: &[&Source]) -> bool {
    let reads = || sources.iter().flat_map(|source| &source.input_reads);
    let plainly = reads().any(|path| match path.as_slice() {
        [regate] => regate == "regate",
        [regate, member, ..] => regate == "regate" && member == "namespace",
        [] => false,
    });
    plainly || (reads().any(Vec::is_empty) && sources.iter().any(|source| source.names_regate))
}
