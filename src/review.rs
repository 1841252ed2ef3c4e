//! Reviews: what the API server posts to a gate, and what the gate answers.
//!
//! [`answer`] walks one review through five named steps: decode, input, evaluate, combine, encode. The server calls it
//! on a thread of the gate, the commands call it without a socket. Each kind of review is one file that implements
//! [`Review`] with pure functions; nothing here does I/O, logs or knows of HTTP beyond a status code.

mod admission;
mod content;
mod envelope;
mod evaluate;
mod failure;
mod identity;
mod image;
mod mutating;
mod namespace;
mod record;
mod subject_access;
mod tally;
mod text;
mod token;
mod validating;

use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use serde_json::{Value, json};

use crate::gate::Gate;
use crate::policy::matching::Facts;
use crate::policy::namespaces::Namespaces;
use crate::policy::{Document, Enforcement, Evaluate, Fault, Outcome, Policy, PolicySet};
pub use envelope::EnvelopeHint;
pub use failure::{Failure, OnFault};
use failure::{Refusal, Reply};
pub use identity::AllowIdentity;
pub use record::{Excepted, FaultRecord, PolicyOutcome, Record, Rehearsed};
use tally::Tally;

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

/// What the operator set that decisions depend on, and what is known of the cluster.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// What a fault is answered with at authz.
    pub on_fault_authz: OnFault,
    /// What a fault is answered with at mutate.
    pub on_fault_mutate: OnFault,
    /// What a fault is answered with at validate.
    pub on_fault_validate: OnFault,
    /// What the image gate answers when no policy matched: allowed, if true.
    pub image_default_allow: bool,
    /// Names beginning with `system:` that authn may give out.
    pub allow_identities: Vec<AllowIdentity>,
    /// What is known of the cluster's Namespaces.
    pub namespaces: Arc<Namespaces>,
    /// The time that it is for policies, in nanoseconds since 1970, where it is not the clock's.
    pub now_ns: Option<i64>,
}

impl Settings {
    fn on_fault(&self, gate: Gate) -> OnFault {
        match gate {
            Gate::Authn | Gate::Image => OnFault::Deny,
            Gate::Authz => self.on_fault_authz,
            Gate::Mutate => self.on_fault_mutate,
            Gate::Validate => self.on_fault_validate,
        }
    }
}

/// A kind of review. One implementation, one file, pure functions.
pub(crate) trait Review: Sized {
    /// The gate that answers it.
    const GATE: Gate;
    /// `kind` on the wire.
    const KIND: &'static str;
    /// `apiVersion`s on the wire, all answered as they came.
    const API_VERSIONS: &'static [&'static str];

    /// Reads the parts that Regate itself needs; the text says what is wrong.
    fn read(received: Received<'_>) -> Result<Self, String>;
    /// What it says that metadata can match on.
    fn facts(&self) -> &Facts;
    /// The input document for the next policy, without `regate` and `parameters`.
    fn input(&self) -> &Document;
    /// Notes an enforcing policy that the review matches, whether or not it can say anything of it.
    fn matched(&mut self, _: &Policy) {}
    /// Takes what a policy said.
    fn take(&mut self, policy: &Policy, outcome: Outcome);
    /// Finds a fault in what a policy in dry-run wants, without doing it.
    fn rehearse(&self, _: &Outcome) -> Option<Fault> {
        None
    }
    /// Whether a fault of this policy could hide a refusal or a change.
    fn counts(&self, policy: &Policy) -> bool {
        policy.has("deny")
    }
    /// What was said so far.
    fn tally(&mut self) -> &mut Tally;
    /// Whether the policies are to be asked once more.
    fn again(&mut self) -> bool {
        false
    }
    /// Whether a policy is still to be asked.
    fn asks(&self, _: &Policy) -> bool {
        true
    }
    /// Whether this is a repetition, of which only the result counts.
    fn repeats(&self) -> bool {
        false
    }
    /// Combines what all policies said.
    fn decide(&mut self, settings: &Settings) -> Result<Decision, Failure>;
    /// The member of the response that refuses, of the envelope alone.
    fn refuse(envelope: &Envelope, refusal: &Refusal) -> (&'static str, Value);
}

/// The envelope of a review that was read.
#[derive(Clone, Debug, Default)]
pub(crate) struct Envelope {
    pub(crate) api_version: String,
    /// Empty where the kind has none.
    pub(crate) uid: String,
    /// `spec.audiences` of a TokenReview whose content could be read that far.
    pub(crate) audiences: Vec<String>,
}

/// A review whose envelope and grammar were found right.
pub(crate) struct Received<'a> {
    /// The body, for what must come back as it was written.
    pub(crate) body: &'a [u8],
    /// `apiVersion`
    pub(crate) api_version: &'a str,
    /// The whole review.
    pub(crate) document: Document,
}

/// A decision, encoded into the member of the response that carries it.
pub(crate) struct Decision {
    /// The `decision` label.
    pub(crate) label: &'static str,
    /// The `code` label.
    pub(crate) code: u16,
    /// Names of the policies that decided.
    pub(crate) policies: Vec<String>,
    /// `status` or `response`, and its value.
    pub(crate) member: (&'static str, Value),
}

/// Decides one review: decode, build the input, evaluate, combine, encode. Runs on a thread of its gate.
pub fn answer(
    gate: Gate,
    body: &[u8],
    set: &PolicySet,
    settings: &Settings,
    deadline: Instant,
) -> (Answer, Record) {
    answer_by(gate, body, set, set, settings, deadline)
}

/// The same with another evaluator of the set's policies, such as one that also takes notes.
pub fn answer_by(
    gate: Gate,
    body: &[u8],
    set: &PolicySet,
    by: &dyn Evaluate,
    settings: &Settings,
    deadline: Instant,
) -> (Answer, Record) {
    let policies = Policies { set, by };
    match gate {
        Gate::Authn => run::<token::TokenReview>(body, &policies, settings, deadline),
        Gate::Authz => run::<subject_access::SubjectAccessReview>(body, &policies, settings, deadline),
        Gate::Image => run::<image::ImageReview>(body, &policies, settings, deadline),
        Gate::Mutate => run::<mutating::Mutating>(body, &policies, settings, deadline),
        Gate::Validate => run::<validating::Validating>(body, &policies, settings, deadline),
    }
}

/// The policies that are asked, and who evaluates them.
struct Policies<'a> {
    set: &'a PolicySet,
    by: &'a dyn Evaluate,
}

/// Answers a review that was not evaluated, from the envelope alone. `set` is the served set, if there is one: at authz
/// a review that was not finished counts as a fault only where a policy could have denied.
pub fn refuse(
    gate: Gate,
    hint: &EnvelopeHint,
    failure: &Failure,
    settings: &Settings,
    set: Option<&PolicySet>,
) -> (Answer, Record) {
    match gate {
        Gate::Authn => refuse_as::<token::TokenReview>(hint, failure, settings, set),
        Gate::Authz => refuse_as::<subject_access::SubjectAccessReview>(hint, failure, settings, set),
        Gate::Image => refuse_as::<image::ImageReview>(hint, failure, settings, set),
        Gate::Mutate => refuse_as::<mutating::Mutating>(hint, failure, settings, set),
        Gate::Validate => refuse_as::<validating::Validating>(hint, failure, settings, set),
    }
}

fn run<R: Review>(
    body: &[u8],
    policies: &Policies<'_>,
    settings: &Settings,
    deadline: Instant,
) -> (Answer, Record) {
    let mut record = Record::new(R::GATE, &policies.set.revision);
    let (envelope, document) = match decode::<R>(body) {
        Ok(decoded) => decoded,
        Err((envelope, failure)) => return fail::<R>(&envelope, &failure, settings, record),
    };
    record.uid.clone_from(&envelope.uid);
    let mut review = match R::read(Received {
        body,
        api_version: &envelope.api_version,
        document,
    }) {
        Ok(review) => review,
        Err(problem) => return fail::<R>(&envelope, &Failure::Content(problem), settings, record),
    };
    let started = Instant::now();
    evaluate::evaluate(&mut review, policies, settings, deadline);
    record.evaluation = started.elapsed();
    let decided = review.decide(settings);
    let fault = |fault: &tally::PolicyFault| FaultRecord {
        policy: fault.policy.clone(),
        reason: fault.fault.reason(),
        place: fault.fault.place(),
        text: fault.fault.to_string(),
    };
    record.faults = review.tally().faults.iter().map(fault).collect();
    record.details = review.tally().details();
    record.outcomes = review.tally().outcomes();
    record.would_deny = review.tally().rehearsed();
    record.excepted = std::mem::take(&mut review.tally().excepted);
    match decided {
        Ok(decision) => encode::<R>(&envelope, decision, record),
        Err(failure) => fail::<R>(&envelope, &failure, settings, record),
    }
}

/// The envelope and the whole review as a document.
fn decode<R: Review>(body: &[u8]) -> Result<(Envelope, Document), (Envelope, Failure)> {
    match Document::parse(body) {
        Ok(document) => {
            let text =
                |at: &Document, key: &str| at.get(key).and_then(|text| text.as_str().map(str::to_owned));
            let uid = document.get("request").and_then(|request| text(&request, "uid"));
            let hint = EnvelopeHint {
                kind: text(&document, "kind"),
                api_version: text(&document, "apiVersion"),
                uid,
            };
            let mut envelope = check::<R>(&hint).map_err(|failure| (Envelope::default(), failure))?;
            if R::GATE == Gate::Authn {
                envelope.audiences = token::asked_audiences(&document);
            }
            Ok((envelope, document))
        }
        Err(content) => {
            let envelope = EnvelopeHint::read(body).map_err(|error| Failure::Envelope(error.to_string()));
            match envelope.and_then(|hint| check::<R>(&hint)) {
                Ok(envelope) => Err((envelope, Failure::Content(content.to_string()))),
                Err(failure) => Err((Envelope::default(), failure)),
            }
        }
    }
}

/// The envelope, if it is that of the route.
fn check<R: Review>(hint: &EnvelopeHint) -> Result<Envelope, Failure> {
    let admission = matches!(R::GATE, Gate::Mutate | Gate::Validate);
    if hint.kind.as_deref() != Some(R::KIND) {
        return Err(Failure::Envelope(format!("`kind` must be {}", R::KIND)));
    }
    let api_version = hint
        .api_version
        .as_deref()
        .filter(|version| R::API_VERSIONS.contains(version));
    let Some(api_version) = api_version else {
        return Err(Failure::Envelope(format!(
            "`apiVersion` must be {}",
            R::API_VERSIONS.join(" or ")
        )));
    };
    let uid = hint.uid.clone().filter(|uid| admission && !uid.is_empty());
    if admission && uid.is_none() {
        return Err(Failure::Envelope(
            "`request.uid` must be a string that is not empty".to_owned(),
        ));
    }
    Ok(Envelope {
        api_version: api_version.to_owned(),
        uid: uid.unwrap_or_default(),
        audiences: Vec::new(),
    })
}

/// A review as it goes out: the version that came in, by construction.
fn response<R: Review>(envelope: &Envelope, (member, value): (&'static str, Value)) -> Answer {
    let review = json!({ "apiVersion": envelope.api_version, "kind": R::KIND, member: value });
    Answer {
        status: 200,
        content_type: "application/json",
        body: Bytes::from(review.to_string()),
    }
}

fn encode<R: Review>(envelope: &Envelope, decision: Decision, mut record: Record) -> (Answer, Record) {
    record.decision = decision.label;
    record.code = decision.code;
    record.policies = decision.policies;
    (response::<R>(envelope, decision.member), record)
}

fn fail<R: Review>(
    envelope: &Envelope,
    failure: &Failure,
    settings: &Settings,
    mut record: Record,
) -> (Answer, Record) {
    record.uid.clone_from(&envelope.uid);
    record.failure = Some(failure.as_str());
    match failure.reply(R::GATE, settings.on_fault(R::GATE)) {
        Reply::Http { status, text } => {
            record.code = status;
            record.problem = Some(text.clone());
            let body = Bytes::from(format!("{text}\n"));
            (
                Answer {
                    status,
                    content_type: "text/plain; charset=utf-8",
                    body,
                },
                record,
            )
        }
        Reply::Refusal(refusal) => {
            record.code = refusal.code;
            record.problem = Some(refusal.text.clone());
            (response::<R>(envelope, R::refuse(envelope, &refusal)), record)
        }
    }
}

fn refuse_as<R: Review>(
    hint: &EnvelopeHint,
    failure: &Failure,
    settings: &Settings,
    set: Option<&PolicySet>,
) -> (Answer, Record) {
    let record = Record::new(R::GATE, set.map_or("", |set| &set.revision));
    // A caller who is not let in learns nothing of the review; an HTTP error needs no envelope.
    let needs_envelope = matches!(
        failure.reply(R::GATE, settings.on_fault(R::GATE)),
        Reply::Refusal(_)
    );
    let envelope = match check::<R>(hint) {
        Ok(envelope) => envelope,
        Err(unreadable) if needs_envelope => {
            return fail::<R>(&Envelope::default(), &unreadable, settings, record);
        }
        Err(_) => Envelope::default(),
    };
    let unfinished = matches!(failure, Failure::Deadline | Failure::Panic);
    if R::GATE == Gate::Authz && unfinished && set.is_some_and(|set| !set.any_has(Gate::Authz, "deny")) {
        let mut record = record;
        record.failure = Some(failure.as_str());
        return encode::<R>(&envelope, subject_access::no_opinion(), record);
    }
    fail::<R>(&envelope, failure, settings, record)
}

/// Sets a member of a response.
pub(crate) fn put(object: &mut Value, key: &str, member: Value) {
    if let Some(members) = object.as_object_mut() {
        members.insert(key.to_owned(), member);
    }
}

/// Raises a fault that combining found, and gives the failure it amounts to.
pub(crate) fn raise(tally: &mut Tally, policy: &str, fault: Fault) -> Failure {
    tally.fault(policy, Enforcement::Deny, fault, true);
    tally.failure().unwrap_or(Failure::Fault)
}

#[cfg(test)]
mod tests;
