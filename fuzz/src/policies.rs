//! One small policy for each gate, and what it means: in Rego for Regate, in Rust for the judge.
//!
//! The judge knows only what an allow needs; a "no" of Regate's is right for many reasons that are not told again here.

use serde_json::Value;

/// File names and texts.
pub const POLICIES: [(&str, &str); 6] = [
    (
        "authn.rego",
        r#"package kubernetes.authentication.tokens
user := {"username": "jane", "groups": ["dev"]} if input.spec.token == "good"
deny contains "revoked" if input.spec.token == "revoked"
"#,
    ),
    (
        "authz.rego",
        r#"package kubernetes.authorization.readers
allow if {
	input.spec.user == "jane"
	input.spec.resourceAttributes.verb == "get"
}
deny contains "the vault is closed" if input.spec.resourceAttributes.namespace == "vault"
"#,
    ),
    (
        "image.rego",
        r#"package kubernetes.image.registry
deny contains "latest" if { some container in input.spec.containers; endswith(container.image, ":latest") }
"#,
    ),
    (
        "mutate.rego",
        r#"package kubernetes.mutation.seen
patch := [{"op": "add", "path": ["metadata", "labels", "seen"], "value": "yes"}]
"#,
    ),
    (
        "validate.rego",
        r#"package kubernetes.admission.privileged
deny contains "privileged" if {
	some container in input.request.object.spec.containers
	container.securityContext.privileged == true
}
"#,
    ),
    (
        "faulty.rego",
        r#"package kubernetes.admission.faulty
deny contains "sum" if 1 + input.request.object.metadata.labels.sum == 2
"#,
    ),
];

/// Whether a review is answered with a yes.
pub fn is_allow(gate: &str, answer: &Value) -> bool {
    match gate {
        "authn" => answer["status"]["authenticated"] == true,
        "authz" | "image" => answer["status"]["allowed"] == true,
        _ => answer["response"]["allowed"] == true,
    }
}

/// Whether the policies may have allowed this review, which was read strictly.
pub fn may_allow(gate: &str, review: &Value) -> bool {
    has_envelope(gate, review) && policies_allow(gate, review)
}

/// Whether it is a review of this gate at all.
pub fn has_envelope(gate: &str, review: &Value) -> bool {
    let (kind, group, versions): (_, _, &[&str]) = match gate {
        "authn" => ("TokenReview", "authentication.k8s.io", &["v1", "v1beta1"]),
        "authz" => ("SubjectAccessReview", "authorization.k8s.io", &["v1", "v1beta1"]),
        "image" => ("ImageReview", "imagepolicy.k8s.io", &["v1alpha1"]),
        _ => ("AdmissionReview", "admission.k8s.io", &["v1", "v1beta1"]),
    };
    let has_version = |version: &&str| review["apiVersion"] == format!("{group}/{version}");
    let has_uid = kind != "AdmissionReview"
        || review["request"]["uid"]
            .as_str()
            .is_some_and(|uid| !uid.is_empty());
    review["kind"] == kind && versions.iter().any(has_version) && has_uid
}

fn policies_allow(gate: &str, review: &Value) -> bool {
    let (spec, request) = (&review["spec"], &review["request"]);
    match gate {
        "authn" => spec["token"] == "good",
        "authz" => {
            let attributes = &spec["resourceAttributes"];
            let question = spec["user"] == "jane" && attributes["verb"] == "get";
            question && attributes["namespace"] != "vault" && spec["nonResourceAttributes"].is_null()
        }
        "image" => spec.is_object() && members(&spec["containers"]).all(|one| is_pinned(&one["image"])),
        "mutate" => is_admissible(request),
        _ => {
            let object = &request["object"];
            let is_privileged = |one: &Value| one["securityContext"]["privileged"] == true;
            is_admissible(request)
                && !members(&object["spec"]["containers"]).any(is_privileged)
                && matches!(
                    &object["metadata"]["labels"]["sum"],
                    Value::Null | Value::Number(_)
                )
        }
    }
}

/// What the API server cannot leave out of a request.
fn is_admissible(request: &Value) -> bool {
    let named = |what: &str| request[what].is_object();
    let known = ["CREATE", "UPDATE", "DELETE", "CONNECT"]
        .iter()
        .any(|word| request["operation"] == *word);
    named("kind") && named("resource") && named("userInfo") && known
}

/// What a string would have to be; an image that is left out has no tag.
fn is_pinned(image: &Value) -> bool {
    match image {
        Value::Null => true,
        Value::String(image) => !image.ends_with(":latest"),
        _ => false,
    }
}

/// What `some … in` goes through.
fn members(collection: &Value) -> Box<dyn Iterator<Item = &Value> + '_> {
    match collection {
        Value::Array(items) => Box::new(items.iter()),
        Value::Object(members) => Box::new(members.values()),
        _ => Box::new(std::iter::empty()),
    }
}
