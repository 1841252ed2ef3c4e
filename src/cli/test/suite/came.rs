//! What became of the reviews of a case, as far as clients and operators are told.

use std::time::Instant;

use anyhow::Context;
use serde_json::{Map, Value, json};

use super::asked::{Asked, Question};
use crate::cli::review::patch_of;
use crate::gate::Gate;
use crate::policy::PolicySet;
use crate::policy::trials::Bench;
use crate::review::{self, Answer, FaultRecord, Record};

/// What came of one review, or of one after the other.
#[derive(Default)]
pub(super) struct Came {
    pub(super) decision: String,
    pub(super) by: Vec<String>,
    pub(super) code: u16,
    /// What whoever asked is told.
    pub(super) message: Option<String>,
    pub(super) warnings: Vec<String>,
    pub(super) annotations: Map<String, Value>,
    pub(super) object: Value,
    pub(super) patch: Value,
    pub(super) user: Value,
    pub(super) audiences: Value,
    pub(super) faults: Vec<FaultRecord>,
    pub(super) excepted: Vec<String>,
    pub(super) would_deny: Vec<String>,
    /// What is wrong with the review itself, where the policies did not decide.
    pub(super) problem: Option<String>,
}

impl Came {
    /// Asks what a case asks.
    ///
    /// # Errors
    /// When an answer cannot be read.
    pub(super) fn of(
        asked: &Asked,
        set: &PolicySet,
        bench: &Bench<'_>,
        deadline: Instant,
    ) -> anyhow::Result<Self> {
        let ask = |gate: Gate, body: &str| {
            review::answer_by(gate, body.as_bytes(), set, bench, &asked.settings, deadline)
        };
        let mut came = Came::default();
        match &asked.question {
            Question::One(gate, body) => {
                let (answer, record) = ask(*gate, body);
                came.take(answer, record)?;
                if *gate == Gate::Mutate {
                    let review = serde_json::from_str(body).context("the review")?;
                    came.mutate(review)?;
                }
            }
            Question::Both(review) => {
                let (answer, record) = ask(Gate::Mutate, &review.to_string());
                came.take(answer, record)?;
                let mutated = came.mutate(review.clone())?;
                if came.decision == "allow" {
                    let (answer, record) = ask(Gate::Validate, &mutated.to_string());
                    came.take(answer, record)?;
                }
            }
        }
        Ok(came)
    }

    /// Takes an answer; what is said once for all reviews is that of the last.
    fn take(&mut self, answer: Answer, record: Record) -> anyhow::Result<()> {
        self.decision = record.decision.replace('_', " ");
        self.by = record.policies;
        self.code = record.code;
        self.faults.extend(record.faults);
        self.excepted
            .extend(record.excepted.into_iter().map(|excepted| excepted.policy));
        self.would_deny
            .extend(record.would_deny.into_iter().map(|rehearsed| rehearsed.policy));
        self.problem = record.problem;
        if let Some(patch) = patch_of(&answer).unwrap_or_default() {
            self.patch = patch;
        }
        // What is no review is a line of text, and that is the record's problem.
        let Ok(review) = serde_json::from_slice::<Value>(&answer.body) else {
            return Ok(());
        };
        let places = ["/response/status/message", "/status/reason", "/status/error"];
        let mut texts = places.iter().filter_map(|place| review.pointer(place)?.as_str());
        self.message = texts.next().map(str::to_owned);
        let list = |place: &str| review.pointer(place).and_then(Value::as_array).cloned();
        let warnings = list("/response/warnings").unwrap_or_default();
        self.warnings
            .extend(warnings.iter().filter_map(Value::as_str).map(str::to_owned));
        for place in ["/response/auditAnnotations", "/status/auditAnnotations"] {
            let annotations = review.pointer(place).and_then(Value::as_object).cloned();
            self.annotations.extend(annotations.unwrap_or_default());
        }
        let part = |place: &str| review.pointer(place).cloned().unwrap_or_default();
        (self.user, self.audiences) = (part("/status/user"), part("/status/audiences"));
        Ok(())
    }

    /// Applies the patch to the object of a review, which is given back.
    fn mutate(&mut self, mut review: Value) -> anyhow::Result<Value> {
        if let Some(object) = review.pointer_mut("/request/object") {
            if !self.patch.is_null() {
                let patch: json_patch::Patch = serde_json::from_value(self.patch.clone())?;
                json_patch::patch(object, &patch).context("the patch does not apply")?;
            }
            self.object = object.clone();
        }
        if self.patch.is_null() {
            self.patch = json!([]);
        }
        Ok(review)
    }
}
