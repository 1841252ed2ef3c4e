//! The nodes of a graph that lead back to themselves, in one pass: thousands of rules that build on each other must not
//! make each load wait. `calls` asks it which rules are recursive.

use std::collections::{BTreeMap, BTreeSet};

/// Nodes that can reach themselves. An edge may lead to what is no node.
pub(super) fn of<Node: Ord>(graph: &BTreeMap<Node, BTreeSet<Node>>) -> BTreeSet<&Node> {
    let numbers: BTreeMap<&Node, usize> = graph.keys().zip(0..).collect();
    let edges = graph.values().map(|next| {
        let known = next.iter().filter_map(|node| numbers.get(node).copied());
        known.collect()
    });
    let mut search = Search {
        edges: edges.collect(),
        seen: vec![0; graph.len()],
        lowest: vec![0; graph.len()],
        open: Vec::new(),
        is_open: vec![false; graph.len()],
        count: 0,
        circles: vec![false; graph.len()],
    };
    (0..graph.len()).for_each(|node| search.from(node));
    let marked = graph.keys().zip(search.circles);
    marked.filter(|(_, is_in)| *is_in).map(|(node, _)| node).collect()
}

/// Tarjan's search for strongly connected components, without recursion.
struct Search {
    edges: Vec<Vec<usize>>,
    /// In which order nodes were met, from 1; 0 is not yet.
    seen: Vec<usize>,
    /// The first node in that order that each reaches, as far as is known.
    lowest: Vec<usize>,
    /// Nodes whose component is not complete.
    open: Vec<usize>,
    is_open: Vec<bool>,
    count: usize,
    circles: Vec<bool>,
}

impl Search {
    fn from(&mut self, start: usize) {
        if get(&self.seen, start) != 0 {
            return;
        }
        // Nodes on the way, each with how many of its edges were followed.
        let mut way = vec![(start, 0)];
        self.meet(start);
        while let Some((node, followed)) = way.last_mut() {
            let node = *node;
            let next = self
                .edges
                .get(node)
                .and_then(|edges| edges.get(*followed))
                .copied();
            *followed += 1;
            match next {
                Some(next) if get(&self.seen, next) == 0 => {
                    self.meet(next);
                    way.push((next, 0));
                }
                Some(next) if get(&self.is_open, next) => self.lower(node, get(&self.seen, next)),
                Some(_) => {}
                None => {
                    way.pop();
                    if let Some((above, _)) = way.last() {
                        self.lower(*above, get(&self.lowest, node));
                    }
                    self.close(node);
                }
            }
        }
    }

    fn meet(&mut self, node: usize) {
        self.count += 1;
        set(&mut self.seen, node, self.count);
        set(&mut self.lowest, node, self.count);
        set(&mut self.is_open, node, true);
        self.open.push(node);
    }

    fn lower(&mut self, node: usize, to: usize) {
        let lowest = get(&self.lowest, node).min(to);
        set(&mut self.lowest, node, lowest);
    }

    /// Takes the component of a node that reaches nothing before it.
    fn close(&mut self, node: usize) {
        if get(&self.lowest, node) != get(&self.seen, node) {
            return;
        }
        let begin = self
            .open
            .iter()
            .rposition(|open| *open == node)
            .unwrap_or_default();
        let component = self.open.split_off(begin);
        let is_circle =
            component.len() > 1 || self.edges.get(node).is_some_and(|edges| edges.contains(&node));
        for node in component {
            set(&mut self.is_open, node, false);
            set(&mut self.circles, node, is_circle);
        }
    }
}

fn get<T: Copy + Default>(values: &[T], at: usize) -> T {
    values.get(at).copied().unwrap_or_default()
}

fn set<T>(values: &mut [T], at: usize, value: T) {
    if let Some(place) = values.get_mut(at) {
        *place = value;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn circles(edges: &[(u8, u8)]) -> Vec<u8> {
        let mut graph: BTreeMap<u8, BTreeSet<u8>> = BTreeMap::new();
        for (from, to) in edges {
            graph.entry(*from).or_default().insert(*to);
        }
        of(&graph).into_iter().copied().collect()
    }

    /// Whether a node comes back to itself, by looking at each way.
    fn reaches(edges: &[(u8, u8)], start: u8) -> bool {
        let (mut seen, mut next) = (BTreeSet::new(), vec![start]);
        while let Some(at) = next.pop() {
            for (_, to) in edges.iter().filter(|(from, _)| *from == at) {
                if *to == start {
                    return true;
                }
                if seen.insert(*to) {
                    next.push(*to);
                }
            }
        }
        false
    }

    #[test]
    fn what_comes_back_to_itself_is_found_and_what_only_leads_there_is_not() {
        assert_eq!(
            circles(&[(1, 2), (2, 3), (3, 2), (3, 4), (4, 9), (5, 5)]),
            [2, 3, 5]
        );
        assert_eq!(circles(&[(1, 2), (1, 3), (2, 4), (3, 4)]), Vec::<u8>::new());
    }

    proptest::proptest! {
        #[test]
        fn it_finds_what_a_search_from_each_node_finds(edges in proptest::collection::vec((0u8..12, 0u8..12), 0..30)) {
            let expected: Vec<u8> = (0..12).filter(|node| reaches(&edges, *node)).collect();
            proptest::prop_assert_eq!(circles(&edges), expected);
        }
    }
}
