//! The policy sets of the repository that are not built in, served as they are and tuned by a configuration file, as a
//! site would: nothing is edited. Regate watches the API server's Namespaces for them.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::control_plane::{Etcd, Site};
use crate::gates::{Gates, SOON};
use crate::process::wait_until;
use crate::regate::{Regate, copy};
use crate::stage::PROGRAM;
use crate::starters::POLICIES;

/// The sets, and the libraries that they share.
const SETS: [&str; 7] = [
    "guards",
    "labels",
    "lib",
    "pod_security",
    "registries",
    "sidecar",
    "tenants",
];

/// Starts an API server and Regate with the sets, which knows its Namespaces when this returns.
pub(crate) fn start(etcd: Arc<Etcd>) -> Result<Gates> {
    let site = Site::new()?;
    // Read once, at the start.
    let directory = TempDir::with_prefix("regate-sets-")?;
    let configuration = directory.path().join("regate.yaml");
    // JSON is YAML.
    fs::write(&configuration, tuned().to_string())?;
    let kubeconfig = site.kubeconfig("admin");
    let regate = Regate::start_alive(
        Path::new(PROGRAM),
        &[
            "--config",
            text(&configuration)?,
            "--kubeconfig",
            text(&kubeconfig)?,
        ],
        write,
    )?;
    let gates = Gates::register_at(site, etcd, regate, &[], |_| Ok(()))?;
    gates.wait_for_webhooks()?;
    ensure!(
        wait_until(SOON, || gates.regate().is_ready()),
        "the Namespaces stay unknown:\n{}",
        gates.regate().log_tail()
    );
    Ok(gates)
}

fn write(directory: &Path) -> Result<()> {
    SETS.iter()
        .try_for_each(|set| copy(&Path::new(POLICIES).join(set), &directory.join(set)))
}

/// The teams of this cluster, an image that every registry list has, and each strict set where its cases are.
fn tuned() -> Value {
    json!({
        "apiVersion": "regate.dev/v1alpha1",
        "kind": "ServerConfiguration",
        "policies": {"settings": [
            {"policy": "authz/tenants.*", "parameters": {"teams": {
                "web": {"groups": ["web-developers"], "namespaces": ["web"]},
                "bank": {"groups": ["bankers"], "namespaces": ["bank"]},
            }}},
            {"policy": "mutate/log_agent", "parameters": {"image": "registry.k8s.io/pause:3.10"}},
            {"policy": "validate/required_labels.*", "match": {"namespaces": ["labelled"]}},
            {"policy": "validate/pod_security.*", "match": {"namespaces": ["hardened", "monitoring"]}},
        ]},
    })
}

fn text(path: &Path) -> Result<&str> {
    path.to_str().context("a path is not UTF-8")
}
