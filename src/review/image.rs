//! ImageReview (`imagepolicy.k8s.io/v1alpha1`): which images may run.
//!
//! Any `deny` denies. Else, if a policy has `allow`, one must be true. Else the images are allowed if any policy was
//! asked, and if none was, what the operator set decides.

use serde_json::{Value, json};

use super::content::{member, object, present, string, wrong};
use super::tally::Tally;
use super::text::{REASON, joined};
use super::{Decision, Envelope, Failure, Received, Refusal, Review, Settings, put};
use crate::gate::Gate;
use crate::policy::matching::Facts;
use crate::policy::{Document, Outcome, Policy};

/// An ImageReview under way.
pub(crate) struct ImageReview {
    facts: Facts,
    input: Document,
    asked: Vec<String>,
    allowed_by: Vec<String>,
    needs_allow: bool,
    tally: Tally,
}

impl Review for ImageReview {
    const GATE: Gate = Gate::Image;
    const KIND: &'static str = "ImageReview";
    const API_VERSIONS: &'static [&'static str] = &["imagepolicy.k8s.io/v1alpha1"];

    fn read(received: Received<'_>) -> Result<Self, String> {
        let review = received.document;
        let spec = present(&review, "spec")?;
        let namespace = string(&spec, "namespace")?;
        let annotations = object(&spec, "annotations")?;
        for (key, _) in annotations.members().unwrap_or_default() {
            string(&annotations, &key)
                .map_err(|_| "`annotations` must be an object of strings".to_owned())?;
        }
        if let Some(containers) = member(&spec, "containers") {
            let list = containers
                .items()
                .ok_or_else(|| wrong("containers", "a list", &containers))?;
            for container in list {
                if container.kind() != "object" {
                    return Err(wrong("containers", "a list of objects", &container));
                }
                string(&container, "image")?;
            }
        }
        Ok(ImageReview {
            facts: Facts {
                namespace,
                ..Facts::default()
            },
            input: review,
            asked: Vec::new(),
            allowed_by: Vec::new(),
            needs_allow: false,
            tally: Tally::default(),
        })
    }

    fn facts(&self) -> &Facts {
        &self.facts
    }

    fn input(&self) -> &Document {
        &self.input
    }

    fn counts(&self, policy: &Policy) -> bool {
        policy.has("deny") || policy.has("allow")
    }

    fn matched(&mut self, policy: &Policy) {
        self.asked.push(policy.name.clone());
    }

    fn take(&mut self, policy: &Policy, mut outcome: Outcome) {
        self.tally.take(policy, &mut outcome);
        self.needs_allow |= policy.has("allow");
        if outcome.allow == Some(true) {
            self.allowed_by.push(policy.name.clone());
        }
    }

    fn tally(&mut self) -> &mut Tally {
        &mut self.tally
    }

    fn decide(&mut self, settings: &Settings) -> Result<Decision, Failure> {
        if !self.tally.denials.is_empty() {
            let reason = joined(&self.tally.denials, REASON);
            return Ok(self.decision(false, self.tally.deniers(), Some(&reason)));
        }
        if let Some(failure) = self.tally.failure() {
            return Err(failure);
        }
        if self.needs_allow {
            return Ok(match self.allowed_by.is_empty() {
                true => self.decision(false, self.asked.clone(), Some("no policy allows these images")),
                false => self.decision(true, self.allowed_by.clone(), None),
            });
        }
        if self.asked.is_empty() && !settings.image_default_allow {
            return Ok(self.decision(false, Vec::new(), Some("no policy is about these images")));
        }
        Ok(self.decision(true, self.asked.clone(), None))
    }

    fn refuse(_: &Envelope, refusal: &Refusal) -> (&'static str, Value) {
        ("status", json!({ "allowed": false, "reason": refusal.text }))
    }
}

impl ImageReview {
    fn decision(&self, allowed: bool, policies: Vec<String>, reason: Option<&str>) -> Decision {
        let mut status = json!({ "allowed": allowed });
        if let Some(reason) = reason {
            put(&mut status, "reason", json!(reason));
        }
        if !self.tally.annotations.is_empty() {
            put(
                &mut status,
                "auditAnnotations",
                self.tally
                    .annotations
                    .iter()
                    .cloned()
                    .map(|(k, v)| (k, json!(v)))
                    .collect(),
            );
        }
        let label = if allowed { "allow" } else { "deny" };
        Decision {
            label,
            code: 200,
            policies,
            member: ("status", status),
        }
    }
}
