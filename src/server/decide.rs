//! The seam between serving and deciding.
//!
//! The HTTP side knows bytes, deadlines and threads; what a review says and what it is answered is behind this trait.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use arc_swap::ArcSwap;

use super::status::PolicyStatus;
use crate::gate::Gate;
use crate::policy::{Policy, Served};
use crate::review::{self, Answer, EnvelopeHint, Failure, Record};

/// Answers reviews. Called from evaluation threads ([`Decide::decide`]) and from I/O threads (the others, which must
/// not block).
pub trait Decide: Send + Sync + 'static {
    /// Decides the review in `body`; `deadline` is when an answer is of no use any more.
    fn decide(&self, gate: Gate, body: &[u8], hint: &EnvelopeHint, deadline: Instant) -> (Answer, Record);

    /// Answers a review that nothing was evaluated for.
    fn refuse(&self, gate: Gate, hint: &EnvelopeHint, failure: &Failure) -> (Answer, Record);

    /// What must be there to decide well, by name, and whether it is.
    fn checks(&self) -> Vec<(&'static str, bool)>;

    /// What is to be told of the policies.
    fn status(&self) -> Arc<PolicyStatus> {
        Arc::default()
    }
}

/// Decides by the policy set that is served when a review's turn comes.
#[derive(Debug)]
pub struct Policies {
    served: Served,
    settings: review::Settings,
    status: Arc<ArcSwap<PolicyStatus>>,
    /// Whether it was ready once: from then on it does not wait for Namespaces any more.
    was_ready: AtomicBool,
}

impl Policies {
    /// Decides by whatever `served` holds, now and later.
    pub fn new(served: Served, settings: review::Settings) -> Self {
        Self {
            served,
            settings,
            status: Arc::default(),
            was_ready: AtomicBool::new(false),
        }
    }

    /// Tells of the policies whatever `status` holds, now and later.
    #[must_use]
    pub fn telling(self, status: Arc<ArcSwap<PolicyStatus>>) -> Self {
        Self { status, ..self }
    }
}

impl Decide for Policies {
    fn decide(&self, gate: Gate, body: &[u8], hint: &EnvelopeHint, deadline: Instant) -> (Answer, Record) {
        // Taken once, so that one revision decides all of a review.
        match self.served.load_full() {
            Some(set) => review::answer(gate, body, &set, &self.settings, deadline),
            None => self.refuse(gate, hint, &Failure::NoPolicySet),
        }
    }

    fn refuse(&self, gate: Gate, hint: &EnvelopeHint, failure: &Failure) -> (Answer, Record) {
        review::refuse(gate, hint, failure, &self.settings, self.served.load().as_deref())
    }

    fn checks(&self) -> Vec<(&'static str, bool)> {
        let served = self.served.load();
        let Some(set) = served.as_deref() else {
            return vec![("policies", false)];
        };
        let mut checks = vec![("policies", true)];
        let namespaces = &self.settings.namespaces;
        // A server that may not list Namespaces is as good as any for policies that do not ask for them. And one that
        // answers stays: all replicas take over new policies at once, and one faulting policy is less than no answers.
        if namespaces.has_source() && set.policies().iter().any(Policy::uses_namespaces) {
            let synced = namespaces.is_synced();
            if synced || !self.was_ready.load(Ordering::Relaxed) {
                checks.push(("namespaces", synced));
            }
        }
        if checks.iter().all(|(_, passed)| *passed) {
            self.was_ready.store(true, Ordering::Relaxed);
        }
        checks
    }

    fn status(&self) -> Arc<PolicyStatus> {
        self.status.load_full()
    }
}

#[cfg(test)]
mod tests;
