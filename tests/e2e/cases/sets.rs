//! The policy sets beside the starters as a user of the cluster meets them: for each a refusal and what is let through.

use anyhow::Result;
use serde_json::{Value, json};

use crate::gates::{Gates, pod, with};
use crate::kubectl::Printed;
use crate::stage::Stage;

super::cases![
    a_team_works_in_its_own_namespace_without_a_role_and_rbac_decides_elsewhere,
    other_teams_namespaces_and_all_at_once_are_closed_whatever_a_role_says,
    one_rule_judges_images_at_both_gates,
    a_pod_that_asks_for_a_log_agent_gets_one_or_is_denied_and_others_stay_as_they_are,
    each_instance_asks_its_own_objects_for_labels,
    a_pod_is_refused_by_each_pod_security_control_that_it_breaks,
    an_exception_frees_the_node_exporter_and_nobody_beside_it,
    what_is_protected_is_deleted_only_without_its_label,
    only_break_glass_gets_into_a_container_of_production_and_leaves_a_trace,
    the_label_of_a_namespace_asks_for_replicas_and_pinned_images,
];

/// Asserts that a command was refused by the validating webhook for these reasons.
#[track_caller]
fn assert_denied(printed: &Printed, before: &str, reasons: &str) {
    assert_eq!(
        printed.stderr,
        format!("{before}admission webhook \"validate.regate.dev\" denied the request: {reasons}")
    );
    assert_eq!(printed.code, 1);
}

/// What `kubectl create -f -` prints before the words of the API server.
const CREATING: &str = "Error from server (Forbidden): error when creating \"STDIN\": ";

/// What other commands print there.
const FORBIDDEN: &str = "Error from server (Forbidden): ";

fn a_team_works_in_its_own_namespace_without_a_role_and_rbac_decides_elsewhere(stage: &Stage) -> Result<()> {
    let gates = stage.sets()?;
    gates.namespace("web")?;
    gates.namespace("common")?;
    let wendy = "--as=wendy --as-group=web-developers";
    assert_eq!(
        gates
            .admin()
            .must(&format!("create configmap c -n web --from-literal=a=b {wendy}"))?,
        "configmap/c created"
    );
    let refused = gates.admin().run(&format!("get configmaps -n common {wendy}"))?;
    assert_eq!(
        refused.stderr,
        "Error from server (Forbidden): configmaps is forbidden: User \"wendy\" cannot list resource \"configmaps\" in \
         API group \"\" in the namespace \"common\""
    );
    assert_eq!(refused.code, 1);
    for line in [
        "create role reader -n common --verb=list --resource=configmaps",
        "create rolebinding reader -n common --role=reader --user=wendy",
    ] {
        gates.admin().must(line)?;
    }
    super::soon("the role counts", || {
        let listed = gates
            .admin()
            .run(&format!("get configmaps -n common -o name {wendy}"))?;
        Ok(listed.code == 0)
    })
}

fn other_teams_namespaces_and_all_at_once_are_closed_whatever_a_role_says(stage: &Stage) -> Result<()> {
    let gates = stage.sets()?;
    gates.namespace("bank")?;
    gates
        .admin()
        .must("create clusterrolebinding wanda --clusterrole=cluster-admin --user=wanda")?;
    let wanda = |line: &str| {
        gates
            .admin()
            .run(&format!("{line} --as=wanda --as-group=web-developers"))
    };
    // What has no namespace is left to RBAC, which allows it.
    super::soon("the role counts", || Ok(wanda("get nodes -o name")?.code == 0))?;

    let foreign = wanda("get pods -n bank")?;
    assert_eq!(
        foreign.stderr,
        "Error from server (Forbidden): pods is forbidden: User \"wanda\" cannot list resource \"pods\" in API group \
         \"\" in the namespace \"bank\": [tenants.foreign_namespaces] namespace bank belongs to another team"
    );
    assert_eq!(foreign.code, 1);
    for (line, verb) in [
        ("get pods -A", "list"),
        ("get --raw /api/v1/pods?watch=true", "watch"),
    ] {
        let everywhere = wanda(line)?;
        assert_eq!(
            everywhere.stderr,
            format!(
                "Error from server (Forbidden): pods is forbidden: User \"wanda\" cannot {verb} resource \"pods\" in \
                 API group \"\" at the cluster scope: [tenants.all_namespaces] {verb} pods in all namespaces is not \
                 for tenants: name a namespace of your team"
            )
        );
        assert_eq!(everywhere.code, 1);
    }
    let everything = wanda("auth can-i * * -A")?;
    assert_eq!(
        (everything.code, everything.stdout.as_str()),
        (
            1,
            "no - [tenants.all_namespaces] * * in all namespaces is not for tenants: name a namespace of your team"
        )
    );
    Ok(())
}

fn one_rule_judges_images_at_both_gates(stage: &Stage) -> Result<()> {
    let gates = stage.sets()?;
    gates.namespace("images")?;
    let elsewhere = with(
        pod("images", "p"),
        "/spec/containers/0/image",
        json!("quay.io/app:1"),
    );
    let refused = gates.create(&elsewhere)?;
    assert_eq!(
        refused.stderr,
        "Error from server (Forbidden): error when creating \"STDIN\": pods \"p\" is forbidden: image policy webhook \
         backend denied one or more images: [approved_registries] image \"quay.io/app:1\" is not from an approved \
         registry"
    );
    assert_eq!(refused.code, 1);
    // The image gate is not asked about what makes Pods.
    let refused = gates
        .admin()
        .run("create deployment d -n images --image=quay.io/app:1")?;
    assert_denied(
        &refused,
        "error: failed to create deployment: ",
        "[approved_registries] container \"app\": image \"quay.io/app:1\" is not from an approved registry",
    );
    assert_eq!(gates.create(&pod("images", "p"))?.stdout, "pod/p created");
    gates
        .admin()
        .must("create deployment d -n images --image=registry.example.com/app:1")
        .map(drop)
}

fn a_pod_that_asks_for_a_log_agent_gets_one_or_is_denied_and_others_stay_as_they_are(
    stage: &Stage,
) -> Result<()> {
    let gates = stage.sets()?;
    gates.namespace("logged")?;
    let asking = |name| {
        with(
            pod("logged", name),
            "/metadata/labels",
            json!({"logs.regate.dev/agent": "true"}),
        )
    };
    let own = with(
        asking("own"),
        "/spec/initContainers",
        json!([{"name": "log-agent", "image": "registry.example.com/agent:1"}]),
    );
    for object in [&asking("asking"), &own, &pod("logged", "silent")] {
        gates.admin().must_send("create -f -", object)?;
    }
    let agents = |name: &str| -> Result<Value> {
        let stored: Value =
            serde_json::from_str(&gates.admin().must(&format!("get pod {name} -n logged -o json"))?)?;
        Ok(stored["spec"]["initContainers"].clone())
    };
    let given = agents("asking")?;
    assert_eq!(
        (given[0]["name"].as_str(), given[0]["restartPolicy"].as_str()),
        (Some("log-agent"), Some("Always"))
    );
    assert_eq!(given[0]["image"], "registry.k8s.io/pause:3.10");
    assert_eq!(given.as_array().map(Vec::len), Some(1));
    assert_eq!(agents("own")?[0]["image"], "registry.example.com/agent:1");
    assert_eq!(agents("own")?.as_array().map(Vec::len), Some(1));
    assert_eq!(agents("silent")?, Value::Null);
    let taken = with(asking("taken"), "/spec/containers/0/name", json!("log-agent"));
    let printed = gates.create(&taken)?;
    assert_eq!(
        printed.stderr,
        "The Pod \"taken\" is invalid: spec.containers[0].name: [log_agent] the name \"log-agent\" is \
         that of the log agent, which the Pod asks for: call the container otherwise"
    );
    assert_eq!(printed.code, 1);
    Ok(())
}

fn each_instance_asks_its_own_objects_for_labels(stage: &Stage) -> Result<()> {
    let gates = stage.sets()?;
    let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "labelled"}});
    assert_denied(
        &gates.create(&namespace)?,
        CREATING,
        "[required_labels.cost_center] the label cost-center is missing",
    );
    let paid = with(namespace, "/metadata/labels", json!({"cost-center": "cc-0042"}));
    assert_eq!(gates.create(&paid)?.stdout, "namespace/labelled created");

    let image = "--image=registry.example.com/app:1";
    let refused = gates
        .admin()
        .run(&format!("create deployment d -n labelled {image}"))?;
    assert_denied(
        &refused,
        "error: failed to create deployment: ",
        "[required_labels.owner] the label owner is missing",
    );
    let owned = json!({
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"namespace": "labelled", "name": "d", "labels": {"owner": "web"}},
        "spec": {
            "selector": {"matchLabels": {"app": "d"}},
            "template": {
                "metadata": {"labels": {"app": "d"}},
                "spec": {"containers": [{"name": "main", "image": "registry.example.com/app:1"}]},
            },
        },
    });
    assert_eq!(gates.create(&owned)?.stdout, "deployment.apps/d created");

    // The instance for Services only warns.
    let service = gates
        .admin()
        .run("create service clusterip s -n labelled --tcp=80")?;
    assert_eq!(
        service.stderr,
        "Warning: [required_labels.environment] the label environment is missing"
    );
    assert_eq!((service.code, service.stdout.as_str()), (0, "service/s created"));
    Ok(())
}

/// A Pod spec that keeps every control of the restricted level.
fn hardened() -> Value {
    json!({
        "securityContext": {"runAsNonRoot": true, "seccompProfile": {"type": "RuntimeDefault"}},
        "containers": [{
            "name": "main",
            "image": "registry.example.com/app:1",
            "securityContext": {"allowPrivilegeEscalation": false, "capabilities": {"drop": ["ALL"]}},
        }],
    })
}

fn a_pod_is_refused_by_each_pod_security_control_that_it_breaks(stage: &Stage) -> Result<()> {
    let gates = stage.sets()?;
    gates.namespace("hardened")?;
    let privileged = with(
        pod("hardened", "p"),
        "/spec/containers/0/securityContext",
        json!({"privileged": true}),
    );
    assert_denied(
        &gates.create(&privileged)?,
        CREATING,
        "[pod_security.baseline.privileged] container \"main\" must not be privileged; \
         [pod_security.restricted.capabilities] container \"main\" must drop ALL capabilities; \
         [pod_security.restricted.privilege_escalation] container \"main\" must set allowPrivilegeEscalation to false; \
         [pod_security.restricted.run_as_non_root] container \"main\" needs runAsNonRoot: true, its own or the Pod's; \
         [pod_security.restricted.seccomp] container \"main\" needs the seccomp profile RuntimeDefault or Localhost, \
         its own or the Pod's",
    );
    assert!(!gates.is_stored("pod p -n hardened")?);
    let good = with(pod("hardened", "p"), "/spec", hardened());
    assert_eq!(gates.create(&good)?.stdout, "pod/p created");
    Ok(())
}

fn an_exception_frees_the_node_exporter_and_nobody_beside_it(stage: &Stage) -> Result<()> {
    let gates = stage.sets()?;
    gates.namespace("monitoring")?;
    let spec = with(hardened(), "/hostNetwork", json!(true));
    let spec = with(spec, "/hostPID", json!(true));
    let spec = with(
        spec,
        "/volumes",
        json!([{"name": "proc", "hostPath": {"path": "/proc"}}]),
    );
    let spec = with(
        spec,
        "/containers/0/ports",
        json!([{"containerPort": 9100, "hostPort": 9100}]),
    );
    let daemons = |name: &str| {
        json!({
            "apiVersion": "apps/v1",
            "kind": "DaemonSet",
            "metadata": {"namespace": "monitoring", "name": name},
            "spec": {
                "selector": {"matchLabels": {"app": name}},
                "template": {"metadata": {"labels": {"app": name}}, "spec": spec.clone()},
            },
        })
    };
    assert_denied(
        &gates.create(&daemons("exporter"))?,
        CREATING,
        "[pod_security.baseline.host_namespaces] hostNetwork must not be true; \
         [pod_security.baseline.host_namespaces] hostPID must not be true; \
         [pod_security.baseline.host_path] volume \"proc\" must not be the host path \"/proc\"; \
         [pod_security.baseline.host_ports] container \"main\" must not use the host port 9100; \
         [pod_security.restricted.volume_types] volume \"proc\" must not be of the type hostPath",
    );
    assert_eq!(
        gates.create(&daemons("node-exporter"))?.stdout,
        "daemonset.apps/node-exporter created"
    );
    Ok(())
}

fn what_is_protected_is_deleted_only_without_its_label(stage: &Stage) -> Result<()> {
    let gates = stage.sets()?;
    gates.namespace("kept")?;
    let admin = gates.admin();
    admin.must("create configmap keep -n kept")?;
    admin.must("label configmap keep -n kept regate.dev/protected=true")?;
    for line in [
        "delete configmap keep -n kept",
        "delete --raw /api/v1/namespaces/kept/configmaps",
    ] {
        assert_denied(
            &admin.run(line)?,
            FORBIDDEN,
            "[guards.protected] ConfigMap \"keep\" is protected: take its label regate.dev/protected away first",
        );
        assert!(gates.is_stored("configmap keep -n kept")?);
    }
    admin.must("label configmap keep -n kept regate.dev/protected-")?;
    admin.must("delete configmap keep -n kept")?;
    assert!(!gates.is_stored("configmap keep -n kept")?);
    Ok(())
}

fn only_break_glass_gets_into_a_container_of_production_and_leaves_a_trace(stage: &Stage) -> Result<()> {
    let gates = stage.sets()?;
    gates.namespace("production")?;
    gates.admin().must_send("create -f -", &pod("production", "p"))?;
    assert_denied(
        &gates.admin().run("exec p -n production -- ls")?,
        "error: unable to upgrade connection: ",
        "[guards.interactive] exec in Pods of production is not allowed",
    );
    let glass = "--as=bella --as-group=system:masters --as-group=break-glass";
    let passed = gates
        .admin()
        .run(&format!("exec p -n production {glass} -- ls"))?;
    // No kubelet runs the Pod.
    assert_eq!(
        passed.stderr,
        "error: unable to upgrade connection: pod p does not have a host assigned"
    );
    super::soon("the audit log names the group", || {
        Ok(gates.plane().audit_events()?.iter().any(|event| {
            event["objectRef"]["subresource"] == "exec"
                && event["annotations"]["validate.regate.dev/guards.interactive.group"] == "break-glass"
        }))
    })
}

fn the_label_of_a_namespace_asks_for_replicas_and_pinned_images(stage: &Stage) -> Result<()> {
    let gates = stage.sets()?;
    let admin = gates.admin();
    gates.namespace("shop")?;
    gates.namespace("workshop")?;
    admin.must("label namespace shop environment=production")?;
    let (image, deployments) = ("--image=registry.example.com/app:1", "create deployment");
    super::soon("the label is known", || {
        let refused = admin.run(&format!("{deployments} d -n shop {image} --dry-run=server"))?;
        Ok(refused.code == 1)
    })?;
    assert_denied(
        &admin.run(&format!("{deployments} d -n shop {image} --replicas=1"))?,
        "error: failed to create deployment: ",
        "[guards.replicas] namespaces of production need 2 replicas, not 1",
    );
    admin.must(&format!("{deployments} d -n shop {image} --replicas=2"))?;
    assert_denied(
        &admin.run("scale deployment d -n shop --replicas=1")?,
        FORBIDDEN,
        "[guards.replicas] namespaces of production need 2 replicas, not 1",
    );
    admin.must(&format!("{deployments} d -n workshop {image} --replicas=1"))?;

    let latest = |gates: &Gates, namespace| {
        let untagged = json!("registry.example.com/app");
        gates.create(&with(pod(namespace, "p"), "/spec/containers/0/image", untagged))
    };
    assert_denied(
        &latest(&gates, "shop")?,
        CREATING,
        "[guards.pinned_images] container \"main\": image \"registry.example.com/app\" needs a tag other than latest, \
         or a digest",
    );
    assert_eq!(latest(&gates, "workshop")?.stdout, "pod/p created");
    Ok(())
}
