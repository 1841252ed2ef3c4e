//! What the cases share: every control plane is started once, by the first case that asks for it.
//!
//! Cases run in parallel, each in namespaces of its own, so that a start is paid for once. The stage is dropped after
//! the last case, and everything that it started ends with it.

use std::sync::{Arc, OnceLock};

use anyhow::{Result, anyhow};

use crate::control_plane::{ControlPlane, Etcd};
use crate::gates::{Gates, POLICIES};

/// The shared control planes.
#[derive(Default)]
pub(crate) struct Stage {
    etcd: Once<Etcd>,
    plain: Once<ControlPlane>,
    gates: Once<Gates>,
}

impl Stage {
    /// A control plane that knows nothing of Regate.
    pub(crate) fn plain(&self) -> Result<Arc<ControlPlane>> {
        self.plain
            .get(|| ControlPlane::start(self.etcd()?, &["--authorization-mode=RBAC".to_owned()]))
    }

    /// A control plane with Regate registered exactly as `regate manifests` wrote it.
    pub(crate) fn gates(&self) -> Result<Arc<Gates>> {
        self.gates
            .get(|| Gates::start(self.etcd()?, POLICIES, |_| Ok(())))
    }

    /// The store, which every control plane shares.
    pub(crate) fn etcd(&self) -> Result<Arc<Etcd>> {
        self.etcd.get(Etcd::start)
    }
}

/// Something that is started at most once; a start that failed is not tried again.
struct Once<T>(OnceLock<Result<Arc<T>, String>>);

impl<T> Default for Once<T> {
    fn default() -> Self {
        Self(OnceLock::new())
    }
}

impl<T> Once<T> {
    fn get(&self, start: impl FnOnce() -> Result<T>) -> Result<Arc<T>> {
        self.0
            .get_or_init(|| start().map(Arc::new).map_err(|error| format!("{error:#}")))
            .clone()
            .map_err(|error| anyhow!(error))
    }
}
