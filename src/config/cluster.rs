//! Section `cluster`: how the API server is asked what policies want to know.

use std::path::PathBuf;

use serde::Deserialize;

use super::layers::Layers;
use super::text::FilePath;
use super::{Setting, text};

/// The section as it is written.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct Written {
    #[serde(deserialize_with = "text::one")]
    pub(super) kubeconfig: Option<FilePath>,
}

/// How the API server is reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cluster {
    /// The kubeconfig; without one the service account of the Pod, where the server runs in one.
    pub kubeconfig: Option<PathBuf>,
}

pub(super) fn resolve(layers: &mut Layers) -> Cluster {
    let kubeconfig = layers.optional("cluster.kubeconfig", Setting::Kubeconfig, |w| {
        &w.cluster.kubeconfig
    });
    Cluster {
        kubeconfig: kubeconfig.map(FilePath::into_path),
    }
}
