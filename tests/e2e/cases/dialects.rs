//! Policies that were written for Gatekeeper and for OPA's own webhook, as a user of the cluster meets them.

use anyhow::Result;
use serde_json::{Value, json};

use crate::gates::{pod, with};
use crate::stage::Stage;

super::cases![
    a_constraint_denies_and_one_that_warns_warns,
    the_whole_response_of_opas_main_denies_and_patches,
    a_main_that_gives_no_answer_refuses,
];

fn a_constraint_denies_and_one_that_warns_warns(stage: &Stage) -> Result<()> {
    let gates = stage.dialects()?;
    gates.namespace("constrained-a")?;
    super::assert_denied(
        &gates.create(&pod("constrained-a", "p"))?,
        "[pods-have-owners] labels are missing: owner",
    );
    let owned = with(
        pod("constrained-a", "p"),
        "/metadata/labels",
        json!({"owner": "jane"}),
    );
    assert_eq!(gates.create(&owned)?.stdout, "pod/p created");
    // Nobody walks out of the constraint by an update.
    let bare = gates.admin().run("label pod p -n constrained-a owner-")?;
    assert!(
        bare.stderr
            .contains("[pods-have-owners] labels are missing: owner"),
        "{}",
        bare.stderr
    );
    let warned = gates.create(&map("constrained-a", json!({"app": "x", "stage": "y"})))?;
    assert_eq!(
        warned.stderr,
        "Warning: [maps-have-stages] labels are missing: owner"
    );
    assert_eq!((warned.code, warned.stdout.as_str()), (0, "configmap/m created"));
    // What `match` leaves out is not asked about.
    gates.namespace("unconstrained")?;
    assert_eq!(gates.create(&pod("unconstrained", "p"))?.stdout, "pod/p created");
    assert!(gates.regate().outcomes("pods-have-owners", "deny", "deny")? >= 2);
    assert_eq!(gates.regate().outcomes("maps-have-stages", "warn", "warn")?, 1);
    Ok(())
}

fn the_whole_response_of_opas_main_denies_and_patches(stage: &Stage) -> Result<()> {
    let gates = stage.dialects()?;
    gates.namespace("opa")?;
    let denied = gates.create(&pod("opa", "p"))?;
    // The same package answers at both gates, and the mutating one is first.
    assert_eq!(
        denied.stderr,
        "Error from server (Forbidden): error when creating \"STDIN\": admission webhook \"mutate.regate.dev\" denied \
         the request: [system] image 'registry.example.com/app:1' comes from an untrusted registry"
    );
    let trusted = with(
        pod("opa", "p"),
        "/spec/containers/0/image",
        json!("hooli.example/app:1"),
    );
    assert_eq!(gates.create(&trusted)?.stdout, "pod/p created");
    assert_eq!(
        gates.create(&map("opa", json!({})))?.stdout,
        "configmap/m created"
    );
    assert_eq!(
        gates
            .admin()
            .must("get configmap m -n opa -o jsonpath={.metadata.labels}")?,
        r#"{"seen":"by-opa"}"#
    );
    Ok(())
}

fn a_main_that_gives_no_answer_refuses(stage: &Stage) -> Result<()> {
    let gates = stage.dialects()?;
    gates.namespace("opa-fine")?;
    assert_eq!(gates.create(&pod("opa-fine", "p"))?.stdout, "pod/p created");
    // The API server says of a new Namespace that it is in itself.
    let refused = gates.admin().run("create namespace opa-broken")?;
    assert!(
        refused.stderr.contains("the policies could not be evaluated"),
        "{}",
        refused.stderr
    );
    assert_eq!(refused.code, 1);
    let log = gates.regate().log();
    assert!(
        log.contains("main: a boolean as `response.allowed` expected"),
        "{}",
        gates.regate().log_tail()
    );
    Ok(())
}

fn map(namespace: &str, labels: Value) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"namespace": namespace, "name": "m", "labels": labels},
    })
}
