//! What the policies of a review said so far: the part of combining that all gates share.

use super::Failure;
use super::text::{self, Said};
use crate::policy::{Fault, Outcome, Policy};

/// The fault of a policy.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct PolicyFault {
    pub(crate) policy: String,
    pub(crate) fault: Fault,
    /// Whether it could hide a refusal or a change. One that could not is counted and logged, no more.
    pub(crate) counts: bool,
}

/// Denials, warnings, annotations and faults, in the order (order, name) of their policies.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tally {
    pub(crate) denials: Vec<Said>,
    pub(crate) warnings: Vec<Said>,
    pub(crate) annotations: Vec<(String, String)>,
    pub(crate) faults: Vec<PolicyFault>,
}

impl Tally {
    /// Takes a policy's denials, warnings and annotations.
    pub(crate) fn take(&mut self, policy: &Policy, outcome: &mut Outcome) {
        let said = |message| Said {
            policy: policy.name.clone(),
            message,
        };
        self.denials.extend(outcome.deny.drain(..).map(said));
        self.warnings.extend(outcome.warn.drain(..).map(said));
        self.annotations.extend(text::annotations(
            &policy.name,
            std::mem::take(&mut outcome.audit_annotations),
        ));
    }

    /// Takes a policy's fault.
    pub(crate) fn fault(&mut self, policy: &str, fault: Fault, counts: bool) {
        self.faults.push(PolicyFault {
            policy: policy.to_owned(),
            fault,
            counts,
        });
    }

    /// The failure that the faults amount to, if one counts and no denial stands before it.
    pub(crate) fn failure(&self) -> Option<Failure> {
        let mut counting = self.faults.iter().filter(|fault| fault.counts).peekable();
        if !self.denials.is_empty() || counting.peek().is_none() {
            return None;
        }
        let late = counting.all(|fault| fault.fault == Fault::Deadline);
        Some(if late { Failure::Deadline } else { Failure::Fault })
    }

    /// The details of all messages, as JSON.
    pub(crate) fn details(&self) -> Vec<String> {
        let said = self.denials.iter().chain(&self.warnings);
        said.filter_map(|said| said.message.details.as_ref().map(ToString::to_string))
            .collect()
    }

    /// Names of the policies that denied, each once.
    pub(crate) fn deniers(&self) -> Vec<String> {
        let mut names: Vec<String> = self.denials.iter().map(|said| said.policy.clone()).collect();
        names.dedup();
        names
    }
}
