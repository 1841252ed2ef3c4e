//! What the API server never asks Regate about, whatever the policies say.
//!
//! Regate must be able to go away and come back: nothing that nodes, leader elections, certificates or the API
//! server's own checks need may wait for it. Each list is written once and gives the CEL conditions of the files as
//! well as the check of `--rule`.

use super::request::Request;

/// API groups of admission: the API server's own questions.
const GROUPS: [&str; 2] = ["authentication.k8s.io", "authorization.k8s.io"];

/// Resources of admission, as `GROUP/RESOURCE` or `GROUP/RESOURCE/SUBRESOURCE`.
const RESOURCES: [&str; 15] = [
    "/endpoints",
    "/events",
    "/nodes",
    "/nodes/status",
    "/pods/binding",
    "/pods/status",
    "/serviceaccounts/token",
    "apiregistration.k8s.io/apiservices",
    "apiregistration.k8s.io/apiservices/status",
    "certificates.k8s.io/certificatesigningrequests",
    "certificates.k8s.io/certificatesigningrequests/approval",
    "certificates.k8s.io/certificatesigningrequests/status",
    "coordination.k8s.io/leases",
    "discovery.k8s.io/endpointslices",
    "events.k8s.io/events",
];

/// The group whose requests admission leaves alone.
pub(super) const NODES: &str = "system:nodes";

/// Groups whose requests authz leaves alone. Never the prefix `system:`: every service account has it.
const AUTHZ_GROUPS: [&str; 3] = [
    "system:masters",
    "system:nodes",
    "system:serviceaccounts:kube-system",
];

/// Users whose requests authz leaves alone, besides Regate's own.
const AUTHZ_USERS: [&str; 4] = [
    "system:apiserver",
    "system:kube-controller-manager",
    "system:kube-scheduler",
    "system:kube-proxy",
];

/// Paths that authz leaves alone: what kubelet and load balancers ask of the API server itself, without any identity.
/// Where authz fails closed, an outage of Regate would otherwise restart API servers that are well.
const AUTHZ_PATHS: [&str; 3] = ["/healthz", "/livez", "/readyz"];

/// Whether admission is never asked about a resource of a group.
pub(super) fn is_exempt(group: &str, resource: &str) -> bool {
    GROUPS.contains(&group) || RESOURCES.contains(&format!("{group}/{resource}").as_str())
}

/// The API group and the resource of each that admission is never asked about, but for the groups that are excluded whole.
pub(super) fn resources() -> impl Iterator<Item = (&'static str, &'static str)> {
    RESOURCES.iter().filter_map(|resource| resource.split_once('/'))
}

/// A condition under which the API server asks: a name, and an expression that must be true.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Condition {
    pub(super) name: &'static str,
    pub(super) expression: String,
}

/// The conditions of both admission webhooks.
pub(super) fn admission(request: &Request) -> Vec<Condition> {
    let resource = "request.resource.group + '/' + request.resource.resource \
                    + (has(request.subResource) ? '/' + request.subResource : '')";
    let own = request.own_user().map(|user| Condition {
        name: "not-regate",
        expression: format!("request.userInfo.username != '{user}'"),
    });
    let conditions = [
        Condition {
            name: "not-a-node",
            expression: format!("!has(request.userInfo.groups) || !('{NODES}' in request.userInfo.groups)"),
        },
        Condition {
            name: "not-an-access-review",
            expression: format!("!(request.resource.group in {})", list(&GROUPS)),
        },
        Condition {
            name: "not-what-the-cluster-runs-on",
            expression: format!("!(({resource}) in {})", list(&RESOURCES)),
        },
    ];
    own.into_iter().chain(conditions).collect()
}

/// The conditions of the authorizer.
pub(super) fn authz(request: &Request) -> Vec<String> {
    let own = request.own_user();
    let users: Vec<&str> = AUTHZ_USERS.into_iter().chain(own.as_deref()).collect();
    vec![
        format!(
            "!has(request.groups) || !request.groups.exists(group, group in {})",
            list(&AUTHZ_GROUPS)
        ),
        format!("!has(request.user) || !(request.user in {})", list(&users)),
        format!(
            "!has(request.nonResourceAttributes) || !(request.nonResourceAttributes.path in {})",
            list(&AUTHZ_PATHS)
        ),
    ]
}

/// A list in CEL. Its texts hold no quotes: they are ours or checked names.
fn list(texts: &[&str]) -> String {
    format!("['{}']", texts.join("', '"))
}
