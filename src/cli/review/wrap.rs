//! Reviews made from what people have: manifests, a token, a question.

use std::fmt;
use std::path::Path;
use std::str::FromStr;

use anyhow::{Context, bail};
use kube::core::{ApiResource, GroupVersionKind};
use serde_json::{Value, json};

use super::text_at;
use crate::cluster::look::Look;
use crate::gate::Gate;
use crate::policy::metadata::too_much;
use crate::review::put;

#[cfg(test)]
mod tests;

/// Something to decide.
pub(in crate::cli) enum Item {
    /// A review as it stands in a file, or as it was made.
    Review {
        /// What to call it.
        name: String,
        /// The gate that its kind belongs to.
        gate: Gate,
        /// The text, untouched.
        body: String,
    },
    /// A manifest, wrapped into an AdmissionReview.
    Manifest {
        /// File, kind and name.
        name: String,
        /// The only gate to ask.
        gate: Option<Gate>,
        /// The review.
        review: Value,
    },
}

impl Item {
    /// The namespace that it is about; empty where it is about none.
    pub(in crate::cli) fn namespace(&self) -> String {
        let read;
        let review = match self {
            Item::Manifest { review, .. } => review,
            Item::Review { body, .. } => {
                read = serde_json::from_str(body).unwrap_or(Value::Null);
                &read
            }
        };
        let places = [
            "/request/namespace",
            "/spec/resourceAttributes/namespace",
            "/spec/namespace",
        ];
        let found = places.iter().find_map(|place| text_at(review, place));
        found.unwrap_or_default().to_owned()
    }

    pub(in crate::cli) fn name(&self) -> &str {
        match self {
            Item::Review { name, .. } | Item::Manifest { name, .. } => name,
        }
    }
}

/// What happens to a manifest's object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// It is written for the first time.
    Create,
    /// It replaces the old one.
    Update,
    /// It goes away: the manifest is the old object.
    Delete,
}

impl Operation {
    fn as_str(self) -> &'static str {
        match self {
            Operation::Create => "CREATE",
            Operation::Update => "UPDATE",
            Operation::Delete => "DELETE",
        }
    }
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for Operation {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let all = [Operation::Create, Operation::Update, Operation::Delete];
        let found = all
            .into_iter()
            .find(|operation| operation.as_str().eq_ignore_ascii_case(text));
        found.ok_or_else(|| "one of CREATE, UPDATE, DELETE".to_owned())
    }
}

/// Who asks for what.
pub(in crate::cli) struct Subject {
    /// What was asked for; without it, CREATE, or UPDATE of what is in the cluster.
    pub(in crate::cli) operation: Option<Operation>,
    /// `userInfo`, at least with `username` and `groups`.
    pub(in crate::cli) user: Value,
    pub(in crate::cli) namespace: String,
    pub(in crate::cli) old: Option<Value>,
    pub(in crate::cli) gate: Option<Gate>,
    /// Where to look things up.
    pub(in crate::cli) cluster: Option<Look>,
}

/// Kinds that are in no namespace: a manifest does not say it.
const CLUSTER_KINDS: &[&str] = &[
    "APIService",
    "CertificateSigningRequest",
    "ClusterRole",
    "ClusterRoleBinding",
    "ClusterTrustBundle",
    "CSIDriver",
    "CSINode",
    "CustomResourceDefinition",
    "DeviceClass",
    "DeviceTaintRule",
    "FlowSchema",
    "GatewayClass",
    "IngressClass",
    "IPAddress",
    "MutatingAdmissionPolicy",
    "MutatingAdmissionPolicyBinding",
    "MutatingWebhookConfiguration",
    "Namespace",
    "Node",
    "PersistentVolume",
    "PriorityClass",
    "PriorityLevelConfiguration",
    "ResourceSlice",
    "RuntimeClass",
    "ServiceCIDR",
    "StorageClass",
    "ValidatingAdmissionPolicy",
    "ValidatingAdmissionPolicyBinding",
    "ValidatingWebhookConfiguration",
    "VolumeAttachment",
    "VolumeAttributesClass",
];

/// What a file holds: one review, or any number of manifests.
pub(in crate::cli) fn items(path: &Path, text: String, subject: &Subject) -> anyhow::Result<Vec<Item>> {
    let name = path.display().to_string();
    // A review is decided on its own text, down to numbers and repeated keys.
    if let Ok(review) = serde_json::from_str::<Value>(&text)
        && let Some(gate) = gate_of(&review, subject)?
    {
        return Ok(vec![Item::Review {
            name,
            gate,
            body: text,
        }]);
    }
    let mut items = Vec::new();
    for document in documents(&name, &text)? {
        match gate_of(&document, subject)? {
            Some(gate) => items.push(Item::Review {
                name: name.clone(),
                gate,
                body: document.to_string(),
            }),
            None => {
                let listed = text_at(&document, "/kind") == Some("List");
                let objects = if listed {
                    document
                        .get("items")
                        .and_then(Value::as_array)
                        .cloned()
                        .unwrap_or_default()
                } else {
                    vec![document]
                };
                for object in objects {
                    items.push(wrapped(&name, object, subject)?);
                }
            }
        }
    }
    Ok(items)
}

/// The one manifest of a file.
pub(in crate::cli) fn manifest(path: &Path, text: &str) -> anyhow::Result<Value> {
    let name = path.display().to_string();
    let mut documents = documents(&name, text)?;
    match (documents.pop(), documents.is_empty()) {
        (Some(document), true) => Ok(document),
        _ => bail!("{name}: one manifest is wanted here"),
    }
}

/// The YAML documents of a text, without those that hold nothing; JSON is YAML.
pub(in crate::cli) fn documents(name: &str, text: &str) -> anyhow::Result<Vec<Value>> {
    let documents: Vec<Value> = serde_saphyr::from_multiple(text)
        .map_err(|error| match too_much(&error) {
            Some(message) => anyhow::anyhow!(message),
            None => error.into(),
        })
        .with_context(|| name.to_owned())?;
    if let Some(other) = documents.iter().find(|document| !document.is_object()) {
        bail!("{name}: neither a review nor a manifest: {other:.40}");
    }
    Ok(documents)
}

/// The gate of a review's kind; of an AdmissionReview the one that was asked for, else validate.
fn gate_of(document: &Value, subject: &Subject) -> anyhow::Result<Option<Gate>> {
    let gate = match text_at(document, "/kind") {
        Some("TokenReview") => Gate::Authn,
        Some("SubjectAccessReview") => Gate::Authz,
        Some("ImageReview") => Gate::Image,
        Some("AdmissionReview") => match subject.gate {
            Some(gate @ (Gate::Mutate | Gate::Validate)) => gate,
            Some(other) => bail!("an AdmissionReview is for mutate or validate, not for {other}"),
            None => Gate::Validate,
        },
        _ => return Ok(None),
    };
    Ok(Some(gate))
}

fn wrapped(file: &str, mut object: Value, subject: &Subject) -> anyhow::Result<Item> {
    if let Some(other @ (Gate::Authn | Gate::Authz | Gate::Image)) = subject.gate {
        bail!("a manifest is for mutate or validate, not for {other}");
    }
    let text = |object: &Value, pointer: &str| text_at(object, pointer).unwrap_or_default().to_owned();
    let (api_version, kind) = (text(&object, "/apiVersion"), text(&object, "/kind"));
    if api_version.is_empty() || kind.is_empty() {
        bail!("{file}: a manifest has apiVersion and kind");
    }
    let (group, version) = api_version.split_once('/').unwrap_or(("", &api_version));
    let served = subject
        .cluster
        .as_ref()
        .map(|cluster| cluster.served(group, version, &kind));
    let served = served
        .transpose()
        .with_context(|| format!("{file}: {kind} of {api_version}"))?;
    let plural = match &served {
        Some(served) => served.plural().to_owned(),
        None => ApiResource::from_gvk(&GroupVersionKind::gvk(group, version, &kind)).plural,
    };
    let namespaced = served
        .as_ref()
        .map_or(!CLUSTER_KINDS.contains(&kind.as_str()), |served| {
            served.namespaced
        });
    let mut namespace = text(&object, "/metadata/namespace");
    if namespace.is_empty() && namespaced {
        namespace.clone_from(&subject.namespace);
        if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) {
            metadata.insert("namespace".to_owned(), json!(namespace));
        }
    }
    let name = text(&object, "/metadata/name");
    if kind == "Namespace" {
        namespace.clone_from(&name);
    }
    let there = match (&subject.cluster, &served) {
        (Some(cluster), Some(served)) if subject.old.is_none() && !name.is_empty() => cluster
            .object(served, &namespace, &name)
            .with_context(|| format!("{file}: {kind} {name}"))?,
        _ => None,
    };
    let (operation, new, old) = change(file, subject, object, there)?;
    let typed = json!({ "group": group, "version": version, "kind": kind });
    let resource = json!({ "group": group, "version": version, "resource": plural });
    let mut request = json!({
        "uid": "00000000-0000-0000-0000-000000000000", "kind": typed, "resource": resource,
        "requestKind": typed, "requestResource": resource, "operation": operation.as_str(),
        "userInfo": subject.user, "object": new, "oldObject": old, "dryRun": true, "options": null
    });
    for (key, value) in [("name", &name), ("namespace", &namespace)] {
        if !value.is_empty() {
            put(&mut request, key, json!(value));
        }
    }
    let called = if namespace.is_empty() || kind == "Namespace" {
        name
    } else {
        format!("{namespace}/{name}")
    };
    Ok(Item::Manifest {
        name: format!("{file}: {kind} {called}"),
        gate: subject.gate,
        review: json!({ "kind": "AdmissionReview", "apiVersion": "admission.k8s.io/v1", "request": request }),
    })
}

/// The operation with the new and the old object; `there` is what the cluster has.
fn change(
    file: &str,
    subject: &Subject,
    object: Value,
    there: Option<Value>,
) -> anyhow::Result<(Operation, Value, Value)> {
    let by_default = if there.is_some() {
        Operation::Update
    } else {
        Operation::Create
    };
    let operation = subject.operation.unwrap_or(by_default);
    match operation {
        Operation::Delete => Ok((operation, Value::Null, there.unwrap_or(object))),
        Operation::Create => Ok((operation, object, subject.old.clone().unwrap_or(Value::Null))),
        Operation::Update => match (&subject.old, there) {
            (Some(old), _) => Ok((operation, object, old.clone())),
            (None, Some(old)) => {
                // As applying it would: what the manifest does not say stays as it is.
                let mut new = old.clone();
                json_patch::merge(&mut new, &object);
                Ok((operation, new, old))
            }
            (None, None) => bail!("{file}: an UPDATE needs the old object: --old FILE"),
        },
    }
}

/// A TokenReview of this token.
pub(in crate::cli) fn token(token: &str) -> anyhow::Result<Item> {
    if token.is_empty() {
        bail!("--token: the token is empty");
    }
    let review = json!({ "kind": "TokenReview", "apiVersion": "authentication.k8s.io/v1", "spec": { "token": token } });
    Ok(Item::Review {
        name: "token".to_owned(),
        gate: Gate::Authn,
        body: review.to_string(),
    })
}

/// A SubjectAccessReview of this question.
pub(in crate::cli) fn access(
    verb: &str,
    resource: Option<&str>,
    path: Option<&str>,
    subject: &Subject,
) -> anyhow::Result<Item> {
    let mut spec = json!({ "user": subject.user.get("username"), "groups": subject.user.get("groups") });
    for key in ["uid", "extra"] {
        if let Some(value) = subject.user.get(key) {
            put(&mut spec, key, value.clone());
        }
    }
    let what = match (resource, path) {
        (Some(resource), None) => {
            let (resource, subresource) = resource.split_once('/').unwrap_or((resource, ""));
            let (plural, group) = resource.split_once('.').unwrap_or((resource, ""));
            let mut attributes = json!({ "verb": verb, "resource": plural });
            for (key, value) in [
                ("group", group),
                ("subresource", subresource),
                ("namespace", &subject.namespace),
            ] {
                if !value.is_empty() {
                    put(&mut attributes, key, json!(value));
                }
            }
            put(&mut spec, "resourceAttributes", attributes);
            resource
        }
        (None, Some(path)) => {
            put(
                &mut spec,
                "nonResourceAttributes",
                json!({ "verb": verb, "path": path }),
            );
            path
        }
        _ => bail!("--verb needs --resource or --path"),
    };
    let user = text_at(&subject.user, "/username").unwrap_or_default();
    let name = format!("{user} {verb} {what}");
    let review =
        json!({ "kind": "SubjectAccessReview", "apiVersion": "authorization.k8s.io/v1", "spec": spec });
    Ok(Item::Review {
        name,
        gate: Gate::Authz,
        body: review.to_string(),
    })
}
