//! The starter policies of the program: the files of `policies/` that are served, as they are there.
//!
//! A test compares this table with the directory; tests of policies are left out, they are never served.

/// Path below `policies/`, and content.
pub(super) const FILES: &[(&str, &str)] = &[
    ("authn/tokens.rego", include_str!("../../../policies/authn/tokens.rego")),
    ("authz/exec_kube_system.rego", include_str!("../../../policies/authz/exec_kube_system.rego")),
    ("authz/readonly_group.rego", include_str!("../../../policies/authz/readonly_group.rego")),
    ("image/no_latest.rego", include_str!("../../../policies/image/no_latest.rego")),
    ("image/trusted_registries.rego", include_str!("../../../policies/image/trusted_registries.rego")),
    ("lib/images.rego", include_str!("../../../policies/lib/images.rego")),
    ("lib/pods.rego", include_str!("../../../policies/lib/pods.rego")),
    ("mutate/default_labels.rego", include_str!("../../../policies/mutate/default_labels.rego")),
    ("mutate/security_context.rego", include_str!("../../../policies/mutate/security_context.rego")),
    ("regate/tokens/data.json", include_str!("../../../policies/regate/tokens/data.json")),
    ("validate/host_namespaces.rego", include_str!("../../../policies/validate/host_namespaces.rego")),
    ("validate/host_path.rego", include_str!("../../../policies/validate/host_path.rego")),
    ("validate/missing_limits.rego", include_str!("../../../policies/validate/missing_limits.rego")),
    ("validate/privileged.rego", include_str!("../../../policies/validate/privileged.rego")),
];
