//! Gatekeeper: a constraint is asked with `input.review` and `input.parameters`, and answers with `violation`.

use super::{pairs, present, request, wrong};
use crate::policy::engine::Document;
use crate::policy::namespaces::Namespace;
use crate::policy::{Fault, Message, Outcome};

/// The rule that every template has.
pub(crate) const VIOLATION: &str = "violation";

/// The member of a review in which some templates look for the Namespace.
pub(crate) const UNSTABLE: &str = "_unstable";

/// `{"review": …, "parameters": …}`: the request, in which what is deleted is the object.
pub(super) fn input(review: &Document, parameters: &Document, namespace: Option<&Namespace>) -> Document {
    let mut review = request(review);
    let deletes = review
        .get("operation")
        .is_some_and(|operation| operation.as_str() == Some("DELETE"));
    if let Some(old) = present(&review, "oldObject").filter(|_| deletes) {
        review = review.with("object", old);
    }
    if let Some(namespace) = namespace {
        let object = Document::object([
            ("apiVersion", Document::text("v1")),
            ("kind", Document::text("Namespace")),
            ("metadata", namespace.to_document()),
        ]);
        review = review.with(UNSTABLE, Document::object([("namespace", object)]));
    }
    Document::object([("review", review), ("parameters", parameters.clone())])
}

/// The violations, as denials.
pub(super) fn outcome(values: &Document) -> Result<Outcome, Fault> {
    let mut outcome = Outcome::default();
    for (_, value) in pairs(values)? {
        let violations = value
            .items()
            .ok_or_else(|| wrong(VIOLATION, "a set of violations", &value))?;
        for violation in &violations {
            outcome.deny.push(message(violation)?);
        }
    }
    outcome.deny.sort_by(|one, other| one.msg.cmp(&other.msg));
    Ok(outcome)
}

/// A violation. Other members than these two mean nothing, in Gatekeeper too.
fn message(violation: &Document) -> Result<Message, Fault> {
    let told = violation
        .get("msg")
        .ok_or_else(|| wrong(VIOLATION, "an object with `msg`", violation))?;
    let msg = told
        .as_str()
        .ok_or_else(|| wrong(VIOLATION, "a string as `msg`", &told))?;
    Ok(Message {
        msg: msg.to_owned(),
        // For the log only, where what has no form in JSON is of no use to anybody.
        details: violation
            .get("details")
            .and_then(|details| details.to_json().ok()),
        ..Message::default()
    })
}
