//! The validating gate: an AdmissionReview is denied if any policy denies it, with all messages in one answer.

use serde_json::Value;

use super::admission::{self, Request};
use super::tally::Tally;
use super::{Decision, Envelope, Failure, Received, Refusal, Review, Settings};
use crate::gate::Gate;
use crate::policy::matching::Facts;
use crate::policy::{Document, Outcome, Policy};

/// A validating AdmissionReview under way.
pub(crate) struct Validating {
    request: Request,
    tally: Tally,
}

impl Review for Validating {
    const GATE: Gate = Gate::Validate;
    const KIND: &'static str = admission::KIND;
    const API_VERSIONS: &'static [&'static str] = admission::API_VERSIONS;

    fn read(received: Received<'_>) -> Result<Self, String> {
        Ok(Validating {
            request: Request::read(received.document)?,
            tally: Tally::default(),
        })
    }

    fn facts(&self) -> &Facts {
        &self.request.facts
    }

    fn input(&self) -> &Document {
        &self.request.input
    }

    fn take(&mut self, policy: &Policy, mut outcome: Outcome) {
        self.tally.take(policy, &mut outcome);
    }

    fn tally(&mut self) -> &mut Tally {
        &mut self.tally
    }

    fn decide(&mut self, _: &Settings) -> Result<Decision, Failure> {
        if !self.tally.denials.is_empty() {
            return Ok(self.request.denied(&self.tally));
        }
        match self.tally.failure() {
            Some(failure) => Err(failure),
            None => Ok(self.request.allowed(&self.tally, Vec::new(), None)),
        }
    }

    fn refuse(envelope: &Envelope, refusal: &Refusal) -> (&'static str, Value) {
        admission::refuse(envelope, refusal)
    }
}
