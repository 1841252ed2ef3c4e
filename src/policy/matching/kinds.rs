//! `kinds`: the kinds of Kubernetes' own API and the resources that they are written as.
//!
//! A review names a resource, an author thinks in kinds. What is in this table can be named by kind alone; other kinds,
//! those of custom resources among them, need `resources` too, since nothing here can know their plurals.

use super::super::glob;
use super::Facts;

/// Kinds by API group, with their plurals.
const TABLE: &[(&str, &[(&str, &str)])] = &[
    (
        "",
        &[
            ("ConfigMap", "configmaps"),
            ("Endpoints", "endpoints"),
            ("Event", "events"),
            ("LimitRange", "limitranges"),
            ("Namespace", "namespaces"),
            ("Node", "nodes"),
            ("PersistentVolume", "persistentvolumes"),
            ("PersistentVolumeClaim", "persistentvolumeclaims"),
            ("Pod", "pods"),
            ("PodTemplate", "podtemplates"),
            ("ReplicationController", "replicationcontrollers"),
            ("ResourceQuota", "resourcequotas"),
            ("Secret", "secrets"),
            ("Service", "services"),
            ("ServiceAccount", "serviceaccounts"),
        ],
    ),
    (
        "admissionregistration.k8s.io",
        &[
            ("MutatingAdmissionPolicy", "mutatingadmissionpolicies"),
            (
                "MutatingAdmissionPolicyBinding",
                "mutatingadmissionpolicybindings",
            ),
            ("MutatingWebhookConfiguration", "mutatingwebhookconfigurations"),
            ("ValidatingAdmissionPolicy", "validatingadmissionpolicies"),
            (
                "ValidatingAdmissionPolicyBinding",
                "validatingadmissionpolicybindings",
            ),
            (
                "ValidatingWebhookConfiguration",
                "validatingwebhookconfigurations",
            ),
        ],
    ),
    (
        "apiextensions.k8s.io",
        &[("CustomResourceDefinition", "customresourcedefinitions")],
    ),
    ("apiregistration.k8s.io", &[("APIService", "apiservices")]),
    (
        "apps",
        &[
            ("ControllerRevision", "controllerrevisions"),
            ("DaemonSet", "daemonsets"),
            ("Deployment", "deployments"),
            ("ReplicaSet", "replicasets"),
            ("StatefulSet", "statefulsets"),
        ],
    ),
    (
        "autoscaling",
        &[("HorizontalPodAutoscaler", "horizontalpodautoscalers")],
    ),
    ("batch", &[("CronJob", "cronjobs"), ("Job", "jobs")]),
    (
        "certificates.k8s.io",
        &[("CertificateSigningRequest", "certificatesigningrequests")],
    ),
    ("coordination.k8s.io", &[("Lease", "leases")]),
    ("discovery.k8s.io", &[("EndpointSlice", "endpointslices")]),
    ("events.k8s.io", &[("Event", "events")]),
    (
        "gateway.networking.k8s.io",
        &[
            ("GRPCRoute", "grpcroutes"),
            ("Gateway", "gateways"),
            ("GatewayClass", "gatewayclasses"),
            ("HTTPRoute", "httproutes"),
        ],
    ),
    (
        "networking.k8s.io",
        &[
            ("IPAddress", "ipaddresses"),
            ("Ingress", "ingresses"),
            ("IngressClass", "ingressclasses"),
            ("NetworkPolicy", "networkpolicies"),
            ("ServiceCIDR", "servicecidrs"),
        ],
    ),
    ("node.k8s.io", &[("RuntimeClass", "runtimeclasses")]),
    ("policy", &[("PodDisruptionBudget", "poddisruptionbudgets")]),
    (
        "rbac.authorization.k8s.io",
        &[
            ("ClusterRole", "clusterroles"),
            ("ClusterRoleBinding", "clusterrolebindings"),
            ("Role", "roles"),
            ("RoleBinding", "rolebindings"),
        ],
    ),
    (
        "resource.k8s.io",
        &[
            ("DeviceClass", "deviceclasses"),
            ("ResourceClaim", "resourceclaims"),
            ("ResourceClaimTemplate", "resourceclaimtemplates"),
            ("ResourceSlice", "resourceslices"),
        ],
    ),
    ("scheduling.k8s.io", &[("PriorityClass", "priorityclasses")]),
    (
        "storage.k8s.io",
        &[
            ("CSIDriver", "csidrivers"),
            ("CSINode", "csinodes"),
            ("CSIStorageCapacity", "csistoragecapacities"),
            ("StorageClass", "storageclasses"),
            ("VolumeAttachment", "volumeattachments"),
            ("VolumeAttributesClass", "volumeattributesclasses"),
        ],
    ),
];

/// The subresources that write a Pod's own spec under the Pod's kind.
pub const POD_SUBRESOURCES: [&str; 2] = ["ephemeralcontainers", "resize"];

/// A pattern of `kinds` as API group and kind: `Pod` is of the core group.
pub fn split(pattern: &str) -> (&str, &str) {
    pattern.rsplit_once('/').unwrap_or(("", pattern))
}

/// The plural of a kind of Kubernetes' own.
pub fn plural(group: &str, kind: &str) -> Option<&'static str> {
    let (_, kinds) = TABLE.iter().find(|(have, _)| *have == group)?;
    let (_, plural) = kinds.iter().find(|(have, _)| *have == kind)?;
    Some(plural)
}

/// The groups of Kubernetes' own that have a kind of this name.
pub fn groups_of(kind: &str) -> impl Iterator<Item = &'static str> {
    TABLE
        .iter()
        .filter(move |(_, kinds)| kinds.iter().any(|(have, _)| *have == kind))
        .map(|(group, _)| *group)
}

/// Whether a pattern of `kinds` describes what is under review: the main resource of that kind, and the subresources
/// that change a running Pod's spec.
pub(super) fn names(pattern: &str, facts: &Facts) -> bool {
    let (Some((group, kind)), Some(resource)) = (&facts.kind, &facts.resource) else {
        return false;
    };
    let is_pod = group.is_empty() && kind == "Pod";
    let main = resource.subresource.is_empty()
        || (is_pod && POD_SUBRESOURCES.contains(&resource.subresource.as_str()));
    main && is_of(pattern, facts)
}

/// Whether what is under review is of a kind that the pattern describes, whatever it is written as.
pub(super) fn is_of(pattern: &str, facts: &Facts) -> bool {
    let (group_pattern, kind_pattern) = split(pattern);
    facts
        .kind
        .as_ref()
        .is_some_and(|(group, kind)| glob::matches(group_pattern, group) && glob::matches(kind_pattern, kind))
}
