//! Reviews: what the API server posts to a gate, and what the gate answers.

pub mod envelope;
pub mod failure;

use std::time::{Duration, Instant};

use bytes::Bytes;

use crate::gate::Gate;
use crate::policy::PolicySet;
pub use envelope::EnvelopeHint;
pub use failure::Failure;

/// HTTP status, content type and body of what a gate answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// 200 for every review that could be read, else 400 or 503 (and 401, 404, 405, 413, 415 of the guards).
    pub status: u16,
    /// `application/json` for a review, `text/plain; charset=utf-8` for one line of text.
    pub content_type: &'static str,
    /// The response review, or one line.
    pub body: Bytes,
}

/// What the log and the metrics keep of one decision: never a token, Secret data or a whole object.
#[derive(Clone, Debug)]
pub struct Record {
    /// The gate that answered.
    pub gate: Gate,
    /// `request.uid` of an admission review; empty where a review has none.
    pub uid: String,
    /// The `decision` label: what the answer says.
    pub decision: &'static str,
    /// The `code` label: HTTP status, or `status.code` of a denied admission review.
    pub code: u16,
    /// Names of the policies that decided, in order.
    pub policies: Vec<String>,
    /// Revision of the policy set that decided; empty when none was asked.
    pub revision: String,
    /// Time spent in Rego.
    pub evaluation: Duration,
    /// Faults of policies: (policy, metric reason, detail for the log only).
    pub faults: Vec<(String, &'static str, String)>,
}

/// What the operator set that reviews depend on.
#[derive(Clone, Debug, Default)]
pub struct Settings {}

/// Decides one review: decode, build the input, evaluate, combine, encode. Runs on a thread of its gate.
pub fn answer(
    gate: Gate,
    body: &[u8],
    set: &PolicySet,
    settings: &Settings,
    deadline: Instant,
) -> (Answer, Record) {
    let _ = (body, set, settings, deadline);
    refuse(gate, &EnvelopeHint::default(), &Failure::Overload, settings)
}

/// Answers a review that was not evaluated, from the envelope alone.
pub fn refuse(gate: Gate, hint: &EnvelopeHint, failure: &Failure, settings: &Settings) -> (Answer, Record) {
    let _ = (hint, failure, settings);
    let answer = Answer {
        status: 503,
        content_type: "text/plain; charset=utf-8",
        body: Bytes::from_static(b"overload"),
    };
    let record = Record {
        gate,
        uid: String::new(),
        decision: "error",
        code: 503,
        policies: Vec::new(),
        revision: String::new(),
        evaluation: Duration::ZERO,
        faults: Vec::new(),
    };
    (answer, record)
}
