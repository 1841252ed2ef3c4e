//! Calls that the engine would find wrong only when it comes to them: functions that do not exist, operands that do not
//! fit, and functions that call themselves, which would overflow the stack and end the process.

use std::collections::{BTreeMap, BTreeSet};

use crate::policy::engine::ast::{Call, Source};
use crate::policy::engine::builtins;
use crate::policy::finding::Finding;

type Path = Vec<String>;

/// Adds what is wrong with the calls of all files.
pub(super) fn check(sources: &[Source], findings: &mut Vec<Finding>) {
    let functions = functions(sources);
    let mut graph: BTreeMap<Path, BTreeSet<Path>> = BTreeMap::new();
    for source in sources {
        for rule in &source.rules {
            for call in &rule.calls {
                let target = resolve(source, call, &functions);
                if let Some(message) = problem(call, target.as_ref(), &functions) {
                    findings.push(Finding {
                        file: Some(source.path.clone()),
                        line: Some(call.at.line),
                        column: Some(call.at.column),
                        message,
                    });
                }
                if let (Some(target), Some(_)) = (target, rule.arguments) {
                    graph
                        .entry(path(&source.package, &rule.name, &rule.below))
                        .or_default()
                        .insert(target);
                }
            }
        }
    }
    recursion(sources, &graph, findings);
}

fn path(package: &[String], name: &str, below: &[String]) -> Path {
    package
        .iter()
        .cloned()
        .chain([name.to_owned()])
        .chain(below.iter().cloned())
        .collect()
}

/// Functions of the files, by path below `data`, with their numbers of operands.
fn functions(sources: &[Source]) -> BTreeMap<Path, usize> {
    let of = |source: &Source| -> Vec<(Path, usize)> {
        let rules = source.rules.iter();
        rules
            .filter_map(|rule| Some((path(&source.package, &rule.name, &rule.below), rule.arguments?)))
            .collect()
    };
    sources.iter().flat_map(of).collect()
}

/// The function of a file that a call means, if it means one.
fn resolve(source: &Source, call: &Call, functions: &BTreeMap<Path, usize>) -> Option<Path> {
    let target = match call.function.split_first() {
        Some((root, rest)) if root == "data" => rest.to_vec(),
        _ => source.package.iter().chain(&call.function).cloned().collect(),
    };
    functions.contains_key(&target).then_some(target)
}

fn problem(call: &Call, target: Option<&Path>, functions: &BTreeMap<Path, usize>) -> Option<String> {
    let name = call.function.join(".");
    let operands = match target.and_then(|target| functions.get(target)) {
        Some(operands) => *operands,
        None if name == "print" => return None,
        None => match builtins::operands_of(&name) {
            Some(operands) => operands,
            None => return Some(unknown(&name)),
        },
    };
    // One more operand takes the result: `f(x, y)` for `y = f(x)`.
    let fits = call.operands == operands || call.operands == operands + 1;
    (!fits).then(|| format!("`{name}` takes {operands} operands, not {}", call.operands))
}

fn unknown(name: &str) -> String {
    match builtins::nearest(name) {
        Some(near) => format!("there is no function `{name}`: did you mean `{near}`?"),
        None => format!("there is no function `{name}`"),
    }
}

/// A finding for each function that can come back to itself.
fn recursion(sources: &[Source], graph: &BTreeMap<Path, BTreeSet<Path>>, findings: &mut Vec<Finding>) {
    for source in sources {
        for rule in source.rules.iter().filter(|rule| rule.arguments.is_some()) {
            let start = path(&source.package, &rule.name, &rule.below);
            if reaches(graph, &start) {
                findings.push(Finding {
                    file: Some(source.path.clone()),
                    line: Some(rule.at.line),
                    column: Some(rule.at.column),
                    message: format!("`{}` calls itself: Rego has no recursion", rule.name),
                });
            }
        }
    }
}

fn reaches(graph: &BTreeMap<Path, BTreeSet<Path>>, start: &Path) -> bool {
    let mut seen: BTreeSet<&Path> = BTreeSet::new();
    let mut next: Vec<&Path> = graph.get(start).into_iter().flatten().collect();
    while let Some(at) = next.pop() {
        if at == start {
            return true;
        }
        if seen.insert(at) {
            next.extend(graph.get(at).into_iter().flatten());
        }
    }
    false
}
