//! A control plane with Regate at all five gates, and the objects that cases send to it.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Result, ensure};
use serde_json::{Value, json};

use crate::control_plane::{ControlPlane, Etcd, Site};
use crate::kubectl::{Kubectl, Printed};
use crate::process::wait_until;
use crate::regate::{Regate, Registration};

/// How long a change may take until the API server shows it: a policy, a webhook, a definition.
pub(crate) const SOON: Duration = Duration::from_secs(30);

/// What is registered besides the rules of the policies, which may be about other kinds: that by whose creation the start
/// is awaited.
const AWAITED: &[&str] = &["--rule=CREATE:/configmaps"];

/// An API server that asks Regate at every gate.
#[derive(Debug)]
pub(crate) struct Gates {
    // Fields are dropped in this order: the API server may still ask while it ends.
    plane: ControlPlane,
    regate: Regate,
    registration: Registration,
}

impl Gates {
    /// Starts an API server and registers `regate` with `manifests`, further flags of that command, after `change` had
    /// its way with the files. Returns when both webhooks are asked.
    pub(crate) fn start(
        etcd: Arc<Etcd>,
        regate: Regate,
        manifests: &[&str],
        change: impl FnOnce(&Registration) -> Result<()>,
    ) -> Result<Self> {
        let gates = Self::register(etcd, regate, manifests, change)?;
        gates.wait_for_webhooks()?;
        Ok(gates)
    }

    /// The same, without waiting: nobody gets as far as validation where mutation is refused.
    pub(crate) fn register(
        etcd: Arc<Etcd>,
        regate: Regate,
        manifests: &[&str],
        change: impl FnOnce(&Registration) -> Result<()>,
    ) -> Result<Self> {
        Self::register_at(Site::new()?, etcd, regate, manifests, change)
    }

    /// The same, for an API server whose address Regate knows already.
    pub(crate) fn register_at(
        site: Site,
        etcd: Arc<Etcd>,
        regate: Regate,
        manifests: &[&str],
        change: impl FnOnce(&Registration) -> Result<()>,
    ) -> Result<Self> {
        let registration = regate.register(&[AWAITED, manifests].concat())?;
        change(&registration)?;
        let plane = ControlPlane::start_at(site, etcd, &registration.flags()?)?;
        registration.apply_webhooks(plane.admin())?;
        Ok(Self {
            plane,
            regate,
            registration,
        })
    }

    /// The API server.
    pub(crate) fn plane(&self) -> &ControlPlane {
        &self.plane
    }

    /// The API server, to restart it, and the server that it asks.
    pub(crate) fn plane_and_regate(&mut self) -> (&mut ControlPlane, &Regate) {
        (&mut self.plane, &self.regate)
    }

    /// The server that it asks.
    pub(crate) fn regate(&self) -> &Regate {
        &self.regate
    }

    /// The server that it asks, to end it.
    pub(crate) fn regate_mut(&mut self) -> &mut Regate {
        &mut self.regate
    }

    /// Takes the webhooks back with the script that came with them, and gives what it printed.
    pub(crate) fn undo(&self) -> Result<String> {
        self.admin().script(&self.registration.file("undo.sh"))
    }

    /// kubectl as administrator.
    pub(crate) fn admin(&self) -> &Kubectl {
        self.plane.admin()
    }

    /// Creates a namespace for a case.
    pub(crate) fn namespace(&self, name: &str) -> Result<()> {
        self.admin().must(&format!("create namespace {name}")).map(drop)
    }

    /// Creates an object as administrator and shows what kubectl says.
    pub(crate) fn create(&self, object: &Value) -> Result<Printed> {
        self.admin().send("create -f -", object)
    }

    /// Whether the store has such an object, by `kubectl get`'s own words.
    pub(crate) fn is_stored(&self, what: &str) -> Result<bool> {
        let got = self.admin().run(&format!("get {what} -o name"))?;
        ensure!(
            got.code == 0 || got.stderr.contains("(NotFound)"),
            "get {what}: {}",
            got.stderr
        );
        Ok(got.code == 0)
    }

    /// The API server begins to ask a webhook some time after its configuration was stored.
    pub(crate) fn wait_for_webhooks(&self) -> Result<()> {
        let reviews = |gate: &str| self.regate.reviews(gate).unwrap_or_default();
        let (mutated, validated) = (reviews("mutate"), reviews("validate"));
        let asked = wait_until(SOON, || {
            // A failed attempt is made again, until the counters move. The image gate is not asked about this kind.
            let _ = self
                .admin()
                .run("create configmap is-anybody-there --dry-run=server");
            reviews("mutate") > mutated && reviews("validate") > validated
        });
        ensure!(
            asked,
            "the webhooks were not asked; Regate said:\n{}",
            self.regate.log_tail()
        );
        Ok(())
    }
}

/// A Pod that no policy minds.
pub(crate) fn pod(namespace: &str, name: &str) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"namespace": namespace, "name": name},
        "spec": {"containers": [{"name": "main", "image": "registry.example.com/app:1"}]},
    })
}

/// Sets the value at a JSON Pointer of an object that the caller knows to have its parent.
pub(crate) fn with(mut object: Value, pointer: &str, value: Value) -> Value {
    let (parent, key) = pointer.rsplit_once('/').unwrap_or(("", pointer));
    if let Some(parent) = object.pointer_mut(parent) {
        parent[key.replace("~1", "/")] = value;
    }
    object
}
