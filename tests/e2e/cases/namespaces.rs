//! The cluster's Namespaces, which Regate watches: who may, from when on, and what happens when the API server is away.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use serde_json::json;

use crate::control_plane::Site;
use crate::gates::{Gates, pod, with};
use crate::regate::{Regate, copy};
use crate::stage::{PROGRAM, RULES, Stage, policies};

super::cases![the_namespaces_of_the_cluster_are_known_from_the_first_list_on_and_whatever_happens_then,];

/// Policies that need to know Namespaces.
const POLICIES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/e2e/policies/namespaces");

/// What a role needs for the watch, and no more, as docs/policies.md has it.
const ROLE: &str = "create clusterrole regate --verb=get,list,watch --resource=namespaces";

fn the_namespaces_of_the_cluster_are_known_from_the_first_list_on_and_whatever_happens_then(
    stage: &Stage,
) -> Result<()> {
    let site = Site::new()?;
    let (kubeconfig, carol) = (site.kubeconfig("regate"), site.kubeconfig("carol"));
    site.write_kubeconfig(&kubeconfig, &[("regate", json!({"token": "nobody-knows-me"}))])?;
    let flags = ["--kubeconfig", text(&kubeconfig)?];
    let regate = Regate::start_alive(Path::new(PROGRAM), &flags, |directory| {
        policies(directory)?;
        copy(Path::new(POLICIES), &directory.join("namespaces"))
    })?;
    assert_not_synced(&regate)?;
    soon_says(&regate, "problem=\"unreachable\"")?;

    let mut gates = Gates::register_at(site, stage.etcd()?, regate, RULES, |_| Ok(()))?;
    gates.wait_for_webhooks()?;
    soon_says(
        gates.regate(),
        "problem=\"unauthorized\" error=\"401 Unauthorized\"",
    )?;
    // Other credentials count without a restart, and what they lack is said, too.
    fs::copy(&carol, &kubeconfig)?;
    soon_says(
        gates.regate(),
        "problem=\"forbidden\" error=\"403 namespaces is forbidden: User \\\"carol\\\" cannot list resource",
    )?;
    // It tries again and again, and says each only once.
    assert_eq!(problems(gates.regate()).lines().count(), 3);
    assert_not_synced(gates.regate())?;
    until_then_policies_that_need_them_fault(&gates)?;

    let admin = gates.admin();
    let documented = include_str!("../../../docs/policies.md");
    assert!(documented.contains(&format!("`kubectl {ROLE}`")));
    admin.must(ROLE)?;
    admin.must("create clusterrolebinding regate --clusterrole=regate --user=carol")?;
    super::soon("it is ready", || Ok(gates.regate().is_ready()))?;
    assert_eq!(gates.regate().known_namespaces()?, stored(&gates)?);
    comes_and_goes(&gates, "before")?;
    policies_select_and_read_by_namespace(&gates)?;

    let known = gates.regate().known_namespaces()?;
    let (plane, regate) = gates.plane_and_regate();
    plane.restart(|| {
        soon_says(regate, "synced=true")?;
        // What is known stays in use.
        assert!(regate.is_ready());
        assert_eq!(regate.known_namespaces()?, known);
        Ok(())
    })?;
    comes_and_goes(&gates, "after")
}

/// Before the first list it is not ready, for no other reason.
fn assert_not_synced(regate: &Regate) -> Result<()> {
    let said = regate.readiness()?;
    let failed: Vec<_> = said.lines().filter(|line| !line.starts_with("[+]")).collect();
    assert_eq!(failed, ["[-]namespaces failed", "not ready"], "{said}");
    assert_eq!(regate.known_namespaces()?, 0);
    Ok(())
}

/// At validate, where nothing else of the case is judged yet.
fn until_then_policies_that_need_them_fault(gates: &Gates) -> Result<()> {
    super::assert_fault(&gates.create(&pod("default", "early"))?, "validate");
    assert!(!gates.is_stored("pod early -n default")?);
    // What no such policy judges goes on.
    gates
        .admin()
        .must("create configmap early -n default --from-literal=a=b")?;
    let log = gates.regate().log();
    for policy in ["closed", "owned"] {
        let fault = format!("{policy}: namespace: the cluster's Namespaces have not been listed yet");
        assert!(log.contains(&fault), "{policy}: {}", gates.regate().log_tail());
    }
    Ok(())
}

/// At validate by selector and by what a policy reads; at mutate and image by selector.
fn policies_select_and_read_by_namespace(gates: &Gates) -> Result<()> {
    let admin = gates.admin();
    let labelled = |name: &str, labels: serde_json::Value| {
        let namespace =
            json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}});
        admin.must_send("create -f -", &namespace).map(drop)
    };
    // The first Pod may come before the watch has told of its Namespace.
    labelled("full", json!({"closed": "yes"}))?;
    super::assert_denied(
        &gates.create(&pod("full", "p"))?,
        "[closed] this namespace takes no new Pods",
    );
    labelled("roomy", json!({"closed": "no"}))?;
    admin.must_send("create -f -", &pod("roomy", "p"))?;
    admin.must("label namespace full closed-")?;
    super::soon("the label is seen to be gone", || {
        Ok(gates.create(&pod("full", "p"))?.code == 0)
    })?;

    labelled("bank", json!({"owner": "bankers"}))?;
    super::assert_denied(
        &gates.create(&pod("bank", "p"))?,
        "[owned] what runs in bank belongs to bankers",
    );
    admin.must_send(
        "create -f -",
        &with(pod("bank", "p"), "/metadata/labels", json!({"owner": "bankers"})),
    )?;

    labelled("marked", json!({"mark": "quarantine"}))?;
    labelled("unmarked", json!({}))?;
    let refused = gates.create(&pod("marked", "p"))?;
    assert_eq!(
        refused.stderr,
        "Error from server (Forbidden): error when creating \"STDIN\": pods \"p\" is forbidden: image policy webhook \
         backend denied one or more images: [quarantine] no image runs in marked"
    );
    admin.must_send("create -f -", &pod("unmarked", "p"))?;
    let mark = |namespace: &str| {
        admin.must(&format!(
            "get pod p -n {namespace} -o jsonpath={{.metadata.labels.mark}}"
        ))
    };
    assert_eq!(mark("unmarked")?, "");
    admin.must("label namespace marked mark=mild --overwrite")?;
    super::soon("the other label is seen", || {
        Ok(gates.create(&pod("marked", "p"))?.code == 0)
    })?;
    assert_eq!(mark("marked")?, "set");
    Ok(())
}

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

/// Waits until it has said so of trouble with the watch.
fn soon_says(regate: &Regate, said: &str) -> Result<()> {
    super::soon(&format!("it says {said}"), || Ok(problems(regate).contains(said)))
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
