//! The cluster that a server runs for, as far as policies need to know it: its Namespaces.
//!
//! [`look`] is for commands. [`Cluster::start`] is called once by `regate serve`. One watch, of metadata only, fills a [`Namespaces`]; it has a
//! thread and a runtime of its own, so that nothing that the API server does can hold up a review. Whoever it acts for
//! needs exactly this role, bound for the whole cluster:
//!
//! ```yaml
//! rules:
//! - apiGroups: [""]
//!   resources: [namespaces]
//!   verbs: [get, list, watch]
//! ```

pub mod look;
mod trouble;
mod watch;

#[cfg(test)]
mod tests;

use std::ffi::OsStr;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::select;
use kube::Client;
use kube::config::{KubeConfigOptions, Kubeconfig, KubeconfigError};
use tokio::sync::oneshot;

use crate::policy::namespaces::Namespaces;
use trouble::Trouble;
use watch::Watch;

/// Where a cluster puts the token of a Pod's service account.
pub const TOKEN_FILE: &str = "/var/run/secrets/kubernetes.io/serviceaccount/token";

/// The longest time for a connection to the API server.
const CONNECT: Duration = Duration::from_secs(10);
/// The longest silence of the API server: longer than that of a watch in which nothing happens.
const READ: Duration = Duration::from_secs(watch::SECONDS as u64 + 15);

/// How the API server is reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Access {
    /// As the service account of the Pod that this runs in.
    InCluster,
    /// As a file says that the operator named.
    Kubeconfig(PathBuf),
}

impl Access {
    /// The way that the operator named, else that of a Pod: one whose environment names the API server
    /// (`KUBERNETES_SERVICE_HOST`) and that has a `token_file`. `None` where there is neither.
    pub fn find(kubeconfig: Option<&Path>, service_host: Option<&OsStr>, token_file: &Path) -> Option<Self> {
        let in_cluster = || service_host.is_some_and(|host| !host.is_empty()) && token_file.exists();
        match kubeconfig {
            Some(file) => Some(Access::Kubeconfig(file.to_owned())),
            None => in_cluster().then_some(Access::InCluster),
        }
    }
}

/// Why the cluster cannot be watched. All but the last are the operator's to mend.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The kubeconfig cannot be used: the file, or what it names.
    #[error("{}: {problem}", file.display())]
    Kubeconfig {
        /// The file.
        file: PathBuf,
        /// What is wrong, without anything that stands in it.
        problem: String,
    },
    /// What a Pod is given to reach the API server cannot be used.
    #[error("the Pod's service account: {problem}")]
    ServiceAccount {
        /// What is wrong.
        problem: String,
    },
    /// The machine gives no threads.
    #[error("cannot watch the cluster: {0}")]
    System(#[from] io::Error),
}

/// A running watch. It ends when this is dropped.
#[derive(Debug)]
pub struct Cluster {
    _stop: oneshot::Sender<()>,
}

impl Cluster {
    /// Begins to fill `namespaces`. An API server that does not answer, or refuses, is no error: it is asked until it
    /// does, and meanwhile `namespaces` is not synced.
    ///
    /// # Errors
    /// When the operator's kubeconfig cannot be used.
    pub fn start(access: Access, namespaces: Arc<Namespaces>) -> Result<Self, Error> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        // A Pod's environment is not the operator's word: what is missing there may come.
        let client = match (&access, runtime.block_on(connect(&access))) {
            (Access::Kubeconfig(_), Err(error)) => return Err(error),
            (_, client) => client,
        };
        let (stop, stopped) = oneshot::channel::<()>();
        let watch = Watch::new(access, namespaces);
        std::thread::Builder::new()
            .name("cluster-watch".to_owned())
            .spawn(move || {
                runtime.block_on(async {
                    select(stopped, Box::pin(watch.run(client))).await;
                });
            })?;
        Ok(Self { _stop: stop })
    }
}

/// A client with the credentials that are there now.
async fn connect(access: &Access) -> Result<Client, Error> {
    let problem = |problem: String| match access {
        Access::InCluster => Error::ServiceAccount { problem },
        Access::Kubeconfig(file) => Error::Kubeconfig {
            file: file.clone(),
            problem,
        },
    };
    let mut config = match access {
        Access::InCluster => kube::Config::incluster().map_err(|error| Error::ServiceAccount {
            problem: error.to_string(),
        })?,
        Access::Kubeconfig(file) => read(file).await.map_err(problem)?,
    };
    config.connect_timeout = Some(CONNECT);
    config.read_timeout = Some(READ);
    config.reset_reader_on_write = true;
    // The watch has its own pace, and tells of what it meets.
    config.default_retry = false;
    Client::try_from(config).map_err(|error| problem(Trouble::of_client(&error).text))
}

/// What a kubeconfig says, relative paths taken from its directory.
async fn read(file: &Path) -> Result<kube::Config, String> {
    let kubeconfig = Kubeconfig::read_from(file).map_err(|error| text(&error))?;
    configure(kubeconfig, &KubeConfigOptions::default()).await
}

/// What a kubeconfig that was read says of these parts of it.
async fn configure(kubeconfig: Kubeconfig, options: &KubeConfigOptions) -> Result<kube::Config, String> {
    if let Some(proxy) = proxy_of(&kubeconfig, options) {
        return Err(format!("`proxy-url: {proxy}`: proxies are not supported"));
    }
    let mut config = kube::Config::from_custom_kubeconfig(kubeconfig, options)
        .await
        .map_err(|error| text(&error))?;
    // Proxies of the environment are for what leaves the cluster.
    config.proxy_url = None;
    Ok(config)
}

/// The proxy of the cluster that is named, else of the one of the context.
fn proxy_of<'k>(kubeconfig: &'k Kubeconfig, options: &KubeConfigOptions) -> Option<&'k str> {
    let context = options.context.as_ref().or(kubeconfig.current_context.as_ref());
    let context = kubeconfig
        .contexts
        .iter()
        .find(|named| Some(&named.name) == context);
    let of_context = context.and_then(|named| Some(&named.context.as_ref()?.cluster));
    let cluster = options.cluster.as_ref().or(of_context)?;
    let named = kubeconfig.clusters.iter().find(|named| named.name == *cluster)?;
    let proxy = named.cluster.as_ref()?.proxy_url.as_deref();
    proxy.filter(|proxy| !proxy.is_empty())
}

/// What is wrong with a kubeconfig; of its own text only the place, since it holds credentials.
fn text(error: &KubeconfigError) -> String {
    match error {
        KubeconfigError::Parse(error) => match error.location() {
            Some(at) => format!("line {}, column {}: no kubeconfig", at.line(), at.column()),
            None => "no kubeconfig".to_owned(),
        },
        KubeconfigError::ReadConfig(error, _) => error.to_string(),
        other => other.to_string(),
    }
}
