//! Looking things up in a cluster once, for a command: who asks, what is there, and what a Namespace says of itself.
//!
//! [`Look`] is what `kubectl regate` uses to make the review that the API server would make. It acts as the user of the
//! kubeconfig, reads and writes nothing but the question who that is, and never impersonates.

use std::future::Future;
use std::path::PathBuf;
use std::time::Duration;

use k8s_openapi::api::authentication::v1::SelfSubjectReview;
use k8s_openapi::api::core::v1;
use kube::api::PostParams;
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::core::{ApiResource, DynamicObject, GroupVersionKind};
use kube::discovery::{Scope, pinned_kind};
use kube::{Api, Client};
use serde_json::Value;
use tokio::runtime::Runtime;

use super::trouble::Trouble;
use crate::policy::namespaces::Namespace;

/// The longest time for one answer of the API server.
const TIME: Duration = Duration::from_secs(15);

/// Which kubeconfig, and what of it; what is left out is kubectl's default.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Kube {
    /// The file.
    pub kubeconfig: Option<PathBuf>,
    /// The context.
    pub context: Option<String>,
    /// The cluster, in place of the context's.
    pub cluster: Option<String>,
    /// The user, in place of the context's.
    pub user: Option<String>,
}

/// Why something could not be looked up, in words that hold no credentials.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Failed(String);

/// Who somebody is to the API server.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Identity {
    /// `username`, `groups` and, where there are any, `uid` and `extra`.
    pub user_info: Value,
}

/// A kind of object as the API server serves it.
#[derive(Clone, Debug)]
pub struct Served {
    resource: ApiResource,
    /// Whether its objects are in namespaces.
    pub namespaced: bool,
}

impl Served {
    /// `deployments`
    pub fn plural(&self) -> &str {
        &self.resource.plural
    }
}

/// A way into a cluster.
pub struct Look {
    runtime: Runtime,
    client: Client,
    namespace: String,
}

impl std::fmt::Debug for Look {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Look")
            .field("namespace", &self.namespace)
            .finish_non_exhaustive()
    }
}

impl Look {
    /// Reads the kubeconfig. Nothing is asked of the API server yet.
    ///
    /// # Errors
    /// When the kubeconfig cannot be used.
    pub fn open(kube: &Kube) -> Result<Self, Failed> {
        let read = || match &kube.kubeconfig {
            Some(file) => Kubeconfig::read_from(file).map_err(|error| (file.display().to_string(), error)),
            None => Kubeconfig::read().map_err(|error| ("kubeconfig".to_owned(), error)),
        };
        let kubeconfig =
            read().map_err(|(file, error)| Failed(format!("{file}: {}", super::text(&error))))?;
        let options = KubeConfigOptions {
            context: kube.context.clone(),
            cluster: kube.cluster.clone(),
            user: kube.user.clone(),
        };
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| Failed(error.to_string()))?;
        let of_kubeconfig = |problem| Failed(format!("kubeconfig: {problem}"));
        let connect = async {
            let mut config = super::configure(kubeconfig, &options)
                .await
                .map_err(of_kubeconfig)?;
            config.connect_timeout = Some(super::CONNECT);
            config.read_timeout = Some(TIME);
            let namespace = config.default_namespace.clone();
            let client = Client::try_from(config).map_err(|error| said(&error))?;
            Ok((client, namespace))
        };
        let (client, namespace) = runtime.block_on(connect)?;
        Ok(Self {
            runtime,
            client,
            namespace,
        })
    }

    /// The namespace of the kubeconfig's context.
    pub fn namespace(&self) -> &str {
        &self.namespace
    }

    /// Who the user of the kubeconfig is.
    ///
    /// # Errors
    /// When the API server does not say.
    pub fn whoami(&self) -> Result<Identity, Failed> {
        let api: Api<SelfSubjectReview> = Api::all(self.client.clone());
        let review = self.ask(async move {
            api.create(&PostParams::default(), &SelfSubjectReview::default())
                .await
        })?;
        let user = review
            .status
            .and_then(|status| status.user_info)
            .unwrap_or_default();
        let user_info = serde_json::to_value(user).map_err(|error| Failed(error.to_string()))?;
        Ok(Identity { user_info })
    }

    /// How the API server serves a kind.
    ///
    /// # Errors
    /// When it does not serve it, or does not say.
    pub fn served(&self, group: &str, version: &str, kind: &str) -> Result<Served, Failed> {
        let kind = GroupVersionKind::gvk(group, version, kind);
        let client = self.client.clone();
        let (resource, capabilities) = self.ask(async move { pinned_kind(&client, &kind).await })?;
        Ok(Served {
            resource,
            namespaced: capabilities.scope == Scope::Namespaced,
        })
    }

    /// An object as it is there; `None` if it is not.
    ///
    /// # Errors
    /// When the API server does not give it.
    pub fn object(&self, served: &Served, namespace: &str, name: &str) -> Result<Option<Value>, Failed> {
        let client = self.client.clone();
        let api: Api<DynamicObject> = if served.namespaced {
            Api::namespaced_with(client, namespace, &served.resource)
        } else {
            Api::all_with(client, &served.resource)
        };
        let name = name.to_owned();
        let object = self.ask(async move { api.get_opt(&name).await })?;
        let json = object.map(serde_json::to_value).transpose();
        json.map_err(|error| Failed(error.to_string()))
    }

    /// A Namespace as policies see it; `None` if it is not there.
    ///
    /// # Errors
    /// When the API server does not give it.
    pub fn namespace_named(&self, name: &str) -> Result<Option<Namespace>, Failed> {
        let api: Api<v1::Namespace> = Api::all(self.client.clone());
        let wanted = name.to_owned();
        let found = self.ask(async move { api.get_metadata_opt(&wanted).await })?;
        Ok(found.map(|object| Namespace {
            name: name.to_owned(),
            labels: object.metadata.labels.unwrap_or_default(),
            annotations: object.metadata.annotations.unwrap_or_default(),
        }))
    }

    fn ask<T>(&self, question: impl Future<Output = kube::Result<T>>) -> Result<T, Failed> {
        let answer = async { tokio::time::timeout(TIME, question).await };
        match self.runtime.block_on(answer) {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(error)) => Err(said(&error)),
            Err(_) => Err(Failed("the API server did not answer in time".to_owned())),
        }
    }
}

fn said(error: &kube::Error) -> Failed {
    Failed(Trouble::of_client(error).text)
}
