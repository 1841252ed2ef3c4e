//! When Regate cannot answer: what is refused, what is let through, and what a fault of a policy must never become.
//!
//! Each case has a control plane to itself, whose server it ends. The API server tries a gate other than admission five
//! times, so cases ask for single paths (`--raw`) where kubectl would ask for several.

use anyhow::Result;
use serde_json::json;

use crate::gates::{Gates, pod, with};
use crate::kubectl::Printed;
use crate::regate::Registration;
use crate::stage::{IGNORE, Stage};

super::cases![
    while_regate_is_down_whatever_needs_its_decision_is_refused,
    while_regate_is_down_a_cluster_that_chose_so_goes_on_without_it,
    only_an_answer_that_is_no_error_is_remembered,
];

/// What carol's role lets her do. Each is asked for once, so that no answer is remembered from before the outage.
const PODS: &str = "get --raw /api/v1/namespaces/default/pods";
const EVENTS: &str = "get --raw /api/v1/namespaces/default/events";

fn while_regate_is_down_whatever_needs_its_decision_is_refused(stage: &Stage) -> Result<()> {
    let mut gates = stage.gates_of_its_own(&[], add_rules_for_bindings)?;
    let_carol_list_pods_and_events(&gates)?;
    gates
        .admin()
        .must_send("create -f -", &pod("default", "unbound"))?;
    gates.regate_mut().stop()?;

    assert_unauthorized(&gates.plane().bearer("jane-token")?.run("get --raw /api")?);
    // Her role allows it, but nobody can say that no policy denies it.
    assert_unreachable(
        &gates.plane().carol().run(EVENTS)?,
        "Error from server (InternalError): an error on the server (\"Internal Server Error: \
         \\\"/api/v1/namespaces/default/events\\\": Post \\\"https://127.0.0.1:",
    );
    // What kubelet asks of the API server itself is none of Regate's business.
    for path in ["/livez/ping", "/healthz", "/livez", "/readyz"] {
        let refused = path == "/livez/ping";
        let printed = gates.plane().carol().run(&format!("get --raw {path}"))?;
        assert_eq!(printed.stdout.trim() == "ok", !refused, "{path}: {printed:?}");
    }
    assert_call_failed(&gates.create(&pod("default", "p"))?, "mutate");
    // Pods get their nodes.
    let binding = json!({
        "apiVersion": "v1",
        "kind": "Binding",
        "metadata": {"namespace": "default", "name": "unbound"},
        "target": {"apiVersion": "v1", "kind": "Node", "name": "n1"},
    });
    gates.admin().must_send(
        "create --raw /api/v1/namespaces/default/pods/unbound/binding -f -",
        &binding,
    )?;
    assert_eq!(
        gates
            .admin()
            .must("get pod unbound -n default -o jsonpath={.spec.nodeName}")?,
        "n1"
    );
    // The registration itself can be taken back, step by step.
    gates.admin().must("delete mutatingwebhookconfigurations --all")?;
    super::soon("the mutating webhook is gone", || {
        let map = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"namespace": "default", "name": "m"}});
        let refused = gates.create(&map)?;
        Ok(!refused.stderr.contains("mutate.regate.dev") && {
            assert_call_failed(&refused, "validate");
            true
        })
    })?;
    assert!(!gates.is_stored("configmap m -n default")?);
    // Both configurations are gone afterwards, and it says which flags are left to take out.
    let said = gates.undo()?;
    assert!(
        said.contains("--enable-admission-plugins=ImagePolicyWebhook"),
        "{said}"
    );
    let left = gates
        .admin()
        .must("get mutatingwebhookconfigurations,validatingwebhookconfigurations -o name")?;
    assert_eq!(left, "");
    let unjudged = with(
        pod("default", "p"),
        "/spec/containers/0/image",
        json!("registry.example.com/other:1"),
    );
    assert_unreachable(
        &gates.create(&unjudged)?,
        "Error from server (Forbidden): error when creating \"STDIN\": pods \"p\" is forbidden: Post \
         \"https://127.0.0.1:",
    );
    assert!(!gates.is_stored("pod p -n default")?);
    Ok(())
}

fn while_regate_is_down_a_cluster_that_chose_so_goes_on_without_it(stage: &Stage) -> Result<()> {
    let open = [IGNORE, &["--failure-policy=authz=NoOpinion"]].concat();
    let mut gates = stage.gates_of_its_own(&open, admit_images_that_nobody_judged)?;
    let_carol_list_pods_and_events(&gates)?;
    gates.namespace("broken-mutation")?;
    gates.namespace("broken-validation")?;
    // While Regate answers, a fault of a policy refuses, here too: it must not be taken for an outage.
    let faulty = with(
        pod("broken-validation", "p"),
        "/metadata/labels",
        json!({"count": "many"}),
    );
    super::assert_fault(&gates.create(&pod("broken-mutation", "p"))?, "mutate");
    super::assert_fault(&gates.create(&faulty)?, "validate");
    assert!(!gates.is_stored("pod p -n broken-mutation")? && !gates.is_stored("pod p -n broken-validation")?);
    gates.regate_mut().stop()?;

    assert_unauthorized(&gates.plane().bearer("jane-token")?.run("get --raw /api")?);
    assert_eq!(gates.plane().carol().run(EVENTS)?.code, 0);
    let refused = gates
        .plane()
        .carol()
        .run("get --raw /api/v1/namespaces/default/secrets")?;
    // Nobody allows it, and the API server says whom it could not ask.
    assert_unreachable(
        &refused,
        "Error from server (InternalError): an error on the server (\"Internal Server Error: \
        \\\"/api/v1/namespaces/default/secrets\\\": Post \\\"https://127.0.0.1:",
    );
    gates.namespace("defaults")?;
    let bad = with(pod("defaults", "p"), "/spec/hostNetwork", json!(true));
    assert_eq!(gates.create(&bad)?.stdout, "pod/p created");
    assert_eq!(
        gates
            .admin()
            .must("get pod p -n defaults -o jsonpath={.metadata.labels}")?,
        ""
    );
    super::soon("the audit log says who was not asked", || {
        Ok(gates.plane().audit_events()?.iter().any(|event| {
            let said = |key: &str| event["annotations"][key].as_str();
            event["verb"] == "create"
                && event["objectRef"]["resource"] == "pods"
                && event["objectRef"]["namespace"] == "defaults"
                && said("failed-open.mutation.webhook.admission.k8s.io/round_0_index_0")
                    == Some("mutate.regate.dev")
                && said("failed-open.validating.webhook.admission.k8s.io/round_0_index_0")
                    == Some("validate.regate.dev")
                && said("imagepolicywebhook.image-policy.k8s.io/failed-open") == Some("true")
        }))
    })?;
    Ok(())
}

/// The webhooks' conditions leave bindings alone, whatever the rules say: a cluster that starts needs them.
fn add_rules_for_bindings(registration: &Registration) -> Result<()> {
    ["mutating.yaml", "validating.yaml"].iter().try_for_each(|name| {
        registration.edit(name, |document| {
            let rules = document["webhooks"][0]["rules"].as_array_mut();
            rules.into_iter().for_each(|rules| {
                rules.push(json!({
                    "operations": ["CREATE"],
                    "apiGroups": [""],
                    "apiVersions": ["v1"],
                    "resources": ["pods/binding"],
                }));
            });
        })
    })
}

fn admit_images_that_nobody_judged(registration: &Registration) -> Result<()> {
    registration.edit("admission.yaml", |document| {
        for plugin in document["plugins"].as_array_mut().into_iter().flatten() {
            if plugin["name"] == "ImagePolicyWebhook" {
                plugin["configuration"]["imagePolicy"]["defaultAllow"] = true.into();
            }
        }
    })
}

fn only_an_answer_that_is_no_error_is_remembered(stage: &Stage) -> Result<()> {
    let gates = stage.gates_of_its_own(&[], |_| Ok(()))?;
    // A good token and an unknown one are asked for once within the ten seconds, a revoked one every time: its refusal
    // is an error, so that nobody stays locked out by what may be a failure.
    for (token, asked) in [("jane-token", 1), ("nobody-knows-me", 1), ("mallory-token", 3)] {
        let kubectl = gates.plane().bearer(token)?;
        let before = gates.regate().reviews("authn")?;
        for _ in 0..3 {
            kubectl.run("get --raw /api")?;
        }
        assert_eq!(gates.regate().reviews("authn")? - before, asked, "{token}");
    }
    // Allowed images are remembered for half a minute, refused ones for a second.
    gates.namespace("images")?;
    let before = gates.regate().reviews("image")?;
    for name in ["a", "b", "c"] {
        gates.admin().must_send("create -f -", &pod("images", name))?;
    }
    assert_eq!(gates.regate().reviews("image")? - before, 1);
    let foreign = with(
        pod("images", "p"),
        "/spec/containers/0/image",
        json!("foreign.example.com/app:1"),
    );
    super::soon("a refused image is judged again", || {
        assert_eq!(gates.create(&foreign)?.code, 1);
        Ok(gates.regate().reviews("image")? - before >= 3)
    })
}

fn let_carol_list_pods_and_events(gates: &Gates) -> Result<()> {
    gates
        .admin()
        .must("create role lister -n default --verb=list --resource=pods,events")?;
    gates
        .admin()
        .must("create rolebinding lister -n default --role=lister --user=carol")?;
    super::soon("the role counts", || {
        Ok(gates.plane().carol().run(PODS)?.code == 0)
    })
}

fn assert_unauthorized(printed: &Printed) {
    assert_eq!(
        printed.stderr,
        "error: You must be logged in to the server (Unauthorized)"
    );
    assert_eq!(printed.code, 1);
}

fn assert_call_failed(printed: &Printed, gate: &str) {
    let failed = format!(
        "Error from server (InternalError): error when creating \"STDIN\": Internal error occurred: failed calling \
         webhook \"{gate}.regate.dev\": failed to call webhook: Post \"https://127.0.0.1:"
    );
    assert!(printed.stderr.starts_with(&failed), "{}", printed.stderr);
    assert!(
        printed.stderr.ends_with("connect: connection refused"),
        "{}",
        printed.stderr
    );
    assert_eq!((printed.code, printed.stdout.as_str()), (1, ""));
}

fn assert_unreachable(printed: &Printed, beginning: &str) {
    assert!(printed.stderr.starts_with(beginning), "{}", printed.stderr);
    assert!(
        printed.stderr.contains("connect: connection refused"),
        "{}",
        printed.stderr
    );
    assert_eq!((printed.code, printed.stdout.as_str()), (1, ""));
}
