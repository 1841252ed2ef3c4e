//! What may be written: denials, warnings and their exact texts, and what changes with time.

use std::fs;

use anyhow::Result;
use serde_json::json;

use crate::gates::{pod, with};
use crate::stage::Stage;

super::cases![
    every_denial_is_named_in_one_answer,
    a_denial_with_a_field_reads_like_a_validation_of_kubernetes,
    a_warning_is_shown_and_logged_and_stops_nobody,
    a_warning_is_shown_beside_a_denial,
    a_policy_that_fails_refuses_instead_of_allowing,
    a_policy_changed_under_way_counts_soon,
    an_old_pod_that_a_tightened_policy_would_refuse_can_still_be_cleaned_up,
    a_custom_resource_is_judged_and_mutated_like_any_other,
];

fn every_denial_is_named_in_one_answer(stage: &Stage) -> Result<()> {
    let gates = stage.gates()?;
    gates.namespace("denials")?;
    let privileged = with(
        pod("denials", "p"),
        "/spec/containers/0/securityContext",
        json!({"privileged": true}),
    );
    let refused = gates.create(&with(privileged, "/spec/hostNetwork", json!(true)))?;
    assert_eq!(
        refused.stderr,
        "Error from server (Forbidden): error when creating \"STDIN\": admission webhook \"validate.regate.dev\" \
         denied the request: [privileged] container main is privileged; [privileged] the Pod uses the host's network"
    );
    assert_eq!((refused.code, refused.stdout.as_str()), (1, ""));
    assert!(!gates.is_stored("pod p -n denials")?);
    assert_eq!(gates.create(&pod("denials", "p"))?.stdout, "pod/p created");
    Ok(())
}

fn a_denial_with_a_field_reads_like_a_validation_of_kubernetes(stage: &Stage) -> Result<()> {
    let gates = stage.gates()?;
    gates.namespace("owned")?;
    let refused = gates.create(&pod("owned", "p"))?;
    assert_eq!(
        refused.stderr,
        "The Pod \"p\" is invalid: metadata.labels.owner: [owner] an owner is missing"
    );
    assert_eq!(refused.code, 1);
    assert!(!gates.is_stored("pod p -n owned")?);
    let owned = with(pod("owned", "p"), "/metadata/labels", json!({"owner": "jane"}));
    assert_eq!(gates.create(&owned)?.stdout, "pod/p created");
    Ok(())
}

fn a_warning_is_shown_and_logged_and_stops_nobody(stage: &Stage) -> Result<()> {
    let gates = stage.gates()?;
    gates.namespace("warnings")?;
    let untagged = with(
        pod("warnings", "untagged"),
        "/spec/containers/0/image",
        json!("registry.example.com/app"),
    );
    let printed = gates.create(&untagged)?;
    assert_eq!(printed.stderr, "Warning: [advice] container main has no tag");
    assert_eq!(
        (printed.code, printed.stdout.as_str()),
        (0, "pod/untagged created")
    );
    super::soon("the audit annotation is logged", || {
        Ok(gates.plane().audit_events()?.iter().any(|event| {
            event["objectRef"]["name"] == "untagged"
                && event["annotations"]["validate.regate.dev/advice.advised"] == "yes"
        }))
    })
}

fn a_warning_is_shown_beside_a_denial(stage: &Stage) -> Result<()> {
    let gates = stage.gates()?;
    gates.namespace("warned-denials")?;
    let untagged = with(
        pod("warned-denials", "p"),
        "/spec/containers/0/image",
        json!("registry.example.com/app"),
    );
    let refused = gates.create(&with(untagged, "/spec/hostNetwork", json!(true)))?;
    assert_eq!(
        refused.stderr,
        "Warning: [advice] container main has no tag\n\
         Error from server (Forbidden): error when creating \"STDIN\": admission webhook \"validate.regate.dev\" \
         denied the request: [privileged] the Pod uses the host's network"
    );
    assert_eq!(refused.code, 1);
    Ok(())
}

fn a_policy_that_fails_refuses_instead_of_allowing(stage: &Stage) -> Result<()> {
    let gates = stage.gates()?;
    gates.namespace("broken-validation")?;
    let labelled = |count: &str| {
        with(
            pod("broken-validation", "p"),
            "/metadata/labels",
            json!({"count": count}),
        )
    };
    let refused = gates.create(&labelled("many"))?;
    super::assert_fault(&refused, "validate");
    assert!(!gates.is_stored("pod p -n broken-validation")?);
    assert_eq!(gates.create(&labelled("3"))?.stdout, "pod/p created");
    Ok(())
}

fn a_policy_changed_under_way_counts_soon(stage: &Stage) -> Result<()> {
    let gates = stage.gates()?;
    gates.namespace("changing")?;
    let refusing = |word: &str| {
        format!(
            "package kubernetes.admission.changing\n\n\
             deny contains \"{word}\" if input.request.namespace == \"changing\"\n"
        )
    };
    let dry_run = || {
        gates
            .admin()
            .send("create --dry-run=server -f -", &pod("changing", "p"))
    };
    assert_eq!(dry_run()?.stdout, "pod/p created (server dry run)");
    for word in ["closed for today", "closed for ever"] {
        gates
            .regate()
            .write_policy("validate/changing.rego", &refusing(word))?;
        super::soon("the changed policy counts", || {
            let refused = dry_run()?;
            let text = format!("denied the request: [changing] {word}");
            Ok(refused.code == 1 && refused.stderr.ends_with(&text))
        })?;
    }
    // A set that cannot be used changes nothing, not even where it could be read.
    let refused_sets = gates.regate().refused_sets()?;
    gates.regate().write_policy(
        "validate/unfinished.rego",
        "package kubernetes.admission.unfinished\n\ndeny contains",
    )?;
    gates
        .regate()
        .write_policy("validate/changing.rego", &refusing("closed until noon"))?;
    super::soon("the broken set is refused", || {
        Ok(gates.regate().refused_sets()? > refused_sets)
    })?;
    assert_eq!(
        dry_run()?.stderr,
        "Error from server (Forbidden): error when creating \"STDIN\": admission webhook \"validate.regate.dev\" \
         denied the request: [changing] closed for ever"
    );
    fs::remove_file(gates.regate().policies().join("validate/unfinished.rego"))?;
    super::soon("the mended set counts", || {
        Ok(dry_run()?.stderr.ends_with("[changing] closed until noon"))
    })?;
    fs::remove_file(gates.regate().policies().join("validate/changing.rego"))?;
    super::soon("the removed policy is gone", || Ok(dry_run()?.code == 0))
}

fn an_old_pod_that_a_tightened_policy_would_refuse_can_still_be_cleaned_up(stage: &Stage) -> Result<()> {
    let gates = stage.gates()?;
    // The policy for namespaces that begin with `owned` does not know this one yet.
    gates.namespace("tightened")?;
    let old = with(
        pod("tightened", "old"),
        "/metadata/labels",
        json!({"tier": "front"}),
    );
    let old = with(old, "/metadata/finalizers", json!(["e2e.example.com/hold"]));
    gates.admin().must_send("create -f -", &old)?;
    let owner = fs::read_to_string(gates.regate().policies().join("validate/owner.rego"))?;
    let tightened = owner
        .replace("admission.owner", "admission.tightened")
        .replace("\"owned\"", "\"tightened\"");
    gates
        .regate()
        .write_policy("validate/tightened.rego", &tightened)?;
    super::soon("the tightened policy counts", || {
        Ok(gates
            .admin()
            .send("create --dry-run=server -f -", &pod("tightened", "new"))?
            .code
            == 1)
    })?;
    let admin = gates.admin();
    assert_eq!(
        admin.must("label pod old -n tightened tier-")?,
        "pod/old unlabeled"
    );
    assert_eq!(
        admin.must("delete pod old -n tightened --grace-period=0 --force --wait=false")?,
        "pod \"old\" force deleted from tightened namespace"
    );
    assert_eq!(
        admin.must("get pod old -n tightened -o jsonpath={.metadata.finalizers[0]}")?,
        "e2e.example.com/hold"
    );
    assert_eq!(
        admin.must("patch pod old -n tightened --type=json -p=[{\"op\":\"remove\",\"path\":\"/metadata/finalizers\"}]")?,
        "pod/old patched"
    );
    super::soon(
        "the Pod is gone",
        || Ok(!gates.is_stored("pod old -n tightened")?),
    )
}

fn a_custom_resource_is_judged_and_mutated_like_any_other(stage: &Stage) -> Result<()> {
    let gates = stage.gates()?;
    gates.namespace("defaults-widgets")?;
    let schema = json!({"type": "object", "properties": {
        "spec": {"type": "object", "properties": {"width": {"type": "integer"}}},
    }});
    gates.admin().must_send(
        "create -f -",
        &json!({
            "apiVersion": "apiextensions.k8s.io/v1",
            "kind": "CustomResourceDefinition",
            "metadata": {"name": "widgets.e2e.example.com"},
            "spec": {
                "group": "e2e.example.com",
                "scope": "Namespaced",
                "names": {"kind": "Widget", "plural": "widgets", "singular": "widget"},
                "versions": [{"name": "v1", "served": true, "storage": true, "schema": {"openAPIV3Schema": schema}}],
            },
        }),
    )?;
    gates
        .admin()
        .must("wait --for=condition=Established crd/widgets.e2e.example.com --timeout=30s")?;
    let widget = |name: &str, width: u32| {
        json!({
            "apiVersion": "e2e.example.com/v1",
            "kind": "Widget",
            "metadata": {"namespace": "defaults-widgets", "name": name},
            "spec": {"width": width},
        })
    };
    super::soon("the definition is served", || {
        Ok(gates.create(&widget("narrow", 3))?.code == 0)
    })?;
    let team = "-o jsonpath={.metadata.labels.example\\.com/team}";
    assert_eq!(
        gates
            .admin()
            .must(&format!("get widget narrow -n defaults-widgets {team}"))?,
        "unassigned"
    );
    let refused = gates.create(&widget("wide", 11))?;
    assert_eq!(
        refused.stderr,
        "The Widget \"wide\" is invalid: spec.width: [widgets] wider than 10"
    );
    assert_eq!(refused.code, 1);
    assert!(!gates.is_stored("widget wide -n defaults-widgets")?);
    Ok(())
}
