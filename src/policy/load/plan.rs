//! From packages to policies: instances, and what the operator sets from outside.
//!
//! Settings come after the file's own words, in their order: `enforcement` and `parameters` replace, `match` narrows,
//! `exceptions` add. One that names no policy refuses the set, since somebody relies on it.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;

use super::packages::Package;
use crate::gate::Gate;
use crate::policy::dialect::Dialect;
use crate::policy::finding::{Finding, Id};
use crate::policy::matching::Match;
use crate::policy::metadata::{Instance, Metadata, Node, Overlay};
use crate::policy::{Policy, glob};

/// A policy, and the place of its package.
pub(super) struct Plan {
    pub(super) package: usize,
    pub(super) policy: Policy,
}

/// All policies of the packages, on the terms of their METADATA and of the settings.
pub(super) fn plans(packages: &[Package<'_>], settings: &[Value], findings: &mut Vec<Finding>) -> Vec<Plan> {
    let mut places = Vec::new();
    let mut plans: Vec<Plan> = Vec::new();
    for (number, package) in packages.iter().enumerate() {
        let mut plan = |instance: Option<&Instance>| {
            places.push(instance.and_then(|one| one.file.clone().zip(one.at)));
            plans.push(Plan {
                package: number,
                policy: policy(package, instance),
            });
        };
        match &package.metadata.instances {
            None => plan(None),
            Some(instances) => instances.iter().for_each(|one| plan(Some(one))),
        }
    }
    tell_apart(packages, &mut plans);
    for (number, plan) in plans.iter().enumerate() {
        let mut others = plans.iter().take(number).enumerate();
        let Some((first, other)) = others.find(|(_, other)| is_twin(other, plan)) else {
            continue;
        };
        let (Some(package), Some(other)) = (packages.get(plan.package), packages.get(other.package)) else {
            continue;
        };
        let place = |number: usize, package: &Package<'_>| {
            let place = places.get(number).cloned().flatten();
            place.or_else(|| package.place())
        };
        let message = format!("a second policy called `{}`", plan.policy.name);
        let message = match place(first, other) {
            Some((file, at)) => format!("{message}: the first is at {file}:{}", at.line),
            None => message,
        };
        findings.push(match place(number, package) {
            Some((file, at)) => at.problem(Id::PolicyName, &file, message),
            None => Finding::new(Id::PolicyName, message),
        });
    }
    for (index, setting) in settings.iter().enumerate() {
        overlay(
            &format!("policies.settings[{index}]"),
            &Node::from_json(setting),
            packages,
            &mut plans,
            findings,
        );
    }
    plans
}

fn is_twin(one: &Plan, other: &Plan) -> bool {
    one.policy.gate == other.policy.gate && one.policy.name == other.policy.name
}

/// Constraints have names of their own within their kind only: one whose name another policy has, too, is called
/// `KIND/NAME`.
fn tell_apart(packages: &[Package<'_>], plans: &mut [Plan]) {
    let mut counts: BTreeMap<(Gate, String), usize> = BTreeMap::new();
    for Plan { policy, .. } in plans.iter() {
        *counts.entry((policy.gate, policy.name.clone())).or_default() += 1;
    }
    for Plan { package, policy } in plans {
        let count = counts.get(&(policy.gate, policy.name.clone()));
        let shared = count.is_some_and(|count| *count > 1);
        if let Some(package) = packages.get(*package)
            && shared
            && policy.dialect == Dialect::Gatekeeper
        {
            policy.name = format!("{}/{}", package.name, policy.name);
        }
    }
}

fn policy(package: &Package<'_>, instance: Option<&Instance>) -> Policy {
    let Metadata {
        enforcement,
        order,
        matching,
        parameters,
        exceptions,
        ..
    } = &package.metadata;
    let name = match (instance, package.dialect) {
        (None, _) => package.name.clone(),
        (Some(constraint), Dialect::Gatekeeper) => constraint.name.clone(),
        (Some(instance), _) => format!("{}.{}", package.name, instance.name),
    };
    let narrowing = instance.map(|instance| &instance.matching);
    Policy {
        gate: package.gate,
        name,
        dialect: package.dialect,
        rules: package.rules.clone(),
        entry_rules: package.entry.clone(),
        order: *order,
        enforcement: instance.and_then(|one| one.enforcement).unwrap_or(*enforcement),
        matching: [Some(matching), narrowing]
            .into_iter()
            .flatten()
            .filter(is_something)
            .cloned()
            .collect(),
        parameters: instance
            .and_then(|one| one.parameters.as_ref())
            .unwrap_or(parameters)
            .clone(),
        exceptions: exceptions.clone(),
        reads_namespace: false,
        builtin_errors: package.metadata.builtin_errors,
        conduct: Arc::default(),
        // Both are given when the package has an engine.
        group: 0,
        entry: String::new(),
    }
}

fn is_something(matching: &&Match) -> bool {
    !matching.is_empty()
}

/// Puts one setting over the policies that it names.
fn overlay(
    named: &str,
    setting: &Node,
    packages: &[Package<'_>],
    plans: &mut [Plan],
    findings: &mut Vec<Finding>,
) {
    let finding = |message: String| Finding::new(Id::Setting, message).in_file(named);
    let Some(pattern) = setting.get("policy").and_then(Node::as_text) else {
        return findings.push(finding(
            "a setting needs `policy`: GATE/NAME, with * for any run".to_owned(),
        ));
    };
    let mut found = false;
    for plan in plans.iter_mut() {
        let package = packages.get(plan.package);
        let name = package.map_or("", |package| &package.name);
        if !is_named(pattern, plan.policy.gate, &plan.policy.name)
            && !is_named(pattern, plan.policy.gate, name)
        {
            continue;
        }
        found = true;
        let denies = plan.policy.has("deny");
        let Overlay {
            enforcement,
            matching,
            parameters,
            exceptions,
        } = Overlay::read(plan.policy.gate, denies, named, setting, findings);
        let policy = &mut plan.policy;
        policy.enforcement = enforcement.unwrap_or(policy.enforcement);
        policy.parameters = parameters.unwrap_or_else(|| policy.parameters.clone());
        policy
            .matching
            .extend(Some(&matching).filter(is_something).cloned());
        policy.exceptions.extend(exceptions);
    }
    if found && setting.members().is_some_and(|members| members.len() == 1) {
        findings.push(finding(format!(
            "sets nothing for `{pattern}`: write `enforcement`, `match`, `parameters` or `exceptions`"
        )));
    }
    if !found {
        let near = plans
            .iter()
            .map(|plan| format!("{}/{}", plan.policy.gate, plan.policy.name))
            .min_by_key(|name| strsim::levenshtein(name, pattern));
        let hint = near.map(|near| format!("did you mean `{near}`?"));
        findings.push(finding(format!("no policy is named by `{pattern}`")).hinted(hint));
    }
}

/// Whether `GATE/NAME` names a policy; a `*` runs within one side.
fn is_named(pattern: &str, gate: Gate, name: &str) -> bool {
    pattern
        .split_once('/')
        .is_some_and(|(gates, names)| glob::matches(gates, gate.as_str()) && glob::matches(names, name))
}

/// Exceptions that have ended: nothing to refuse, but somebody should clear them away.
pub(super) fn ended_exceptions(packages: &[Package<'_>], plans: &[Policy], now_ns: i64) -> Vec<Finding> {
    let mut ended = Vec::new();
    for policy in plans {
        for exception in &policy.exceptions {
            let Some(until) = exception.until.as_ref().filter(|until| until.is_over(now_ns)) else {
                continue;
            };
            let message = format!(
                "an exception of {}/{} ended with {}: {}",
                policy.gate, policy.name, until.text, exception.reason
            );
            let package = packages.iter().find(|package| {
                package.gate == policy.gate && package.metadata.exceptions.contains(exception)
            });
            ended.push(match (package, exception.at) {
                (Some(package), Some(at)) => package.problem_at(Id::EndedException, at, message),
                _ => Finding::new(Id::EndedException, message).in_file("policies.settings"),
            });
        }
    }
    ended.sort();
    ended.dedup();
    ended
}

#[cfg(test)]
mod tests;
