//! Which images may run: ImagePolicyWebhook asks about every list of containers of a Pod.

use anyhow::Result;
use serde_json::json;

use crate::gates::{Gates, pod, with};
use crate::kubectl::Printed;
use crate::stage::Stage;

super::cases![
    images_of_a_trusted_registry_run_and_others_are_refused_by_name,
    init_containers_count_like_any_other,
    ephemeral_containers_count_when_they_are_added,
    only_annotations_meant_for_the_image_policy_reach_it,
];

const FOREIGN: &str = "docker.io/library/nginx:1";

fn images_of_a_trusted_registry_run_and_others_are_refused_by_name(stage: &Stage) -> Result<()> {
    let gates = stage.gates()?;
    gates.namespace("images")?;
    assert_eq!(gates.create(&pod("images", "good"))?.stdout, "pod/good created");
    assert!(gates.is_stored("pod good -n images")?);
    let bad = with(pod("images", "bad"), "/spec/containers/0/image", json!(FOREIGN));
    assert_refused(&gates.create(&bad)?, "bad");
    assert!(!gates.is_stored("pod bad -n images")?);
    // A change of the image is judged as well.
    let changed = gates
        .admin()
        .run(&format!("set image pod/good main={FOREIGN} -n images"))?;
    assert_eq!(
        changed.stderr,
        "error: failed to patch image update to pod template: pods \"good\" is forbidden: image policy webhook \
         backend denied one or more images: [registries] docker.io/library/nginx:1 is not from registry.example.com"
    );
    assert_eq!(changed.code, 1);
    Ok(())
}

fn init_containers_count_like_any_other(stage: &Stage) -> Result<()> {
    let gates = stage.gates()?;
    gates.namespace("images-init")?;
    let init = json!([{"name": "init", "image": FOREIGN}]);
    assert_refused(
        &gates.create(&with(pod("images-init", "p"), "/spec/initContainers", init))?,
        "p",
    );
    assert!(!gates.is_stored("pod p -n images-init")?);
    Ok(())
}

fn ephemeral_containers_count_when_they_are_added(stage: &Stage) -> Result<()> {
    let gates = stage.gates()?;
    gates.namespace("images-debug")?;
    gates
        .admin()
        .must_send("create -f -", &pod("images-debug", "p"))?;
    let bad = gates.admin().run(&format!(
        "debug p -n images-debug -c bad --profile=general --image={FOREIGN}"
    ))?;
    assert_eq!(
        bad.stderr,
        "Error from server (Forbidden): pods \"p\" is forbidden: image policy webhook backend denied one or more images: [registries] \
         docker.io/library/nginx:1 is not from registry.example.com"
    );
    assert_eq!(bad.code, 1);
    gates
        .admin()
        .must("debug p -n images-debug -c good --profile=general --image=registry.example.com/tools:1")?;
    let names = gates
        .admin()
        .must("get pod p -n images-debug -o jsonpath={.spec.ephemeralContainers[*].name}")?;
    assert_eq!(names, "good");
    Ok(())
}

fn only_annotations_meant_for_the_image_policy_reach_it(stage: &Stage) -> Result<()> {
    let gates = stage.gates()?;
    gates.namespace("images-ticket")?;
    let create = |name: &str, key: &str| -> Result<Printed> {
        let foreign = with(
            pod("images-ticket", name),
            "/spec/containers/0/image",
            json!(FOREIGN),
        );
        gates.create(&with(foreign, "/metadata/annotations", json!({key: "ticket-7"})))
    };
    // kube-apiserver passes on only keys below a prefix of `.image-policy.k8s.io`.
    assert_refused(
        &create("without-prefix", "image-policy.k8s.io/ticket")?,
        "without-prefix",
    );
    assert_eq!(
        create("with-prefix", "e2e.image-policy.k8s.io/ticket")?.stdout,
        "pod/with-prefix created"
    );
    assert_eq!(stored(&gates)?, "pod/with-prefix");
    super::soon("the audit annotation is logged", || {
        Ok(gates.plane().audit_events()?.iter().any(|event| {
            event["objectRef"]["name"] == "with-prefix"
                && event["annotations"]["imagepolicywebhook.image-policy.k8s.io/registries.ticket"]
                    == "ticket-7"
        }))
    })
}

fn stored(gates: &Gates) -> Result<String> {
    gates.admin().must("get pods -n images-ticket -o name")
}

fn assert_refused(printed: &Printed, name: &str) {
    assert_eq!(
        printed.stderr,
        format!(
            "Error from server (Forbidden): error when creating \"STDIN\": pods \"{name}\" is forbidden: image policy \
             webhook backend denied one or more images: [registries] {FOREIGN} is not from registry.example.com"
        )
    );
    assert_eq!((printed.code, printed.stdout.as_str()), (1, ""));
}
