//! What the policies of a review said so far: the part of combining that all gates share.

use super::text::{self, DENIAL, Said, joined};
use super::{Excepted, Failure, PolicyOutcome, Rehearsed};
use crate::policy::{Enforcement, Exception, Fault, Message, Outcome, Policy};

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
    pub(crate) excepted: Vec<Excepted>,
    /// Denials of policies in dry-run.
    rehearsed: Vec<Said>,
    outcomes: Vec<PolicyOutcome>,
}

/// What whoever is warned learns of a policy that failed: what failed is its author's business.
const COULD_NOT_BE_ASKED: &str = "this policy could not be evaluated";

impl Tally {
    /// Takes a policy's denials, warnings and annotations.
    pub(crate) fn take(&mut self, policy: &Policy, outcome: &mut Outcome) {
        if !outcome.deny.is_empty() {
            self.came_to(&policy.name, policy.enforcement, "deny");
        } else if !outcome.warn.is_empty() {
            self.came_to(&policy.name, policy.enforcement, "warn");
        }
        self.denials.extend(outcome.deny.drain(..).map(said_by(policy)));
        self.warnings.extend(outcome.warn.drain(..).map(said_by(policy)));
        self.annotations.extend(text::annotations(
            &policy.name,
            std::mem::take(&mut outcome.audit_annotations),
        ));
    }

    /// Takes the denials of a policy that only warns.
    pub(crate) fn warn(&mut self, policy: &Policy, denials: Vec<Message>) {
        if !denials.is_empty() {
            self.came_to(&policy.name, policy.enforcement, "warn");
        }
        self.warnings.extend(denials.into_iter().map(said_by(policy)));
    }

    /// Takes what a policy in dry-run said.
    pub(crate) fn rehearse(&mut self, policy: &Policy, outcome: Outcome) {
        if !outcome.deny.is_empty() {
            self.came_to(&policy.name, policy.enforcement, "would_deny");
        }
        self.rehearsed
            .extend(outcome.deny.into_iter().map(said_by(policy)));
    }

    /// Takes an exception from a policy.
    pub(crate) fn except(&mut self, policy: &Policy, exception: &Exception) {
        self.came_to(&policy.name, policy.enforcement, "excepted");
        self.excepted.push(Excepted {
            policy: policy.name.clone(),
            reason: exception.reason.clone(),
        });
    }

    /// Takes exceptions that a policy makes of itself, from these rules.
    pub(crate) fn excuse(&mut self, policy: &Policy, rules: &[String]) {
        let excepted = rules.iter().map(|rule| Excepted {
            policy: policy.name.clone(),
            reason: format!("the policy's own exception from `{rule}`"),
        });
        self.excepted.extend(excepted);
    }

    /// Takes a policy's fault; `counts`: whether it could hide a refusal or a change, if the policy enforces.
    pub(crate) fn fault(&mut self, policy: &str, enforcement: Enforcement, fault: Fault, counts: bool) {
        self.came_to(policy, enforcement, "fault");
        if enforcement == Enforcement::Warn {
            let message = Message {
                msg: COULD_NOT_BE_ASKED.to_owned(),
                ..Message::default()
            };
            self.warnings.push(Said {
                policy: policy.to_owned(),
                message,
            });
        }
        self.faults.push(PolicyFault {
            policy: policy.to_owned(),
            fault,
            counts: counts && enforcement == Enforcement::Deny,
        });
    }

    /// Takes a fault that the policy wants passed over: it is counted and logged, no more.
    pub(crate) fn pass_over(&mut self, policy: &Policy, fault: Fault) {
        self.faults.push(PolicyFault {
            policy: policy.name.clone(),
            fault,
            counts: false,
        });
    }

    /// One outcome a policy: a fault says more than what came before it.
    fn came_to(&mut self, policy: &str, enforcement: Enforcement, outcome: &'static str) {
        match self.outcomes.iter_mut().find(|have| have.policy == policy) {
            Some(have) if outcome == "fault" => have.outcome = outcome,
            Some(_) => {}
            None => self.outcomes.push(PolicyOutcome {
                policy: policy.to_owned(),
                enforcement,
                outcome,
            }),
        }
    }

    /// What each policy came to that did more than say nothing.
    pub(crate) fn outcomes(&self) -> Vec<PolicyOutcome> {
        self.outcomes.clone()
    }

    /// What policies in dry-run would have denied with, one text each.
    pub(crate) fn rehearsed(&self) -> Vec<Rehearsed> {
        let by_policy = self.rehearsed.chunk_by(|a, b| a.policy == b.policy);
        by_policy
            .filter_map(|said| {
                let policy = said.first()?.policy.clone();
                Some(Rehearsed {
                    policy,
                    text: joined(said, DENIAL),
                })
            })
            .collect()
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

fn said_by(policy: &Policy) -> impl Fn(Message) -> Said {
    move |message| Said {
        policy: policy.name.clone(),
        message,
    }
}
