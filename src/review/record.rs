//! What is kept of a decision for the log, the metrics and whoever runs a command.
//!
//! Filled by [`super::run`], read by the server's record and by `regate review`. Always holds: no token, no Secret data
//! and no whole object is in it; what the engine says, which may quote values, is apart.

use std::time::Duration;

use crate::gate::Gate;
use crate::policy::Enforcement;

/// What the log and the metrics keep of one decision: never a token, Secret data or a whole object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// The gate that answered.
    pub gate: Gate,
    /// `request.uid` of an admission review; empty where a review has none.
    pub uid: String,
    /// The `decision` label: allow, deny, no_opinion or error.
    pub decision: &'static str,
    /// The `code` label: HTTP status, or `status.code` of a denied admission review.
    pub code: u16,
    /// Names of the policies that decided, in order.
    pub policies: Vec<String>,
    /// Revision of the policy set that decided; empty when none was asked.
    pub revision: String,
    /// Time spent in Rego.
    pub evaluation: Duration,
    /// Faults of policies.
    pub faults: Vec<FaultRecord>,
    /// What each policy came to that did more than say nothing.
    pub outcomes: Vec<PolicyOutcome>,
    /// What policies in dry-run would have denied with.
    pub would_deny: Vec<Rehearsed>,
    /// Policies that an exception skipped.
    pub excepted: Vec<Excepted>,
    /// The `details` of the messages that denied or warned, as JSON.
    pub details: Vec<String>,
    /// The failure, where the policies did not decide.
    pub failure: Option<&'static str>,
    /// What the failure's answer says, for the log; of an envelope or content, what is wrong with it.
    pub problem: Option<String>,
}

/// A fault of a policy, for the record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FaultRecord {
    /// The policy.
    pub policy: String,
    /// The `reason` label of the metric.
    pub reason: &'static str,
    /// For the log: where, and what kind of fault; never a value that the policy met.
    pub place: String,
    /// The engine's words, for whoever runs a command; they may quote values and belong in no log.
    pub text: String,
}

/// What a policy came to, for the metric.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicyOutcome {
    /// The policy.
    pub policy: String,
    /// What its word is worth.
    pub enforcement: Enforcement,
    /// The `outcome` label: deny, warn, would_deny, fault or excepted.
    pub outcome: &'static str,
}

/// A denial that had no effect, for the record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rehearsed {
    /// The policy.
    pub policy: String,
    /// Its messages, as a denial would have had them.
    pub text: String,
}

/// A policy that was not asked, for the record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Excepted {
    /// The policy.
    pub policy: String,
    /// The exception's reason.
    pub reason: String,
}

impl Record {
    /// The record of an answer that no policy was asked about.
    pub fn new(gate: Gate, revision: &str) -> Self {
        Record {
            gate,
            uid: String::new(),
            decision: "error",
            code: 200,
            policies: Vec::new(),
            revision: revision.to_owned(),
            evaluation: Duration::ZERO,
            faults: Vec::new(),
            outcomes: Vec::new(),
            would_deny: Vec::new(),
            excepted: Vec::new(),
            details: Vec::new(),
            failure: None,
            problem: None,
        }
    }
}
