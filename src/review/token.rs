//! TokenReview (`authentication.k8s.io`): who a token belongs to.
//!
//! A `deny` wins over all; else the user of the first policy by (order, name); else a bare `authenticated: false`, which
//! means "not mine". Identities that must not be given out are refused in [`super::identity`].

use serde_json::{Value, json};

use super::content::{object, string, strings};
use super::identity::checked;
use super::tally::Tally;
use super::text::{REASON, cut, joined, one_line};
use super::{Decision, Envelope, Failure, Received, Refusal, Review, Settings, put, raise};
use crate::gate::Gate;
use crate::policy::matching::Facts;
use crate::policy::{Document, Fault, Outcome, Policy, User};

/// A TokenReview under way.
pub(crate) struct TokenReview {
    /// Nothing of a token can be matched on.
    facts: Facts,
    input: Document,
    /// `spec.audiences`
    asked: Vec<String>,
    users: Vec<Found>,
    tally: Tally,
}

/// The user that a policy gave.
struct Found {
    policy: String,
    order: i64,
    user: User,
    audiences: Option<Vec<String>>,
}

impl Review for TokenReview {
    const GATE: Gate = Gate::Authn;
    const KIND: &'static str = "TokenReview";
    const API_VERSIONS: &'static [&'static str] =
        &["authentication.k8s.io/v1", "authentication.k8s.io/v1beta1"];

    fn read(received: Received<'_>) -> Result<Self, String> {
        let review = received.document;
        let spec = object(&review, "spec")?;
        if string(&spec, "token")?.is_empty() {
            return Err("`spec.token` is empty".to_owned());
        }
        let asked = strings(&spec, "audiences")?;
        Ok(TokenReview {
            facts: Facts::default(),
            input: review,
            asked,
            users: Vec::new(),
            tally: Tally::default(),
        })
    }

    fn facts(&self) -> &Facts {
        &self.facts
    }

    fn input(&self) -> &Document {
        &self.input
    }

    /// Before a user was found, a policy that could not be asked might have known the token.
    fn counts(&self, policy: &Policy) -> bool {
        policy.has("deny") || self.users.is_empty()
    }

    fn take(&mut self, policy: &Policy, mut outcome: Outcome) {
        self.tally.take(policy, &mut outcome);
        if let Some(user) = outcome.user {
            let (policy, order) = (policy.name.clone(), policy.order);
            self.users.push(Found {
                policy,
                order,
                user,
                audiences: outcome.audiences,
            });
        }
    }

    fn tally(&mut self) -> &mut Tally {
        &mut self.tally
    }

    fn decide(&mut self, settings: &Settings) -> Result<Decision, Failure> {
        if !self.tally.denials.is_empty() {
            let error = joined(&self.tally.denials, REASON);
            return Ok(self.refusal(&error, self.tally.deniers()));
        }
        if let Some(failure) = self.tally.failure() {
            return Err(failure);
        }
        let mut users = self.users.iter();
        let Some(first) = users.next() else {
            return Ok(decision(
                "no_opinion",
                Vec::new(),
                json!({ "authenticated": false }),
            ));
        };
        if let Some(other) = users.find(|other| other.order == first.order && other.user != first.user) {
            return Err(raise(&mut self.tally, &other.policy, Fault::TwoUsers));
        }
        let policies = vec![first.policy.clone()];
        match checked(&first.user, settings).and_then(|user| Ok((user, self.audiences(first)?))) {
            Ok((user, audiences)) => Ok(decision("allow", policies, status(&user, audiences))),
            Err(problem) => Ok(self.refusal(&format!("[{}] {problem}", first.policy), policies)),
        }
    }

    fn refuse(envelope: &Envelope, refusal: &Refusal) -> (&'static str, Value) {
        ("status", refused(&refusal.text, &envelope.audiences))
    }
}

impl TokenReview {
    fn refusal(&self, error: &str, policies: Vec<String>) -> Decision {
        decision("deny", policies, refused(error, &self.asked))
    }

    /// The audiences to answer with: none where the policy knows of none, else those asked for that the token has.
    fn audiences(&self, found: &Found) -> Result<Option<Vec<String>>, String> {
        let Some(of_token) = &found.audiences else {
            return Ok(None);
        };
        let asked = |audience: &&String| self.asked.is_empty() || self.asked.contains(audience);
        let both: Vec<String> = of_token.iter().filter(asked).cloned().collect();
        if both.is_empty() {
            Err("the token is for other audiences".to_owned())
        } else {
            Ok(Some(both))
        }
    }
}

/// A refusal that the API server hears: without the audiences that it asked for, it loses the error.
fn refused(error: &str, asked: &[String]) -> Value {
    let mut status = json!({ "authenticated": false, "error": cut(&one_line(error), REASON) });
    if !asked.is_empty() {
        put(&mut status, "audiences", json!(asked));
    }
    status
}

/// The audiences that a review asks for, as far as they can be read.
pub(super) fn asked_audiences(review: &Document) -> Vec<String> {
    object(review, "spec")
        .and_then(|spec| strings(&spec, "audiences"))
        .unwrap_or_default()
}

fn decision(label: &'static str, policies: Vec<String>, status: Value) -> Decision {
    Decision {
        label,
        code: 200,
        policies,
        member: ("status", status),
    }
}

fn status(user: &User, audiences: Option<Vec<String>>) -> Value {
    let mut identity = json!({ "username": user.username });
    if !user.uid.is_empty() {
        put(&mut identity, "uid", json!(user.uid));
    }
    if !user.groups.is_empty() {
        put(&mut identity, "groups", json!(user.groups));
    }
    if !user.extra.is_empty() {
        put(&mut identity, "extra", json!(user.extra));
    }
    let mut status = json!({ "authenticated": true, "user": identity });
    if let Some(audiences) = audiences {
        put(&mut status, "audiences", json!(audiences));
    }
    status
}
