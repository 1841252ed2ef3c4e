//! `graph.reachable_paths`, when the paths are not too many: a graph of twenty nodes can have more paths than memory
//! holds, and a long chain is deeper than a stack.

use std::collections::BTreeSet;

use regorus::Value;

use super::{TooMuch, original, weight};

const NAME: &str = "graph.reachable_paths";

/// The most steps over all paths.
const MAX_STEPS: usize = 100_000;

/// The longest path.
const MAX_LENGTH: usize = 1000;

/// The heaviest node: at each step it is compared with others.
const MAX_NODE: usize = 4096;

pub(super) fn reachable_paths(values: &[Value]) -> anyhow::Result<Value> {
    if let (Some(graph), Some(from)) = (values.first(), values.get(1)) {
        check(graph, from)?;
    }
    original::call(NAME, values)
}

/// Walks every path, without keeping them.
fn check(graph: &Value, from: &Value) -> anyhow::Result<()> {
    let mut steps = 0usize;
    let mut open = vec![opened(from, 0, &mut steps)?];
    let mut path: Vec<&Value> = Vec::new();
    let mut on_path: BTreeSet<&Value> = BTreeSet::new();
    while let Some(next) = open.last_mut() {
        let Some(node) = next.pop() else {
            open.pop();
            if let Some(node) = path.pop() {
                on_path.remove(node);
            }
            continue;
        };
        let neighbours = match graph {
            Value::Object(graph) => graph.get(node),
            _ => None,
        };
        if let Some(neighbours) = neighbours
            && on_path.insert(node)
        {
            path.push(node);
            open.push(opened(neighbours, path.len(), &mut steps)?);
        }
    }
    Ok(())
}

/// The nodes that come next on a path of this length. All of them will be steps.
fn opened<'a>(next: &'a Value, length: usize, steps: &mut usize) -> anyhow::Result<Vec<&'a Value>> {
    let too_much = || TooMuch(format!("{NAME}: the graph has too many or too long paths"));
    let nodes = items(next);
    for node in &nodes {
        if length > MAX_LENGTH || weight::exceeds(node, MAX_NODE) {
            return Err(too_much().into());
        }
        *steps = steps.saturating_add(length).saturating_add(1);
        if *steps > MAX_STEPS {
            return Err(too_much().into());
        }
    }
    Ok(nodes)
}

fn items(value: &Value) -> Vec<&Value> {
    match value {
        Value::Array(items) => items.iter().collect(),
        Value::Set(items) => items.iter().collect(),
        _ => Vec::new(),
    }
}
