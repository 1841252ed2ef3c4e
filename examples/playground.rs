//! A cluster to play with: `cargo run --example playground`.
//!
//! The control plane of the end-to-end tests, left running with Regate at all five gates and the starter policies in a
//! folder to edit. It prints what to try and ends with Ctrl-C, which removes everything again. Without arguments it is
//! the playground; with arguments it is the `regate` command, which is how it starts the server.

#![allow(dead_code, reason = "the tests use more of these modules than the playground")]

#[path = "../tests/e2e/binaries.rs"]
mod binaries;
#[path = "../tests/e2e/control_plane.rs"]
mod control_plane;
#[path = "../tests/e2e/gates.rs"]
mod gates;
#[path = "../tests/e2e/kubectl.rs"]
mod kubectl;
#[path = "../tests/e2e/pki.rs"]
mod pki;
#[path = "../tests/e2e/process.rs"]
mod process;
#[path = "../tests/e2e/regate.rs"]
mod regate;
#[path = "../tests/e2e/starters.rs"]
mod starters;

use std::env;
use std::io::{self, Write};
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::ExitCode;
use std::sync::{Arc, mpsc};
use std::thread;

use anyhow::{Context, Result};
use serde_json::json;
use tempfile::TempDir;

use crate::control_plane::Etcd;
use crate::gates::{Gates, pod, with};
use crate::regate::Regate;
use crate::starters::{JANE, RAY, REVOKED};

fn main() -> ExitCode {
    if env::args_os().len() > 1 {
        return ::regate::cli::main(env::args_os());
    }
    play().map_or_else(
        |error| {
            let _ = writeln!(io::stderr(), "playground: {error:#}");
            ExitCode::FAILURE
        },
        |()| ExitCode::SUCCESS,
    )
}

fn play() -> Result<()> {
    // Listened to from the beginning, so that a Ctrl-C during the start also ends in order.
    let (end, ended) = mpsc::channel();
    thread::spawn(move || end.send(process::wait_for_end()));
    say("starting etcd, kube-apiserver and Regate")?;
    let directory = TempDir::with_prefix("regate-playground-")?;
    let program = env::current_exe().context("cannot find this program")?;
    let regate = Regate::start(&program, &[], starters::write)?;
    let gates = Gates::start(Arc::new(Etcd::start()?), regate, &[], |_| Ok(()))?;
    furnish(&gates, directory.path())?;
    say(&greeting(&gates, directory.path()))?;
    ended.recv().context("nobody listens to signals")??;
    say("stopping")
}

/// What the things to try need: a role for jane that allows everything, a Pod in kube-system, and a Pod to send.
fn furnish(gates: &Gates, directory: &Path) -> Result<()> {
    let bearers = [("jane", JANE), ("ray", RAY), ("mallory", REVOKED)];
    gates
        .plane()
        .write_kubeconfig(&directory.join("kubeconfig"), &bearers)?;
    symlink(gates.plane().kubectl(), directory.join("kubectl")).context("cannot link kubectl")?;
    gates
        .admin()
        .must("create clusterrolebinding jane --clusterrole=cluster-admin --user=jane")?;
    let image = "registry.k8s.io/pause:3.10";
    gates.admin().must_send(
        "create -f -",
        &with(
            pod("kube-system", "etcd"),
            "/spec/containers/0/image",
            json!(image),
        ),
    )?;
    let limits = json!({"limits": {"cpu": "100m", "memory": "64Mi"}});
    let web = with(pod("default", "web"), "/spec/containers/0/resources", limits);
    let web = with(web, "/spec/containers/0/image", json!("nginx:1.29"));
    std::fs::write(directory.join("web.json"), format!("{web:#}\n")).context("cannot write web.json")
}

fn greeting(gates: &Gates, directory: &Path) -> String {
    format!(
        "
A kube-apiserver asks Regate at all five gates. In another terminal:

export KUBECONFIG={directory}/kubeconfig PATH={directory}:$PATH

People: jane ({JANE}, cluster-admin), ray ({RAY}, may read), mallory ({REVOKED}, revoked), admin.

Try                                                              and see
  kubectl --context jane auth whoami                           # authn: the token's user and groups
  kubectl --context mallory auth whoami                        # authn: a revoked token is refused
  kubectl --context jane -n kube-system exec etcd -- sh        # authz: denied, although her role allows everything
  kubectl --context jane run web --image=example.com/web:1     # image: an untrusted registry is refused
  kubectl --context jane create -f {directory}/web.json --dry-run=server -o yaml
                                                               # mutate: labels and a security context were added
  kubectl --context jane create deployment web --image=nginx   # validate: the limits are missing

Then edit a policy and try again; a change counts a moment after it is saved:
  {policies}

Regate's log, a line for each decision: {log}
Ctrl-C ends and removes all of it.",
        directory = directory.display(),
        policies = gates.regate().policies().display(),
        log = gates.regate().log_file().display(),
    )
}

fn say(text: &str) -> Result<()> {
    let mut out = io::stdout();
    writeln!(out, "{text}")
        .and_then(|()| out.flush())
        .context("cannot write to the terminal")
}
