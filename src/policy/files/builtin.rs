//! The starter policies of the program: the files of `policies/` that are served, as they are there.
//!
//! A test compares this table with the directory; tests of policies are left out, they are never served.

macro_rules! files {
    ($($path:literal,)*) => {
        &[$(($path, include_str!(concat!("../../../policies/", $path)))),*]
    };
}

/// Path below `policies/`, and content.
pub(super) const FILES: &[(&str, &str)] = files![
    "authn/oidc.rego",
    "authn/tokens.rego",
    "authz/exec_kube_system.rego",
    "authz/readonly_group.rego",
    "image/no_latest.rego",
    "image/trusted_registries.rego",
    "lib/images.rego",
    "lib/pods.rego",
    "mutate/default_labels.rego",
    "mutate/security_context.rego",
    "regate/oidc/data.json",
    "regate/tokens/data.json",
    "validate/host_namespaces.rego",
    "validate/host_path.rego",
    "validate/missing_limits.rego",
    "validate/privileged.rego",
];
