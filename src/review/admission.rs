//! AdmissionReview (`admission.k8s.io`): what the mutating and the validating gate share.

use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};

use kube::core::response::{Status, StatusCause, StatusDetails, StatusSummary};
use serde_json::{Value, json};

use super::content::{check_extra, member, object, string, strings, wrong};
use super::tally::Tally;
use super::text::{DENIAL, Said, field_path, joined, warnings};
use super::{Decision, Envelope, Refusal, put};
use crate::policy::Document;

/// `apiVersion`s of an AdmissionReview.
pub(crate) const API_VERSIONS: &[&str] = &["admission.k8s.io/v1", "admission.k8s.io/v1beta1"];

/// `kind` of an AdmissionReview.
pub(crate) const KIND: &str = "AdmissionReview";

/// The parts of an admission request that Regate itself needs.
pub(crate) struct Request {
    /// `request.uid`
    pub(crate) uid: String,
    /// The review as received.
    pub(crate) input: Document,
    /// `request`
    pub(crate) request: Document,
    /// `request.object`, unless it is null.
    pub(crate) object: Option<Document>,
    /// `request.subResource`
    pub(crate) subresource: String,
    /// What is written: kind, group and name, for the details of a denial.
    about: StatusDetails,
}

impl Request {
    pub(crate) fn read(review: Document) -> Result<Self, String> {
        let request = object(&review, "request")?;
        let operation = string(&request, "operation")?;
        if !["CREATE", "UPDATE", "DELETE", "CONNECT"].contains(&operation.as_str()) {
            return Err("`operation` must be CREATE, UPDATE, DELETE or CONNECT".to_owned());
        }
        for (key, members) in [
            ("kind", ["group", "version", "kind"]),
            ("resource", ["group", "version", "resource"]),
        ] {
            let typed = object(&request, key)?;
            for name in members {
                string(&typed, name)?;
            }
        }
        let user = object(&request, "userInfo")?;
        string(&user, "username")?;
        strings(&user, "groups")?;
        check_extra(&user, "extra")?;
        for key in ["oldObject", "options"] {
            object(&request, key)?;
        }
        let kind = object(&request, "kind")?;
        let about = details(
            string(&request, "name")?,
            string(&kind, "group")?,
            string(&kind, "kind")?,
        );
        string(&request, "namespace")?;
        if let Some(other) = member(&request, "dryRun").filter(|value| value.as_bool().is_none()) {
            return Err(wrong("dryRun", "a boolean", &other));
        }
        let written = member(&request, "object");
        if let Some(other) = written.as_ref().filter(|written| written.kind() != "object") {
            return Err(wrong("object", "an object", other));
        }
        Ok(Request {
            uid: string(&request, "uid")?,
            subresource: string(&request, "subResource")?,
            object: written,
            about,
            request,
            input: review,
        })
    }

    /// The denial of these messages: the highest of their codes, all texts in one.
    pub(crate) fn denied(&self, tally: &Tally) -> Decision {
        let code = tally
            .denials
            .iter()
            .filter_map(|said| said.message.code)
            .max()
            .unwrap_or(403);
        let reason = reason(code);
        // kubectl prints nothing but the causes where the reason is Invalid, so all messages become causes there.
        let is_cause = |said: &&Said| reason == "Invalid" || said.message.field.is_some();
        let causes: Vec<_> = tally
            .denials
            .iter()
            .filter(is_cause)
            .map(|said| cause(said, reason))
            .collect();
        let details = (!causes.is_empty()).then(|| StatusDetails {
            causes,
            ..self.about.clone()
        });
        let status = failure_status(code, joined(&tally.denials, DENIAL), details);
        let mut response = json!({ "uid": self.uid, "allowed": false, "status": status });
        self.decorate(&mut response, tally);
        Decision {
            label: "deny",
            code,
            policies: tally.deniers(),
            member: ("response", response),
        }
    }

    /// The admission, with a patch if there is one (base64 of a JSON array of operations).
    pub(crate) fn allowed(&self, tally: &Tally, policies: Vec<String>, patch: Option<String>) -> Decision {
        let mut response = json!({ "uid": self.uid, "allowed": true });
        if let Some(patch) = patch {
            put(&mut response, "patchType", json!("JSONPatch"));
            put(&mut response, "patch", json!(patch));
        }
        self.decorate(&mut response, tally);
        Decision {
            label: "allow",
            code: 200,
            policies,
            member: ("response", response),
        }
    }

    fn decorate(&self, response: &mut Value, tally: &Tally) {
        let warnings = warnings(&tally.warnings);
        if !warnings.is_empty() {
            put(response, "warnings", json!(warnings));
        }
        if !tally.annotations.is_empty() {
            put(
                response,
                "auditAnnotations",
                tally
                    .annotations
                    .iter()
                    .cloned()
                    .map(|(k, v)| (k, json!(v)))
                    .collect(),
            );
        }
    }
}

/// A refusal of the envelope alone.
pub(crate) fn refuse(envelope: &Envelope, refusal: &Refusal) -> (&'static str, Value) {
    let seconds = refusal.retry.then(|| retry_after(&envelope.uid));
    let details = seconds.map(|seconds| StatusDetails {
        retry_after_seconds: seconds,
        ..details(String::new(), String::new(), String::new())
    });
    let status = failure_status(refusal.code, refusal.text.clone(), details);
    (
        "response",
        json!({ "uid": envelope.uid, "allowed": false, "status": status }),
    )
}

fn details(name: String, group: String, kind: String) -> StatusDetails {
    StatusDetails {
        name,
        group,
        kind,
        uid: String::new(),
        causes: Vec::new(),
        retry_after_seconds: 0,
    }
}

/// 1 to 8 seconds, spread by the uid so that those who were sent away together do not come back together.
fn retry_after(uid: &str) -> u32 {
    let hash = BuildHasherDefault::<DefaultHasher>::default().hash_one(uid);
    u32::try_from(hash % 8).unwrap_or_default() + 1
}

fn failure_status(code: u16, message: String, details: Option<StatusDetails>) -> Status {
    Status {
        status: Some(StatusSummary::Failure),
        code,
        message,
        metadata: None,
        reason: reason(code).to_owned(),
        details,
    }
}

/// The reason that the API's clients know for a code.
fn reason(code: u16) -> &'static str {
    match code {
        400 => "BadRequest",
        405 => "MethodNotAllowed",
        406 => "NotAcceptable",
        412 => "PreconditionFailed",
        413 => "RequestEntityTooLarge",
        415 => "UnsupportedMediaType",
        422 => "Invalid",
        429 => "TooManyRequests",
        451 => "UnavailableForLegalReasons",
        500 => "InternalError",
        503 => "ServiceUnavailable",
        504 => "Timeout",
        _ => "Forbidden",
    }
}

fn cause(said: &Said, reason: &str) -> StatusCause {
    let kind = if reason == "Invalid" {
        "FieldValueInvalid"
    } else {
        "FieldValueForbidden"
    };
    StatusCause {
        reason: kind.to_owned(),
        message: said.text(),
        field: said.message.field.as_deref().map(field_path).unwrap_or_default(),
    }
}
