//! The files that kube-apiserver reads itself: kubeconfigs, and the configuration of its authorizers and of admission.
//!
//! The Kubernetes crates have no types for these; the ones here hold what is written and nothing more. Every path in
//! them is absolute: a relative one would be read from wherever the process happens to run.

use std::path::Path;

use k8s_openapi::ByteString;
use serde::Serialize;

use super::exempt;
use super::request::{Client, Error, Request, Target, Url};
use crate::gate::Gate;

/// The API version of the files that configure kube-apiserver itself.
const APISERVER_CONFIG: &str = "apiserver.config.k8s.io/v1";
/// How long decisions of authz are kept: a change of policy is in force after it.
const AUTHZ_TTL: &str = "10s";
/// How long the API server waits for authz; as long as for admission.
const AUTHZ_TIMEOUT: &str = "5s";
/// Name of Regate in these files, as a cluster, a context and an authorizer.
const REGATE: &str = "regate";
/// Name of kube-apiserver as a user of Regate.
const APISERVER: &str = "kube-apiserver";

/// A kubeconfig.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Kubeconfig {
    api_version: &'static str,
    kind: &'static str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    clusters: Vec<NamedCluster>,
    users: Vec<NamedUser>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    contexts: Vec<NamedContext>,
    #[serde(rename = "current-context", skip_serializing_if = "Option::is_none")]
    current_context: Option<&'static str>,
}

#[derive(Serialize)]
struct NamedCluster {
    name: &'static str,
    cluster: Cluster,
}

#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct Cluster {
    server: String,
    certificate_authority_data: ByteString,
}

#[derive(Serialize)]
struct NamedUser {
    name: String,
    user: User,
}

/// Paths and no content: kube-apiserver reads a renewed certificate from the same path, and no key is copied.
#[derive(Default, Serialize)]
#[serde(rename_all = "kebab-case")]
struct User {
    #[serde(skip_serializing_if = "Option::is_none")]
    client_certificate: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    client_key: Option<String>,
}

#[derive(Serialize)]
struct NamedContext {
    name: &'static str,
    context: Context,
}

#[derive(Serialize)]
struct Context {
    cluster: &'static str,
    user: &'static str,
}

/// The kubeconfig with which kube-apiserver asks a gate that flags and files register.
pub(super) fn kubeconfig(request: &Request, url: &Url, gate: Gate) -> Result<Kubeconfig, Error> {
    let user = request.client.as_ref().map(user).transpose()?.unwrap_or_default();
    Ok(Kubeconfig {
        api_version: "v1",
        kind: "Config",
        clusters: vec![NamedCluster {
            name: REGATE,
            cluster: Cluster {
                server: url.of(gate),
                certificate_authority_data: ByteString(request.ca.clone()),
            },
        }],
        users: vec![NamedUser {
            name: APISERVER.to_owned(),
            user,
        }],
        contexts: vec![NamedContext {
            name: REGATE,
            context: Context {
                cluster: REGATE,
                user: APISERVER,
            },
        }],
        current_context: Some(REGATE),
    })
}

/// The kubeconfig in which kube-apiserver looks up what it shows to the webhooks of admission, by their address.
pub(super) fn admission_kubeconfig(target: &Target, client: &Client) -> Result<Kubeconfig, Error> {
    Ok(Kubeconfig {
        api_version: "v1",
        kind: "Config",
        clusters: Vec::new(),
        users: vec![NamedUser {
            name: target.user_name(),
            user: user(client)?,
        }],
        contexts: Vec::new(),
        current_context: None,
    })
}

fn user(client: &Client) -> Result<User, Error> {
    Ok(User {
        client_certificate: Some(utf8(&client.certificate)?),
        client_key: Some(utf8(&client.key)?),
    })
}

/// A path as the files hold it.
pub(super) fn utf8(path: &Path) -> Result<String, Error> {
    path.to_str()
        .map(str::to_owned)
        .ok_or_else(|| Error::NotUtf8(path.to_owned()))
}

/// The order in which kube-apiserver asks who may do what.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct AuthorizationConfiguration {
    api_version: &'static str,
    kind: &'static str,
    authorizers: Vec<Authorizer>,
}

#[derive(Serialize)]
struct Authorizer {
    #[serde(rename = "type")]
    kind: &'static str,
    name: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    webhook: Option<Webhook>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Webhook {
    #[serde(rename = "authorizedTTL")]
    authorized_ttl: &'static str,
    #[serde(rename = "unauthorizedTTL")]
    unauthorized_ttl: &'static str,
    timeout: &'static str,
    subject_access_review_version: &'static str,
    match_condition_subject_access_review_version: &'static str,
    failure_policy: &'static str,
    connection_info: ConnectionInfo,
    match_conditions: Vec<MatchCondition>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ConnectionInfo {
    #[serde(rename = "type")]
    kind: &'static str,
    kube_config_file: String,
}

#[derive(Serialize)]
struct MatchCondition {
    expression: String,
}

/// Node, Regate, RBAC: nodes never wait for Regate, and behind RBAC a deny would never be asked.
pub(super) fn authorization(request: &Request, kubeconfig: String) -> AuthorizationConfiguration {
    let conditions = exempt::authz(request);
    let webhook = Webhook {
        authorized_ttl: AUTHZ_TTL,
        unauthorized_ttl: AUTHZ_TTL,
        timeout: AUTHZ_TIMEOUT,
        subject_access_review_version: "v1",
        match_condition_subject_access_review_version: "v1",
        failure_policy: request.authz_failure().as_str(),
        connection_info: ConnectionInfo {
            kind: "KubeConfigFile",
            kube_config_file: kubeconfig,
        },
        match_conditions: conditions
            .into_iter()
            .map(|expression| MatchCondition { expression })
            .collect(),
    };
    // The API server demands these names of its own authorizers.
    let builtin = |kind, name| Authorizer {
        kind,
        name,
        webhook: None,
    };
    AuthorizationConfiguration {
        api_version: APISERVER_CONFIG,
        kind: "AuthorizationConfiguration",
        authorizers: vec![
            builtin("Node", "node"),
            Authorizer {
                kind: "Webhook",
                name: REGATE,
                webhook: Some(webhook),
            },
            builtin("RBAC", "rbac"),
        ],
    }
}

/// The configuration of admission's plugins.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct AdmissionConfiguration {
    api_version: &'static str,
    kind: &'static str,
    plugins: Vec<Plugin>,
}

#[derive(Serialize)]
struct Plugin {
    name: &'static str,
    configuration: PluginConfiguration,
}

#[derive(Serialize)]
#[serde(untagged)]
enum PluginConfiguration {
    Images {
        #[serde(rename = "imagePolicy")]
        policy: ImagePolicy,
    },
    Webhooks(WebhookAdmission),
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ImagePolicy {
    kube_config_file: String,
    /// Seconds.
    #[serde(rename = "allowTTL")]
    allow_ttl: u32,
    /// Seconds; the smallest there is, so that a policy that is mended is in force at once.
    #[serde(rename = "denyTTL")]
    deny_ttl: u32,
    /// Milliseconds.
    retry_backoff: u32,
    default_allow: bool,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct WebhookAdmission {
    api_version: &'static str,
    kind: &'static str,
    kube_config_file: String,
}

/// Which kubeconfigs admission's plugins use: for images, and for the webhooks of mutate and validate.
pub(super) struct AdmissionKubeconfigs {
    pub(super) image: Option<String>,
    pub(super) webhooks: Option<String>,
}

pub(super) fn admission(request: &Request, kubeconfigs: AdmissionKubeconfigs) -> AdmissionConfiguration {
    let images = kubeconfigs.image.map(|kube_config_file| Plugin {
        name: "ImagePolicyWebhook",
        configuration: PluginConfiguration::Images {
            policy: ImagePolicy {
                kube_config_file,
                allow_ttl: 30,
                deny_ttl: 1,
                retry_backoff: 500,
                default_allow: false,
            },
        },
    });
    let webhooks = |gate, name| {
        let kube_config_file = kubeconfigs
            .webhooks
            .clone()
            .filter(|_| request.gates.contains(&gate))?;
        let api_version = APISERVER_CONFIG;
        let kind = "WebhookAdmissionConfiguration";
        let configuration = PluginConfiguration::Webhooks(WebhookAdmission {
            api_version,
            kind,
            kube_config_file,
        });
        Some(Plugin { name, configuration })
    };
    let mutate = webhooks(Gate::Mutate, "MutatingAdmissionWebhook");
    let validate = webhooks(Gate::Validate, "ValidatingAdmissionWebhook");
    AdmissionConfiguration {
        api_version: APISERVER_CONFIG,
        kind: "AdmissionConfiguration",
        plugins: [images, mutate, validate].into_iter().flatten().collect(),
    }
}
