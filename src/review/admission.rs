//! AdmissionReview (`admission.k8s.io`): what the mutating and the validating gate share.

use std::collections::BTreeMap;
use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};

use kube::core::response::{Status, StatusCause, StatusDetails, StatusSummary};
use serde_json::{Value, json};

use super::content::{check_extra, check_text, member, object, present, string, strings, wrong};
use super::tally::Tally;
use super::text::{DENIAL, REASON, Said, cut, field_path, joined, warnings};
use super::{Decision, Envelope, Refusal, put};
use crate::policy::Document;
use crate::policy::matching::{Facts, Resource};
use crate::policy::namespaces::Namespace;

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
    /// What metadata can match on.
    pub(crate) facts: Facts,
    /// What is written: kind, group and name, for the details of a denial.
    about: StatusDetails,
}

impl Request {
    pub(crate) fn read(review: Document) -> Result<Self, String> {
        let request = present(&review, "request")?;
        let kind = present(&request, "kind")?;
        check_typed(&kind, "kind")?;
        check_typed(&present(&request, "resource")?, "resource")?;
        check_typed(&object(&request, "requestKind")?, "")?;
        check_typed(&object(&request, "requestResource")?, "")?;
        for key in ["namespace", "requestSubResource"] {
            string(&request, key)?;
        }
        check_user(&present(&request, "userInfo")?)?;
        check_objects(&request)?;
        if let Some(other) = member(&request, "dryRun").filter(|value| value.as_bool().is_none()) {
            return Err(wrong("dryRun", "a boolean", &other));
        }
        Ok(Request {
            facts: facts(&request)?,
            uid: string(&request, "uid")?,
            subresource: string(&request, "subResource")?,
            object: member(&request, "object"),
            about: details(
                string(&request, "name")?,
                string(&kind, "group")?,
                string(&kind, "kind")?,
            ),
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
        let causes = causes(tally.denials.iter().filter(is_cause), reason);
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

/// Group, version and the last member of a typed name; the version and the member named are there.
fn check_typed(typed: &Document, wanted: &str) -> Result<(), String> {
    for key in ["group", "version", "kind", "resource"] {
        string(typed, key)?;
    }
    if wanted.is_empty() {
        return Ok(());
    }
    check_text(typed, "version")?;
    check_text(typed, wanted)
}

fn check_user(user: &Document) -> Result<(), String> {
    for key in ["username", "uid"] {
        string(user, key)?;
    }
    strings(user, "groups")?;
    check_extra(user, "extra")
}

/// What the request says that metadata can match on.
fn facts(request: &Document) -> Result<Facts, String> {
    let (kind, resource, user) = (
        object(request, "kind")?,
        object(request, "resource")?,
        object(request, "userInfo")?,
    );
    let resource = Resource {
        group: string(&resource, "group")?,
        plural: string(&resource, "resource")?,
        subresource: string(request, "subResource")?,
    };
    // On DELETE there is only the object that goes.
    let written = member(request, "object").or_else(|| member(request, "oldObject"));
    let metadata = written
        .and_then(|object| member(&object, "metadata"))
        .unwrap_or_else(Document::empty);
    let text = |key: &str| {
        metadata
            .get(key)
            .and_then(|text| text.as_str().map(str::to_owned))
    };
    let asked = string(request, "name")?;
    let names = [Some(asked), text("name"), text("generateName")]
        .into_iter()
        .flatten();
    let name = names
        .into_iter()
        .find(|name| !name.is_empty())
        .unwrap_or_default();
    let is_namespace = resource.group.is_empty() && resource.plural == "namespaces";
    Ok(Facts {
        own_namespace: (is_namespace && resource.subresource.is_empty()).then(|| Namespace {
            name: name.clone(),
            labels: texts(&metadata, "labels"),
            annotations: texts(&metadata, "annotations"),
        }),
        resource: Some(resource),
        kind: Some((string(&kind, "group")?, string(&kind, "kind")?)),
        operation: string(request, "operation")?,
        name,
        namespace: string(request, "namespace")?,
        all_namespaces: false,
        user: string(&user, "username")?,
        groups: strings(&user, "groups")?,
        path: None,
        objects: ["object", "oldObject"]
            .into_iter()
            .filter_map(|key| member(request, key))
            .collect(),
    })
}

/// The strings of a map of strings.
fn texts(metadata: &Document, key: &str) -> BTreeMap<String, String> {
    let members = metadata
        .get(key)
        .and_then(|map| map.members())
        .unwrap_or_default();
    members
        .into_iter()
        .filter_map(|(key, value)| Some((key.to_string(), value.as_str()?.to_owned())))
        .collect()
}

/// The objects that the operation comes with are there, and objects.
fn check_objects(request: &Document) -> Result<(), String> {
    let wanted: &[&str] = match string(request, "operation")?.as_str() {
        "CREATE" | "CONNECT" => &["object"],
        "UPDATE" => &["object", "oldObject"],
        "DELETE" => &["oldObject"],
        _ => return Err("`operation` must be CREATE, UPDATE, DELETE or CONNECT".to_owned()),
    };
    for key in ["object", "oldObject", "options"] {
        object(request, key)?;
    }
    wanted.iter().try_for_each(|key| present(request, key).map(drop))
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

/// The causes, as many as fit into a denial, and one that counts the rest: kubectl prints nothing else where the reason is
/// Invalid.
fn causes<'a>(said: impl Iterator<Item = &'a Said>, reason: &str) -> Vec<StatusCause> {
    let kind = if reason == "Invalid" {
        "FieldValueInvalid"
    } else {
        "FieldValueForbidden"
    };
    let cause = |message: String, field: String| StatusCause {
        reason: kind.to_owned(),
        message,
        field,
    };
    let (mut causes, mut room, mut more) = (Vec::new(), DENIAL, 0_usize);
    for said in said {
        let (message, field) = (
            said.text(),
            said.message.field.as_deref().map(field_path).unwrap_or_default(),
        );
        let (message, field) = (cut(&message, REASON), cut(&field, REASON));
        match room.checked_sub(message.len() + field.len()) {
            Some(left) if more == 0 => {
                room = left;
                causes.push(cause(message, field));
            }
            _ => more += 1,
        }
    }
    if more > 0 {
        causes.push(cause(format!("… {more} more"), String::new()));
    }
    causes
}
