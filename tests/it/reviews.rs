//! Reviews as text: one for every kind and version that a gate answers, and policies that understand them.
//!
//! Used by the tests of what is answered over the wire. What becomes of a review is said by its word, which stands
//! where its gate looks first (`good`, `no`, `fault`, `slow`, `echo`, anything else); what is odd about it stands at its free
//! place, where the API server would have what a requester wrote.

/// A kind of review in one version, and the gate that answers it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Kind {
    pub(crate) gate: &'static str,
    pub(crate) kind: &'static str,
    pub(crate) api_version: &'static str,
}

const fn kind(gate: &'static str, kind: &'static str, api_version: &'static str) -> Kind {
    Kind {
        gate,
        kind,
        api_version,
    }
}

/// Every kind in every version.
pub(crate) const KINDS: [Kind; 9] = [
    kind("authn", "TokenReview", "authentication.k8s.io/v1"),
    kind("authn", "TokenReview", "authentication.k8s.io/v1beta1"),
    kind("authz", "SubjectAccessReview", "authorization.k8s.io/v1"),
    kind("authz", "SubjectAccessReview", "authorization.k8s.io/v1beta1"),
    kind("image", "ImageReview", "imagepolicy.k8s.io/v1alpha1"),
    kind("mutate", "AdmissionReview", "admission.k8s.io/v1"),
    kind("mutate", "AdmissionReview", "admission.k8s.io/v1beta1"),
    kind("validate", "AdmissionReview", "admission.k8s.io/v1"),
    kind("validate", "AdmissionReview", "admission.k8s.io/v1beta1"),
];

/// The uid of every admission review that does not say another.
pub(crate) const UID: &str = "705ab4f5-6393-11e8-b7cc-42010a800002";

impl Kind {
    pub(crate) fn target(&self) -> String {
        format!("/v1/{}", self.gate)
    }

    pub(crate) fn is_admission(&self) -> bool {
        self.kind == "AdmissionReview"
    }

    /// The version without its group.
    fn version(&self) -> &str {
        self.api_version.rsplit('/').next().unwrap()
    }

    /// A review with this word and this JSON at its free place.
    pub(crate) fn review(&self, word: &str, free: &str) -> String {
        self.review_as(UID, word, free)
    }

    /// The same with a uid, where the kind has one.
    pub(crate) fn review_as(&self, uid: &str, word: &str, free: &str) -> String {
        let content = self.content(uid, word, free);
        format!(
            r#"{{"kind":"{}","apiVersion":"{}",{content}}}"#,
            self.kind, self.api_version
        )
    }

    /// What stands behind kind and version.
    pub(crate) fn content(&self, uid: &str, word: &str, free: &str) -> String {
        let groups = if self.version() == "v1beta1" {
            "group"
        } else {
            "groups"
        };
        match self.gate {
            "authn" => format!(
                r#""metadata":{{}},"spec":{{"token":"{word}","free":{free}}},"status":{{"user":{{}}}}"#
            ),
            "authz" => format!(
                r#""metadata":{{}},"spec":{{"user":"{word}","{groups}":["dev"],"resourceAttributes":{{"verb":"get",
                "resource":"secrets","namespace":"shop"}},"free":{free}}},"status":{{"allowed":false}}"#
            ),
            "image" => format!(
                r#""metadata":{{}},"spec":{{"containers":[{{"image":"{word}"}}],"namespace":"shop","free":{free}}},
                "status":{{"allowed":false}}"#
            ),
            _ => format!(
                r#""request":{{"uid":"{uid}","kind":{{"group":"","version":"v1","kind":"Pod"}},
                "resource":{{"group":"","version":"v1","resource":"pods"}},"name":"{word}","namespace":"shop",
                "operation":"CREATE","userInfo":{{"username":"jane"}},"object":{{"apiVersion":"v1","kind":"Pod",
                "metadata":{{"name":"{word}"}},"spec":{{"containers":[{{"name":"c","image":"a"}}],"free":{free}}}}},
                "oldObject":null,"dryRun":false,"options":null}}"#
            ),
        }
    }

    /// The response that carries this JSON in `status`, or in `response` behind the uid.
    pub(crate) fn answer(&self, member: &str) -> String {
        let name = if self.is_admission() { "response" } else { "status" };
        format!(
            r#"{{"apiVersion":"{}","kind":"{}","{name}":{member}}}"#,
            self.api_version, self.kind
        )
    }

    /// The response that refuses without a policy's word. `details` is of `status`, where the kind has one.
    pub(crate) fn refusal(&self, uid: &str, code: u16, text: &str, details: &str) -> String {
        let text = serde_json::Value::from(text);
        self.answer(&match self.gate {
            "authn" => format!(r#"{{"authenticated":false,"error":{text}}}"#),
            "authz" => format!(r#"{{"allowed":false,"denied":true,"reason":{text}}}"#),
            "image" => format!(r#"{{"allowed":false,"reason":{text}}}"#),
            _ => format!(
                r#"{{"allowed":false,"status":{{"code":{code},{details}"message":{text},"reason":"{}","status":"Failure"}},"uid":"{uid}"}}"#,
                reason(code)
            ),
        })
    }

    /// The response to a review whose word is `good`: what no refused one may be answered with.
    pub(crate) fn allowed(&self) -> String {
        self.answer(&match self.gate {
            "authn" => r#"{"authenticated":true,"user":{"username":"jane"}}"#.to_owned(),
            "authz" | "image" => r#"{"allowed":true}"#.to_owned(),
            _ => format!(r#"{{"allowed":true,"uid":"{UID}"}}"#),
        })
    }
}

/// The reasons that clients know.
fn reason(code: u16) -> &'static str {
    match code {
        400 => "BadRequest",
        403 => "Forbidden",
        413 => "RequestEntityTooLarge",
        429 => "TooManyRequests",
        500 => "InternalError",
        503 => "ServiceUnavailable",
        504 => "Timeout",
        other => panic!("no reason is known for {other}"),
    }
}

/// A policy for each gate that says yes to `good` and no to `no`, fails on `fault`, does not end on `slow` and tells on
/// `echo` what it found at the free place.
pub(crate) const POLICIES: [(&str, &str); 5] = [
    (
        "policies/authn.rego",
        r#"package kubernetes.authentication.words
user := {"username": "jane"} if input.spec.token == "good"
deny contains "no such luck" if input.spec.token == "no"
deny contains "never" if { input.spec.token == "fault"; to_number(input.spec.token) == 1 }
deny contains "never" if { input.spec.token == "slow"; data.long.work }
deny contains json.marshal(input.spec.free) if input.spec.token == "echo"
"#,
    ),
    (
        "policies/authz.rego",
        r#"package kubernetes.authorization.words
allow if input.spec.user == "good"
deny contains "no such luck" if input.spec.user == "no"
deny contains "never" if { input.spec.user == "fault"; to_number(input.spec.user) == 1 }
deny contains "never" if { input.spec.user == "slow"; data.long.work }
deny contains json.marshal(input.spec.free) if input.spec.user == "echo"
"#,
    ),
    (
        "policies/image.rego",
        r#"package kubernetes.image.words
image := input.spec.containers[0].image
deny contains "no such luck" if image == "no"
deny contains "never" if { image == "fault"; to_number(image) == 1 }
deny contains "never" if { image == "slow"; data.long.work }
deny contains json.marshal(input.spec.free) if image == "echo"
"#,
    ),
    (
        "policies/mutate.rego",
        r#"package kubernetes.mutation.words
patch := [{"op": "add", "path": "/metadata/labels", "value": {"by": "regate"}}] if input.request.name == "label"
patch := [{"op": "add", "path": "/spec/copy", "value": input.request.object.spec.free}] if input.request.name == "copy"
deny contains "no such luck" if input.request.name == "no"
deny contains "never" if { input.request.name == "fault"; to_number(input.request.name) == 1 }
deny contains "never" if { input.request.name == "slow"; data.long.work }
deny contains json.marshal(input.request.object.spec.free) if input.request.name == "echo"
"#,
    ),
    (
        "policies/validate.rego",
        r#"package kubernetes.admission.words
deny contains "no such luck" if input.request.name == "no"
deny contains "never" if { input.request.name == "fault"; to_number(input.request.name) == 1 }
deny contains "never" if { input.request.name == "slow"; data.long.work }
deny contains json.marshal(input.request.object.spec.free) if input.request.name == "echo"
"#,
    ),
];

/// Work that outlasts every deadline.
pub(crate) const LONG: (&str, &str) = (
    "policies/long.rego",
    "package long\nwork if { some a in numbers.range(1, 9999); some b in numbers.range(1, 9999); a * b < 0 }\n",
);

/// All of them.
pub(crate) fn policies() -> Vec<(&'static str, &'static str)> {
    POLICIES.into_iter().chain([LONG]).collect()
}
