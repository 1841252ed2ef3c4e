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
    an_attach_and_a_forwarded_port_are_judged_like_an_exec,
    a_resize_is_judged_like_the_pod,
    a_status_is_judged_where_a_policy_asks_for_it,
    what_mutations_made_is_what_is_validated,
    whatever_way_makes_an_object_worse_is_refused,
    a_pod_that_says_it_is_a_mirror_is_judged_like_any_other,
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

fn an_attach_and_a_forwarded_port_are_judged_like_an_exec(stage: &Stage) -> Result<()> {
    let gates = stage.gates()?;
    gates.namespace("connects")?;
    gates.admin().must_send("create -f -", &pod("connects", "p"))?;
    // kubectl itself looks whether the Pod runs.
    for subresource in ["attach", "portforward"] {
        let path = format!("create --raw /api/v1/namespaces/connects/pods/p/{subresource} -f -");
        let refused = gates.admin().send_text(&path, "")?;
        assert_eq!(
            refused.stderr,
            format!(
                "Error from server (Forbidden): admission webhook \"validate.regate.dev\" denied the request: [connects] no \
                 {subresource} to p"
            )
        );
        assert_eq!(refused.code, 1);
    }
    Ok(())
}

fn a_resize_is_judged_like_the_pod(stage: &Stage) -> Result<()> {
    let gates = stage.gates()?;
    gates.namespace("resizes")?;
    let resources = |cpu: &str| json!({"requests": {"cpu": cpu}});
    let pod = with(
        pod("resizes", "p"),
        "/spec/containers/0/resources",
        resources("1"),
    );
    gates.admin().must_send("create -f -", &pod)?;
    let resize = |cpu: &str| {
        let patch = json!({"spec": {"containers": [{"name": "main", "resources": resources(cpu)}]}});
        gates
            .admin()
            .run(&format!("patch pod p -n resizes --subresource=resize -p={patch}"))
    };
    let refused = resize("2")?;
    assert_eq!(
        refused.stderr,
        "Error from server (Forbidden): admission webhook \"validate.regate.dev\" denied the request: [resizes] two CPUs \
         are too many"
    );
    assert_eq!(refused.code, 1);
    let asked = "get pod p -n resizes -o jsonpath={.spec.containers[0].resources.requests.cpu}";
    assert_eq!(gates.admin().must(asked)?, "1");
    assert_eq!(resize("1500m")?.code, 0);
    assert_eq!(gates.admin().must(asked)?, "1500m");
    Ok(())
}

fn a_status_is_judged_where_a_policy_asks_for_it(stage: &Stage) -> Result<()> {
    let gates = stage.gates()?;
    gates.namespace("statuses")?;
    gates
        .admin()
        .must("create deployment d -n statuses --image=registry.example.com/app:1")?;
    let status = json!({"status": {"replicas": 3, "readyReplicas": 3}});
    let refused = gates.admin().run(&format!(
        "patch deployment d -n statuses --subresource=status --type=merge -p={status}"
    ))?;
    assert_eq!(
        refused.stderr,
        "Error from server (Forbidden): admission webhook \"validate.regate.dev\" denied the request: [statuses] 3 \
         replicas cannot be ready"
    );
    assert_eq!(refused.code, 1);
    assert_eq!(
        gates
            .admin()
            .must("get deployment d -n statuses -o jsonpath={.status.readyReplicas}")?,
        ""
    );
    Ok(())
}

fn what_mutations_made_is_what_is_validated(stage: &Stage) -> Result<()> {
    let gates = stage.gates()?;
    gates.namespace("defaults-assigned")?;
    let refused = gates.create(&pod("defaults-assigned", "p"))?;
    assert_eq!(
        refused.stderr,
        "Error from server (Forbidden): error when creating \"STDIN\": admission webhook \"validate.regate.dev\" denied \
         the request: [assigned] the team is unassigned"
    );
    assert_eq!(refused.code, 1);
    assert!(!gates.is_stored("pod p -n defaults-assigned")?);
    let assigned = with(
        pod("defaults-assigned", "p"),
        "/metadata/labels",
        json!({"example.com/team": "red"}),
    );
    // What was made is left as it is when it comes again.
    let made: Value = serde_json::from_str(&gates.admin().must_send("create -o json -f -", &assigned)?)?;
    let version = made["metadata"]["resourceVersion"].clone();
    assert_eq!(gates.admin().send("replace -o json -f -", &made)?.code, 0);
    let kept: Value = serde_json::from_str(&gates.admin().must("get pod p -n defaults-assigned -o json")?)?;
    assert_eq!(
        (&kept["metadata"]["resourceVersion"], &kept["spec"]),
        (&version, &made["spec"])
    );
    Ok(())
}

fn whatever_way_makes_an_object_worse_is_refused(stage: &Stage) -> Result<()> {
    let gates = stage.gates()?;
    gates.namespace("owned-patches")?;
    let owned = with(
        pod("owned-patches", "p"),
        "/metadata/labels",
        json!({"owner": "jane"}),
    );
    gates.admin().must_send("create -f -", &owned)?;
    let replaced = gates
        .admin()
        .send("replace -f -", &with(owned, "/metadata/labels", json!({})))?;
    let patched = ["json", "merge", "strategic"].map(|kind| {
        let patch = match kind {
            "json" => json!([{"op": "remove", "path": "/metadata/labels/owner"}]),
            _ => json!({"metadata": {"labels": {"owner": null}}}),
        };
        gates
            .admin()
            .run(&format!("patch pod p -n owned-patches --type={kind} -p={patch}"))
    });
    for refused in [Ok(replaced)].into_iter().chain(patched) {
        let refused = refused?;
        assert_eq!(
            (refused.code, refused.stderr.as_str()),
            (
                1,
                "The Pod \"p\" is invalid: metadata.labels.owner: [owner] an owner is missing"
            )
        );
    }
    let owner = "get pod p -n owned-patches -o jsonpath={.metadata.labels.owner}";
    assert_eq!(gates.admin().must(owner)?, "jane");
    Ok(())
}

fn a_pod_that_says_it_is_a_mirror_is_judged_like_any_other(stage: &Stage) -> Result<()> {
    let gates = stage.gates()?;
    gates.namespace("mirrors")?;
    let mirror = with(
        pod("mirrors", "p"),
        "/metadata/annotations",
        json!({"kubernetes.io/config.mirror": "x", "kubernetes.io/config.source": "file"}),
    );
    let mirror = with(mirror, "/spec/nodeName", json!("n1"));
    let refused = gates.create(&with(mirror, "/spec/hostNetwork", json!(true)))?;
    assert_eq!(
        refused.stderr,
        "Error from server (Forbidden): error when creating \"STDIN\": admission webhook \"validate.regate.dev\" denied \
         the request: [privileged] the Pod uses the host's network"
    );
    assert_eq!(refused.code, 1);
    assert!(!gates.is_stored("pod p -n mirrors")?);
    Ok(())
}
