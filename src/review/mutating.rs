//! The mutating gate: policies change the object one after the other, and one joined patch is sent.
//!
//! Each policy sees the object as patched so far. A patch that is not empty makes the whole chain run once more on its
//! result: the API server calls webhooks again after others changed the object, so a mutation must be idempotent. A
//! policy that only warns and is not is left out, and everything is computed again without it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::Value;

use super::admission::{self, Request};
use super::tally::Tally;
use super::{Decision, Envelope, Failure, Received, Refusal, Review, Settings, raise};
use crate::gate::Gate;
use crate::patch::{self, Order};
use crate::policy::matching::Facts;
use crate::policy::{Document, Enforcement, Fault, Mutation, Outcome, Policy};

/// A mutating AdmissionReview under way.
pub(crate) struct Mutating {
    request: Request,
    /// The review with the object as patched so far.
    input: Document,
    /// `None` where the review has no object: there is nothing to patch.
    first: Option<patch::Mutation>,
    second: Option<Second>,
    mutators: Vec<String>,
    /// Policies that only warn and are not idempotent.
    left_out: Vec<String>,
    tally: Tally,
}

/// The chain on its own result.
struct Second {
    mutation: patch::Mutation,
    /// The first policy that changed something again.
    changed_by: Option<(String, Enforcement)>,
}

impl Review for Mutating {
    const GATE: Gate = Gate::Mutate;
    const KIND: &'static str = admission::KIND;
    const API_VERSIONS: &'static [&'static str] = admission::API_VERSIONS;

    fn read(received: Received<'_>) -> Result<Self, String> {
        let request = Request::read(received.document)?;
        // From the text and not from the engine's form, which does not tell 1.0 from 1.
        let object = request
            .object
            .is_some()
            .then(|| original_object(received.body))
            .transpose()?;
        Ok(Mutating {
            input: request.input.clone(),
            first: object.map(|object| patch::Mutation::new(object, &request.subresource)),
            request,
            second: None,
            mutators: Vec::new(),
            left_out: Vec::new(),
            tally: Tally::default(),
        })
    }

    fn facts(&self) -> &Facts {
        &self.request.facts
    }

    fn input(&self) -> &Document {
        &self.input
    }

    fn counts(&self, _: &Policy) -> bool {
        true
    }

    fn asks(&self, policy: &Policy) -> bool {
        !self.left_out.contains(&policy.name)
    }

    fn repeats(&self) -> bool {
        self.second.is_some()
    }

    fn rehearse(&self, outcome: &Outcome) -> Option<Fault> {
        let (mut target, mutation) = (self.first.clone()?, outcome.mutation.clone()?);
        let error = apply(&mut target, mutation).err()?;
        Some(patch_fault(&error))
    }

    fn take(&mut self, policy: &Policy, mut outcome: Outcome) {
        let mutation = outcome.mutation.take();
        let second = self.second.is_some();
        if !second {
            self.tally.take(policy, &mut outcome);
        }
        let target = match &mut self.second {
            Some(second) => Some(&mut second.mutation),
            None => self.first.as_mut(),
        };
        let (Some(target), Some(mutation)) = (target, mutation) else {
            return;
        };
        match apply(target, mutation) {
            Ok(false) => {}
            Ok(true) => {
                let object = Document::from_json(target.object());
                self.input = self
                    .request
                    .input
                    .with("request", self.request.request.with("object", object));
                match &mut self.second {
                    None => self.mutators.push(policy.name.clone()),
                    Some(second) => {
                        second
                            .changed_by
                            .get_or_insert_with(|| (policy.name.clone(), policy.enforcement));
                    }
                }
            }
            Err(error) => {
                let fault = patch_fault(&error);
                self.tally.fault(&policy.name, policy.enforcement, fault, true);
            }
        }
    }

    fn tally(&mut self) -> &mut Tally {
        &mut self.tally
    }

    fn again(&mut self) -> bool {
        let denied_or_failed = !self.tally.denials.is_empty() || self.tally.failure().is_some();
        match &self.first {
            Some(_) if self.second.is_some() => self.leave_out(),
            Some(first) if !denied_or_failed && !first.operations().is_empty() => {
                let mutation = patch::Mutation::new(first.object().clone(), &self.request.subresource);
                self.second = Some(Second {
                    mutation,
                    changed_by: None,
                });
                true
            }
            _ => false,
        }
    }

    fn decide(&mut self, _: &Settings) -> Result<Decision, Failure> {
        if !self.tally.denials.is_empty() {
            return Ok(self.request.denied(&self.tally));
        }
        if let Some(failure) = self.tally.failure() {
            return Err(failure);
        }
        let Some(first) = &self.first else {
            return Ok(self.request.allowed(&self.tally, Vec::new(), None));
        };
        if let Some((policy, _)) = self.not_idempotent() {
            let policy = policy.clone();
            return Err(raise(&mut self.tally, &policy, Fault::NotIdempotent));
        }
        match first.encode() {
            Ok(patch) => {
                let patch = patch.map(|patch| STANDARD.encode(patch));
                Ok(self.request.allowed(&self.tally, self.mutators.clone(), patch))
            }
            Err(error) => {
                let policies = self.mutators.join(", ");
                Err(raise(&mut self.tally, &policies, patch_fault(&error)))
            }
        }
    }

    fn refuse(envelope: &Envelope, refusal: &Refusal) -> (&'static str, Value) {
        admission::refuse(envelope, refusal)
    }
}

impl Mutating {
    /// Begins again with the object as received.
    fn restart(&mut self) {
        self.input = self.request.input.clone();
        self.first.iter_mut().for_each(patch::Mutation::reset);
        self.second = None;
        self.mutators.clear();
        self.tally = Tally::default();
        for policy in &self.left_out {
            self.tally
                .fault(policy, Enforcement::Warn, Fault::NotIdempotent, true);
        }
    }

    /// The policy because of which the second run ended with another object, if it did.
    fn not_idempotent(&self) -> Option<&(String, Enforcement)> {
        let (first, second) = (self.first.as_ref()?, self.second.as_ref()?);
        let culprit = second.changed_by.as_ref()?;
        (!patch::same(first.object(), second.mutation.object())).then_some(culprit)
    }

    /// Begins again without the policy that is not idempotent, if it is one that only warns.
    fn leave_out(&mut self) -> bool {
        match self.not_idempotent() {
            Some((policy, Enforcement::Warn)) => {
                let policy = policy.clone();
                self.left_out.push(policy);
                self.restart();
                true
            }
            _ => false,
        }
    }
}

/// `request.object` of a body that was found readable.
fn original_object(body: &[u8]) -> Result<Value, String> {
    #[derive(Deserialize)]
    struct Review {
        request: Request,
    }
    #[derive(Deserialize)]
    struct Request {
        object: Value,
    }
    let review: Review =
        serde_json::from_slice(body).map_err(|_| "the object is nested too deep".to_owned())?;
    Ok(review.request.object)
}

fn patch_fault(error: &patch::Error) -> Fault {
    Fault::Patch {
        place: error.without_pointers(),
        message: error.to_string(),
    }
}

/// Applies what a policy wants; whether the object changed.
fn apply(target: &mut patch::Mutation, mutation: Mutation) -> Result<bool, patch::Error> {
    match mutation {
        Mutation::Patch { operations, set } => {
            target.patch(&operations, if set { Order::Set } else { Order::Array })
        }
        Mutation::Mutated(wanted) => target.mutated(wanted),
    }
}
