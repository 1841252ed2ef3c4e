//! SubjectAccessReview (`authorization.k8s.io`): what a user may do.
//!
//! Any `deny` denies, else any `allow` allows, else there is no opinion and the next authorizer is asked. A reason comes
//! only from the policies that decided: the API server shows reasons of "no opinion" to the user, too.

use serde_json::{Value, json};

use super::content::{check_extra, check_text, member, object, present, string, strings, wrong};
use super::tally::Tally;
use super::text::{REASON, Said, joined};
use super::{Decision, Envelope, Failure, Received, Refusal, Review, Settings, put};
use crate::gate::Gate;
use crate::policy::matching::{Facts, Resource};
use crate::policy::{Document, Message, Outcome, Policy};

/// A SubjectAccessReview under way.
pub(crate) struct SubjectAccessReview {
    facts: Facts,
    input: Document,
    allowed_by: Vec<String>,
    reasons: Vec<Said>,
    tally: Tally,
}

impl Review for SubjectAccessReview {
    const GATE: Gate = Gate::Authz;
    const KIND: &'static str = "SubjectAccessReview";
    const API_VERSIONS: &'static [&'static str] =
        &["authorization.k8s.io/v1", "authorization.k8s.io/v1beta1"];

    fn read(received: Received<'_>) -> Result<Self, String> {
        let review = received.document;
        let spec = present(&review, "spec")?;
        check_attributes(&spec)?;
        string(&spec, "user")?;
        string(&spec, "uid")?;
        check_extra(&spec, "extra")?;
        strings(&spec, "groups")?;
        // v1beta1 calls the list `group` and knows no `groups`; policies read `groups` in both.
        let facts = facts(&spec, received.api_version)?;
        let input = if received.api_version.ends_with("/v1beta1") {
            if !strings(&spec, "groups")?.is_empty() {
                return Err("`groups` is not a member of v1beta1: `group`".to_owned());
            }
            strings(&spec, "group")?;
            let groups = member(&spec, "group").unwrap_or_else(Document::empty_list);
            review.with("spec", spec.with("groups", groups))
        } else {
            review
        };
        Ok(SubjectAccessReview {
            facts,
            input,
            allowed_by: Vec::new(),
            reasons: Vec::new(),
            tally: Tally::default(),
        })
    }

    fn facts(&self) -> &Facts {
        &self.facts
    }

    fn input(&self) -> &Document {
        &self.input
    }

    fn take(&mut self, policy: &Policy, mut outcome: Outcome) {
        self.tally.take(policy, &mut outcome);
        if outcome.allow == Some(true) {
            self.allowed_by.push(policy.name.clone());
        }
        if let Some(msg) = outcome.reason.filter(|reason| !reason.is_empty()) {
            let message = Message {
                msg,
                ..Message::default()
            };
            self.reasons.push(Said {
                policy: policy.name.clone(),
                message,
            });
        }
    }

    fn tally(&mut self) -> &mut Tally {
        &mut self.tally
    }

    fn decide(&mut self, _: &Settings) -> Result<Decision, Failure> {
        let deniers = self.tally.deniers();
        if !deniers.is_empty() {
            let mut said = self.tally.denials.clone();
            said.extend(self.reasons_of(&deniers));
            return Ok(decision(
                "deny",
                deniers,
                json!({ "allowed": false, "denied": true }),
                &said,
            ));
        }
        if let Some(failure) = self.tally.failure() {
            return Err(failure);
        }
        if self.allowed_by.is_empty() {
            return Ok(no_opinion());
        }
        let said: Vec<_> = self.reasons_of(&self.allowed_by).collect();
        Ok(decision(
            "allow",
            self.allowed_by.clone(),
            json!({ "allowed": true }),
            &said,
        ))
    }

    fn refuse(_: &Envelope, refusal: &Refusal) -> (&'static str, Value) {
        (
            "status",
            json!({ "allowed": false, "denied": true, "reason": refusal.text }),
        )
    }
}

impl SubjectAccessReview {
    fn reasons_of(&self, policies: &[String]) -> impl Iterator<Item = Said> {
        self.reasons
            .iter()
            .filter(|said| policies.contains(&said.policy))
            .cloned()
    }
}

/// Both false and no word: the next authorizer decides.
pub(super) fn no_opinion() -> Decision {
    decision("no_opinion", Vec::new(), json!({ "allowed": false }), &[])
}

fn decision(label: &'static str, policies: Vec<String>, mut status: Value, said: &[Said]) -> Decision {
    if !said.is_empty() {
        put(&mut status, "reason", json!(joined(said, REASON)));
    }
    Decision {
        label,
        code: 200,
        policies,
        member: ("status", status),
    }
}

/// What the question says that metadata can match on.
fn facts(spec: &Document, api_version: &str) -> Result<Facts, String> {
    let groups = if api_version.ends_with("/v1beta1") {
        "group"
    } else {
        "groups"
    };
    let facts = Facts {
        user: string(spec, "user")?,
        groups: strings(spec, groups)?,
        all_namespaces: true,
        ..Facts::default()
    };
    if member(spec, "nonResourceAttributes").is_some() {
        let attributes = object(spec, "nonResourceAttributes")?;
        return Ok(Facts {
            operation: string(&attributes, "verb")?,
            path: Some(string(&attributes, "path")?),
            ..facts
        });
    }
    let attributes = object(spec, "resourceAttributes")?;
    Ok(Facts {
        resource: Some(Resource {
            group: string(&attributes, "group")?,
            plural: string(&attributes, "resource")?,
            subresource: string(&attributes, "subresource")?,
        }),
        operation: string(&attributes, "verb")?,
        name: string(&attributes, "name")?,
        namespace: string(&attributes, "namespace")?,
        ..facts
    })
}

fn is_list_of_objects(list: &Document) -> bool {
    list.items()
        .is_some_and(|items| items.iter().all(|item| item.kind() == "object"))
}

/// Exactly one of the two kinds of attributes, and no selector in two forms: two readers could understand two things.
fn check_attributes(spec: &Document) -> Result<(), String> {
    let resource = member(spec, "resourceAttributes");
    let path = member(spec, "nonResourceAttributes");
    match (&resource, &path) {
        (Some(attributes), None) => {
            check_text(attributes, "verb")?;
            for key in [
                "namespace",
                "verb",
                "group",
                "version",
                "resource",
                "subresource",
                "name",
            ] {
                string(&object(spec, "resourceAttributes")?, key)?;
            }
            for key in ["fieldSelector", "labelSelector"] {
                let selector = object(attributes, key)?;
                let raw = !string(&selector, "rawSelector")?.is_empty();
                let requirements = member(&selector, "requirements");
                if let Some(other) = requirements.as_ref().filter(|list| !is_list_of_objects(list)) {
                    return Err(wrong("requirements", "a list of objects", other));
                }
                if raw && requirements.is_some() {
                    return Err(format!("`{key}` has both `rawSelector` and `requirements`"));
                }
            }
            Ok(())
        }
        (None, Some(_)) => {
            let attributes = object(spec, "nonResourceAttributes")?;
            check_text(&attributes, "path")?;
            check_text(&attributes, "verb")
        }
        (Some(_), Some(_)) => Err("both `resourceAttributes` and `nonResourceAttributes`".to_owned()),
        (None, None) => Err("neither `resourceAttributes` nor `nonResourceAttributes`".to_owned()),
    }
}
