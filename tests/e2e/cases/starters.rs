//! The starter policies as a user of the cluster meets them.

use anyhow::Result;
use serde_json::{Value, json};

use crate::gates::{pod, with};
use crate::stage::Stage;
use crate::starters::{JANE, RAY, REVOKED};

super::cases![
    a_token_on_the_list_logs_in_and_a_revoked_one_does_not,
    nobody_execs_into_kube_system_whatever_their_role_says,
    the_read_only_group_reads_pods_everywhere_and_no_secrets,
    new_pods_get_labels_and_a_safe_security_context,
    images_need_a_trusted_registry_and_a_version,
    a_pod_that_endangers_its_node_is_refused_with_every_reason,
    the_template_of_a_controller_is_judged_like_a_pod,
    an_old_pod_that_no_policy_judged_can_be_cleaned_up_and_not_made_worse,
];

/// An image that the starter policies trust.
const PAUSE: &str = "registry.k8s.io/pause:3.10";

fn a_token_on_the_list_logs_in_and_a_revoked_one_does_not(stage: &Stage) -> Result<()> {
    let starters = stage.starters()?;
    let jane = starters.plane().bearer(JANE)?;
    assert_eq!(
        jane.must("auth whoami -o jsonpath={.status.userInfo.username}")?,
        "jane"
    );
    let revoked = starters.plane().bearer(REVOKED)?.run("get pods -n default")?;
    assert_eq!(
        revoked.stderr,
        "error: You must be logged in to the server (Unauthorized)"
    );
    assert_eq!(revoked.code, 1);
    Ok(())
}

fn nobody_execs_into_kube_system_whatever_their_role_says(stage: &Stage) -> Result<()> {
    let starters = stage.starters()?;
    starters
        .admin()
        .must("create clusterrolebinding jane --clusterrole=cluster-admin --user=jane")?;
    let jane = starters.plane().bearer(JANE)?;
    super::soon("the role counts", || {
        Ok(jane
            .run("auth can-i create pods --subresource=exec -n default")?
            .stdout
            == "yes")
    })?;
    starters
        .admin()
        .must_send("create -f -", &limited("kube-system", "etcd"))?;
    let refused = jane.run("exec etcd -n kube-system -- sh")?;
    assert_eq!(
        refused.stderr,
        "error: unable to upgrade connection: pods \"etcd\" is forbidden: User \"jane\" cannot create resource \
         \"pods/exec\" in API group \"\" in the namespace \"kube-system\": [exec_kube_system] exec into pods of \
         kube-system is not allowed"
    );
    assert_eq!(refused.code, 1);
    let everywhere = jane.run("auth can-i create pods --subresource=exec -A")?;
    assert_eq!(
        (everywhere.code, everywhere.stdout.as_str()),
        (
            1,
            "no - [exec_kube_system] exec into pods of kube-system is not allowed"
        )
    );
    Ok(())
}

fn the_read_only_group_reads_pods_everywhere_and_no_secrets(stage: &Stage) -> Result<()> {
    let starters = stage.starters()?;
    let ray = starters.plane().bearer(RAY)?;
    assert_eq!(ray.run("get pods -A")?.code, 0);
    let refused = ray.run("get secrets -A")?;
    assert_eq!(
        refused.stderr,
        "Error from server (Forbidden): secrets is forbidden: User \"ray\" cannot list resource \"secrets\" in API \
         group \"\" at the cluster scope"
    );
    assert_eq!(refused.code, 1);
    Ok(())
}

fn new_pods_get_labels_and_a_safe_security_context(stage: &Stage) -> Result<()> {
    let starters = stage.starters()?;
    starters.namespace("mutated")?;
    assert_eq!(starters.create(&limited("mutated", "p"))?.stdout, "pod/p created");
    let pod: Value = serde_json::from_str(&starters.admin().must("get pod p -n mutated -o json")?)?;
    assert_eq!(
        pod["metadata"]["labels"],
        json!({"app.kubernetes.io/part-of": "unassigned", "team": "unassigned"})
    );
    assert_eq!(
        pod["spec"]["securityContext"],
        json!({"seccompProfile": {"type": "RuntimeDefault"}})
    );
    assert_eq!(
        pod["spec"]["containers"][0]["securityContext"],
        json!({"allowPrivilegeEscalation": false})
    );
    Ok(())
}

fn images_need_a_trusted_registry_and_a_version(stage: &Stage) -> Result<()> {
    let starters = stage.starters()?;
    starters.namespace("images")?;
    let image = |image: &str| with(limited("images", "p"), "/spec/containers/0/image", json!(image));
    let refused = starters.create(&image("registry.example.com/app"))?;
    assert_eq!(
        refused.stderr,
        "Error from server (Forbidden): error when creating \"STDIN\": pods \"p\" is forbidden: image policy webhook \
         backend denied one or more images: [no_latest] image \"registry.example.com/app\" needs a tag other than latest, or a \
         digest; [trusted_registries] image \"registry.example.com/app\" is not from a trusted registry"
    );
    assert_eq!(refused.code, 1);
    assert!(!starters.is_stored("pod p -n images")?);
    assert_eq!(starters.create(&image("nginx:1.29"))?.stdout, "pod/p created");
    Ok(())
}

fn a_pod_that_endangers_its_node_is_refused_with_every_reason(stage: &Stage) -> Result<()> {
    let starters = stage.starters()?;
    starters.namespace("dangers")?;
    let pod = with(pod("dangers", "p"), "/spec/hostNetwork", json!(true));
    let pod = with(
        pod,
        "/spec/volumes",
        json!([{"name": "etc", "hostPath": {"path": "/etc"}}]),
    );
    let pod = with(pod, "/spec/containers/0/image", json!(PAUSE));
    let refused = starters.create(&with(
        pod,
        "/spec/containers/0/securityContext",
        json!({"privileged": true}),
    ))?;
    assert_eq!(
        refused.stderr,
        "Error from server (Forbidden): error when creating \"STDIN\": admission webhook \"validate.regate.dev\" \
         denied the request: [host_namespaces] hostNetwork must not be true; [host_path] volume \"etc\" must not be the \
         host path \"/etc\"; [missing_limits] container \"main\" has no cpu limit; [missing_limits] container \"main\" \
         has no memory limit; [privileged] container \"main\" must not be privileged"
    );
    assert_eq!(refused.code, 1);
    assert!(!starters.is_stored("pod p -n dangers")?);
    Ok(())
}

fn the_template_of_a_controller_is_judged_like_a_pod(stage: &Stage) -> Result<()> {
    let starters = stage.starters()?;
    starters.namespace("templates")?;
    let refused = starters
        .admin()
        .run("create deployment d -n templates --image=registry.k8s.io/pause:3.10")?;
    assert_eq!(
        refused.stderr,
        "error: failed to create deployment: admission webhook \"validate.regate.dev\" denied the request: \
         [missing_limits] container \"pause\" has no cpu limit; [missing_limits] container \"pause\" has no memory limit"
    );
    assert_eq!(refused.code, 1);
    assert!(!starters.is_stored("deployment d -n templates")?);
    Ok(())
}

fn an_old_pod_that_no_policy_judged_can_be_cleaned_up_and_not_made_worse(stage: &Stage) -> Result<()> {
    let starters = stage.starters()?;
    starters.namespace("before")?;
    let old = with(pod("before", "old"), "/spec/hostNetwork", json!(true));
    let old = with(
        old,
        "/spec/volumes",
        json!([{"name": "etc", "hostPath": {"path": "/etc"}}]),
    );
    let old = with(
        old,
        "/spec/containers",
        json!([{"name": "main", "image": PAUSE, "securityContext": {"privileged": true}}]),
    );
    let old = with(old, "/metadata/labels", json!({"tier": "front"}));
    let old = with(
        old,
        "/metadata/finalizers",
        json!(["e2e.example.com/hold", "e2e.example.com/last"]),
    );
    // Of what nodes write no webhook is asked, as if there had been none yet.
    let admin = starters.admin();
    admin.must_send(
        "create -f - --as=system:node:n1 --as-group=system:nodes --as-group=system:masters",
        &old,
    )?;
    let meta = |of: &str| admin.must(&format!("get pod old -n before -o jsonpath={{.metadata.{of}}}"));
    assert_eq!(meta("labels")?, "{\"tier\":\"front\"}");

    assert_eq!(admin.must("label pod old -n before tier-")?, "pod/old unlabeled");
    let lose_finalizer =
        "patch pod old -n before --type=json -p=[{\"op\":\"remove\",\"path\":\"/metadata/finalizers/0\"}]";
    assert_eq!(admin.must(lose_finalizer)?, "pod/old patched");
    assert_eq!(
        (meta("labels")?.as_str(), meta("finalizers")?.as_str()),
        ("", "[\"e2e.example.com/last\"]")
    );
    let refused = admin.run(&format!(
        "debug old -n before -c spy --profile=sysadmin --image={PAUSE}"
    ))?;
    assert_eq!(
        refused.stderr,
        "Error from server (Forbidden): admission webhook \"validate.regate.dev\" denied the request: [privileged] \
         ephemeral container \"spy\" must not be privileged"
    );
    assert_eq!(refused.code, 1);
    let spies = "get pod old -n before -o jsonpath={.spec.ephemeralContainers}";
    assert_eq!(admin.must(spies)?, "");
    admin.must("delete pod old -n before --grace-period=0 --force --wait=false")?;
    assert_eq!(admin.must(lose_finalizer)?, "pod/old patched");
    super::soon(
        "the Pod is gone",
        || Ok(!starters.is_stored("pod old -n before")?),
    )
}

/// A Pod that no starter policy refuses.
fn limited(namespace: &str, name: &str) -> Value {
    let pod = with(pod(namespace, name), "/spec/containers/0/image", json!(PAUSE));
    with(
        pod,
        "/spec/containers/0/resources",
        json!({"limits": {"cpu": "100m", "memory": "64Mi"}}),
    )
}
