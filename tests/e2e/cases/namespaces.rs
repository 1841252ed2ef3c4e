//! The cluster's Namespaces, which Regate watches: who may, from when on, and what happens when the API server is away.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use serde_json::json;

use crate::control_plane::Site;
use crate::gates::Gates;
use crate::regate::Regate;
use crate::stage::{PROGRAM, RULES, Stage, policies};

super::cases![the_namespaces_of_the_cluster_are_known_from_the_first_list_on_and_whatever_happens_then,];

/// What a role needs for the watch, and no more.
const ROLE: &str = "create clusterrole regate --verb=get,list,watch --resource=namespaces";

fn the_namespaces_of_the_cluster_are_known_from_the_first_list_on_and_whatever_happens_then(
    stage: &Stage,
) -> Result<()> {
    let site = Site::new()?;
    let kubeconfig = site.kubeconfig("regate");
    site.write_kubeconfig(&kubeconfig, &[("regate", json!({"token": "nobody-knows-me"}))])?;
    let carol = site.kubeconfig("carol");
    let regate = Regate::start_alive(
        Path::new(PROGRAM),
        &["--kubeconfig", text(&kubeconfig)?],
        policies,
    )?;
    assert!(regate.readiness()?.ends_with(NOT_SYNCED));
    super::soon("it says that nobody answers", || {
        Ok(problems(&regate).contains("problem=\"unreachable\""))
    })?;

    let mut gates = Gates::register_at(site, stage.etcd()?, regate, RULES, |_| Ok(()))?;
    gates.wait_for_webhooks()?;
    super::soon("it says that its token is refused", || {
        Ok(problems(gates.regate()).contains("problem=\"unauthorized\" error=\"401 Unauthorized\""))
    })?;
    // Other credentials count without a restart, and what they lack is said, too.
    fs::copy(&carol, &kubeconfig)?;
    super::soon("it says that it has no right to", || {
        Ok(problems(gates.regate()).contains(
            "problem=\"forbidden\" error=\"403 namespaces is forbidden: User \\\"carol\\\" cannot list resource",
        ))
    })?;
    // It tries again and again, and says each only once.
    assert_eq!(problems(gates.regate()).lines().count(), 3);
    assert!(gates.regate().readiness()?.ends_with(NOT_SYNCED));
    assert_eq!(gates.regate().known_namespaces()?, 0);

    gates.admin().must(ROLE)?;
    gates
        .admin()
        .must("create clusterrolebinding regate --clusterrole=regate --user=carol")?;
    super::soon("it is ready", || Ok(gates.regate().is_ready()))?;
    assert_eq!(gates.regate().known_namespaces()?, stored(&gates)?);
    comes_and_goes(&gates, "before")?;

    let known = gates.regate().known_namespaces()?;
    let (plane, regate) = gates.plane_and_regate();
    plane.restart(|| {
        super::soon("it notices", || Ok(problems(regate).contains("synced=true")))?;
        // What is known stays in use.
        assert!(regate.is_ready());
        assert_eq!(regate.known_namespaces()?, known);
        Ok(())
    })?;
    comes_and_goes(&gates, "after")
}

/// What readiness says before the first list, behind the line of the policies.
const NOT_SYNCED: &str = "\n[-]namespaces failed\n[+]running ok\nnot ready\n";

/// A Namespace is seen when it is made and when it is gone.
fn comes_and_goes(gates: &Gates, name: &str) -> Result<()> {
    let known = gates.regate().known_namespaces()?;
    gates.namespace(name)?;
    super::soon("the new one is known", || {
        Ok(gates.regate().known_namespaces()? == known + 1)
    })?;
    remove(gates, name)?;
    super::soon("it is forgotten", || {
        Ok(gates.regate().known_namespaces()? == known)
    })
}

/// Deletes a Namespace. No controller runs that would finish it.
fn remove(gates: &Gates, name: &str) -> Result<()> {
    let admin = gates.admin();
    admin.must(&format!("delete namespace {name} --wait=false"))?;
    let finished = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}, "spec": {}});
    let finalize = format!("replace --raw /api/v1/namespaces/{name}/finalize -f -");
    admin.must_send(&finalize, &finished).map(drop)
}

/// How many Namespaces the API server has.
fn stored(gates: &Gates) -> Result<u64> {
    let names = gates.admin().must("get namespaces -o name")?;
    Ok(u64::try_from(names.lines().count())?)
}

/// What it said of trouble with the watch.
fn problems(regate: &Regate) -> String {
    let log = regate.log();
    let lines: Vec<_> = log
        .lines()
        .filter(|line| line.contains("replication_failed"))
        .collect();
    lines.join("\n")
}

fn text(path: &Path) -> Result<&str> {
    path.to_str().context("a path is not UTF-8")
}
