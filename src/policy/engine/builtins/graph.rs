//! `graph.reachable_paths`, when the paths are not too many: a graph of twenty nodes can have more paths than memory
//! holds, and a long chain is deeper than a stack.

use std::collections::BTreeSet;

use regorus::Value;

use super::{TooMuch, original};

const NAME: &str = "graph.reachable_paths";

/// The most steps over all paths.
const MAX_STEPS: usize = 100_000;

/// The longest path.
const MAX_LENGTH: usize = 1000;

pub(super) fn reachable_paths(values: &[Value]) -> anyhow::Result<Value> {
    if let (Some(graph), Some(from)) = (values.first(), values.get(1)) {
        check(graph, from)?;
    }
    original::call(NAME, values)
}

/// Walks every path, without keeping them.
fn check(graph: &Value, from: &Value) -> anyhow::Result<()> {
    let mut open = vec![items(from)];
    let mut path: Vec<&Value> = Vec::new();
    let mut on_path: BTreeSet<&Value> = BTreeSet::new();
    let mut steps = 0usize;
    while let Some(next) = open.last_mut() {
        let Some(node) = next.pop() else {
            open.pop();
            if let Some(node) = path.pop() {
                on_path.remove(node);
            }
            continue;
        };
        steps = steps.saturating_add(path.len()).saturating_add(1);
        if steps > MAX_STEPS || path.len() > MAX_LENGTH {
            return Err(TooMuch(format!("{NAME}: the graph has too many or too long paths")).into());
        }
        let neighbours = match graph {
            Value::Object(graph) => graph.get(node),
            _ => None,
        };
        if let Some(neighbours) = neighbours
            && on_path.insert(node)
        {
            path.push(node);
            open.push(items(neighbours));
        }
    }
    Ok(())
}

fn items(value: &Value) -> Vec<&Value> {
    match value {
        Value::Array(items) => items.iter().collect(),
        Value::Set(items) => items.iter().collect(),
        _ => Vec::new(),
    }
}
