//! What policies came to, a series each: `regate_policy_decisions_total`.
//!
//! The policy's name is the only label that is no closed set. It is not the callers' to choose, but an operator's, and
//! sets come and go while a server runs: so only the first [`NAMED`] policies ever met have series of their own, and all
//! later ones share one name. What was counted once is never taken back, as counters are read.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, PoisonError, RwLock};

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;

use crate::gate::Gate;

/// How many policies have series of their own.
const NAMED: usize = 200;

/// The name of all others.
const OTHER: &str = "_other";

/// Counts outcomes by policy.
#[derive(Clone, Debug, Default)]
pub(super) struct PolicyDecisions {
    counts: Family<Labels, Counter>,
    named: Arc<RwLock<BTreeMap<Gate, BTreeSet<String>>>>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Labels {
    gate: &'static str,
    policy: String,
    enforcement: &'static str,
    outcome: &'static str,
}

impl PolicyDecisions {
    pub(super) fn register(&self, registry: &mut Registry) {
        registry.register(
            "policy_decisions",
            "What policies came to that said something, failed or were excepted",
            self.counts.clone(),
        );
    }

    pub(super) fn count(&self, gate: Gate, policy: &str, enforcement: &'static str, outcome: &'static str) {
        let labels = Labels {
            gate: gate.as_str(),
            policy: if self.is_named(gate, policy) {
                policy
            } else {
                OTHER
            }
            .to_owned(),
            enforcement,
            outcome,
        };
        self.counts.get_or_create(&labels).inc();
    }

    /// Whether a policy is one of those with a name, and makes it one if there are few.
    fn is_named(&self, gate: Gate, policy: &str) -> bool {
        let has = |named: &BTreeMap<Gate, BTreeSet<String>>| {
            named.get(&gate).is_some_and(|names| names.contains(policy))
        };
        let is_full = |named: &BTreeMap<Gate, BTreeSet<String>>| {
            named.values().map(BTreeSet::len).sum::<usize>() >= NAMED
        };
        {
            let named = self.named.read().unwrap_or_else(PoisonError::into_inner);
            if has(&named) || is_full(&named) {
                return has(&named);
            }
        }
        let mut named = self.named.write().unwrap_or_else(PoisonError::into_inner);
        // Another thread may have taken the last place meanwhile.
        if has(&named) || is_full(&named) {
            return has(&named);
        }
        named.entry(gate).or_default().insert(policy.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::Metrics;

    fn series(metrics: &Metrics) -> Vec<String> {
        let text = metrics.encode().unwrap();
        let lines = text
            .lines()
            .filter(|line| line.starts_with("regate_policy_decisions_total"));
        lines.map(str::to_owned).collect()
    }

    #[test]
    fn outcomes_are_counted_by_gate_policy_and_enforcement() {
        let metrics = Metrics::default();
        metrics.policy_came_to(Gate::Validate, "labels", "deny", "deny");
        metrics.policy_came_to(Gate::Validate, "labels", "deny", "deny");
        metrics.policy_came_to(Gate::Mutate, "labels", "warn", "fault");
        let mut found = series(&metrics);
        found.sort();
        assert_eq!(
            found,
            [
                r#"regate_policy_decisions_total{gate="mutate",policy="labels",enforcement="warn",outcome="fault"} 1"#,
                r#"regate_policy_decisions_total{gate="validate",policy="labels",enforcement="deny",outcome="deny"} 2"#,
            ]
        );
    }

    #[test]
    fn beyond_200_policies_all_share_one_name_however_many_sets_come_and_go() {
        let metrics = Metrics::default();
        for set in 0..10 {
            for policy in 0..100 {
                metrics.policy_came_to(Gate::Validate, &format!("p{set}_{policy}"), "deny", "deny");
                metrics.policy_came_to(Gate::Image, &format!("p{set}_{policy}"), "deny", "deny");
            }
        }
        // 100 of each gate, and one of each gate for all others.
        let found = series(&metrics);
        assert_eq!(found.len(), 202, "{found:?}");
        let other = r#"regate_policy_decisions_total{gate="image",policy="_other",enforcement="deny",outcome="deny"} 900"#;
        assert!(found.iter().any(|line| line == other), "{found:?}");
        // Who had a name keeps it.
        metrics.policy_came_to(Gate::Validate, "p0_7", "deny", "deny");
        let first = r#"regate_policy_decisions_total{gate="validate",policy="p0_7",enforcement="deny",outcome="deny"} 2"#;
        assert!(series(&metrics).iter().any(|line| line == first));
    }
}
