//! Every way to change something: what differs from a plain create in the review that policies see.

use anyhow::Result;
use serde_json::{Value, json};

use crate::gates::{pod, with};
use crate::stage::Stage;

super::cases![
    a_delete_is_judged_by_the_object_that_would_go,
    an_exec_is_judged_by_its_command,
    a_scale_is_judged_by_its_replicas,
    an_eviction_is_judged_although_it_is_no_delete,
    a_generated_name_is_known_when_the_object_is_judged,
    a_dry_run_is_judged_and_stores_nothing,
    a_server_side_apply_is_judged_as_create_and_as_update,
];

fn a_delete_is_judged_by_the_object_that_would_go(stage: &Stage) -> Result<()> {
    let gates = stage.gates()?;
    gates.namespace("deletes")?;
    let kept = with(
        pod("deletes", "kept"),
        "/metadata/labels",
        json!({"protected": "yes"}),
    );
    gates.admin().must_send("create -f -", &kept)?;
    gates.admin().must_send("create -f -", &pod("deletes", "free"))?;
    let refused = gates.admin().run("delete pod kept -n deletes --now")?;
    assert_eq!(
        refused.stderr,
        "Error from server (Forbidden): admission webhook \"validate.regate.dev\" denied the request: [protected] \
         kept is protected"
    );
    assert_eq!(refused.code, 1);
    assert!(gates.is_stored("pod kept -n deletes")?);
    // A mutation has nothing to change here; sent all the same, it would be an error of the API server.
    assert_eq!(gates.admin().run("delete pod free -n deletes --now")?.code, 0);
    super::soon("the Pod is gone", || Ok(!gates.is_stored("pod free -n deletes")?))
}

fn an_exec_is_judged_by_its_command(stage: &Stage) -> Result<()> {
    let gates = stage.gates()?;
    gates.namespace("execs")?;
    gates.admin().must_send("create -f -", &pod("execs", "p"))?;
    let refused = gates.admin().run("exec p -n execs -- sh -c true")?;
    assert_eq!(
        refused.stderr,
        "error: unable to upgrade connection: admission webhook \"validate.regate.dev\" denied the request: [exec] sh \
         in p is not allowed"
    );
    assert_eq!(refused.code, 1);
    // What the policy lets pass fails later: no kubelet runs the Pod.
    let passed = gates.admin().run("exec p -n execs -- ls")?;
    assert_eq!(
        passed.stderr,
        "error: unable to upgrade connection: pod p does not have a host assigned"
    );
    Ok(())
}

fn a_scale_is_judged_by_its_replicas(stage: &Stage) -> Result<()> {
    let gates = stage.gates()?;
    gates.namespace("scales")?;
    gates
        .admin()
        .must("create deployment d -n scales --image=registry.example.com/app:1 --replicas=2")?;
    let refused = gates.admin().run("scale deployment d -n scales --replicas=6")?;
    assert_eq!(
        refused.stderr,
        "Error from server (Forbidden): admission webhook \"validate.regate.dev\" denied the request: [replicas] 6 \
         replicas are more than 5"
    );
    assert_eq!(refused.code, 1);
    let replicas = || {
        gates
            .admin()
            .must("get deployment d -n scales -o jsonpath={.spec.replicas}")
    };
    assert_eq!(replicas()?, "2");
    gates.admin().must("scale deployment d -n scales --replicas=5")?;
    assert_eq!(replicas()?, "5");
    Ok(())
}

fn an_eviction_is_judged_although_it_is_no_delete(stage: &Stage) -> Result<()> {
    let gates = stage.gates()?;
    gates.namespace("evictions")?;
    let evict = |name: &str| {
        let eviction = json!({
            "apiVersion": "policy/v1",
            "kind": "Eviction",
            "metadata": {"namespace": "evictions", "name": name},
        });
        gates.admin().send(
            &format!("create --raw /api/v1/namespaces/evictions/pods/{name}/eviction -f -"),
            &eviction,
        )
    };
    for name in ["protected-p", "free"] {
        gates.admin().must_send("create -f -", &pod("evictions", name))?;
    }
    let refused = evict("protected-p")?;
    assert_eq!(
        refused.stderr,
        "Error from server (Forbidden): admission webhook \"validate.regate.dev\" denied the request: [protected] \
         protected-p may not be evicted"
    );
    assert_eq!(refused.code, 1);
    assert!(gates.is_stored("pod protected-p -n evictions")?);
    assert_eq!(evict("free")?.code, 0);
    super::soon("the Pod is gone", || {
        Ok(!gates.is_stored("pod free -n evictions")?)
    })
}

fn a_generated_name_is_known_when_the_object_is_judged(stage: &Stage) -> Result<()> {
    let gates = stage.gates()?;
    gates.namespace("names")?;
    let unnamed = with(
        pod("names", ""),
        "/metadata",
        json!({"namespace": "names", "generateName": "made-"}),
    );
    let printed = gates.create(&unnamed)?;
    let name = gates
        .admin()
        .must("get pods -n names -o jsonpath={.items[*].metadata.name}")?;
    assert!(name.starts_with("made-") && name.len() > "made-".len(), "{name}");
    assert_eq!(printed.stdout, format!("pod/{name} created"));
    assert_eq!(
        printed.stderr,
        format!("Warning: [names] {name} is made, dry run: false")
    );
    Ok(())
}

fn a_dry_run_is_judged_and_stores_nothing(stage: &Stage) -> Result<()> {
    let gates = stage.gates()?;
    gates.namespace("names-dry")?;
    let printed = gates
        .admin()
        .send("create --dry-run=server -f -", &pod("names-dry", "p"))?;
    assert_eq!(printed.stderr, "Warning: [names] p is made, dry run: true");
    assert_eq!(
        (printed.code, printed.stdout.as_str()),
        (0, "pod/p created (server dry run)")
    );
    assert!(!gates.is_stored("pod p -n names-dry")?);
    let bad = with(pod("names-dry", "p"), "/spec/hostNetwork", json!(true));
    let refused = gates.admin().send("create --dry-run=server -f -", &bad)?;
    assert!(
        refused
            .stderr
            .ends_with("[privileged] the Pod uses the host's network"),
        "{}",
        refused.stderr
    );
    assert_eq!(refused.code, 1);
    Ok(())
}

fn a_server_side_apply_is_judged_as_create_and_as_update(stage: &Stage) -> Result<()> {
    let gates = stage.gates()?;
    gates.namespace("owned-applies")?;
    let apply = |pod: &Value| {
        gates
            .admin()
            .send("apply --server-side --field-manager=e2e -f -", pod)
    };
    let refused = apply(&pod("owned-applies", "p"))?;
    assert_eq!(
        (refused.code, refused.stderr.as_str()),
        (
            1,
            "The Pod \"p\" is invalid: metadata.labels.owner: [owner] an owner is missing"
        )
    );
    assert!(!gates.is_stored("pod p -n owned-applies")?);
    let owned = with(
        pod("owned-applies", "p"),
        "/metadata/labels",
        json!({"owner": "jane"}),
    );
    assert_eq!(apply(&owned)?.stdout, "pod/p serverside-applied");
    // Applying without the label takes it away: an update that makes the Pod worse.
    let refused = apply(&pod("owned-applies", "p"))?;
    assert_eq!(
        (refused.code, refused.stderr.as_str()),
        (
            1,
            "The Pod \"p\" is invalid: metadata.labels.owner: [owner] an owner is missing"
        )
    );
    let owner = gates
        .admin()
        .must("get pod p -n owned-applies -o jsonpath={.metadata.labels.owner}")?;
    assert_eq!(owner, "jane");
    Ok(())
}
