//! What is written instead of what was sent: defaults that policies add.

use std::fs;
use std::path::Path;

use anyhow::Result;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;

use crate::gates::{pod, with};
use crate::regate::{Regate, copy};
use crate::stage::{PROGRAM, Stage};

super::cases![
    defaults_are_visible_in_the_stored_object,
    what_the_user_chose_stays,
    a_dry_run_shows_the_defaults_and_stores_nothing,
    a_mutation_that_cannot_be_applied_refuses_the_object,
    what_another_webhook_adds_afterwards_is_mutated_too,
];

/// Policies of a webhook that is none of ours.
const SIDECAR: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/e2e/policies/sidecar");

/// The label and the pull policy that the policies set.
const DEFAULTS: &str =
    "-o jsonpath={.metadata.labels.example\\.com/team}/{.spec.containers[*].imagePullPolicy}";

fn defaults_are_visible_in_the_stored_object(stage: &Stage) -> Result<()> {
    let gates = stage.gates()?;
    gates.namespace("defaults")?;
    let pod = with(
        pod("defaults", "p"),
        "/metadata/annotations",
        json!({"example.com/kept": "yes"}),
    );
    assert_eq!(gates.create(&pod)?.stdout, "pod/p created");
    assert_eq!(
        gates.admin().must(&format!("get pod p -n defaults {DEFAULTS}"))?,
        "unassigned/Always"
    );
    let kept = gates
        .admin()
        .must("get pod p -n defaults -o jsonpath={.metadata.annotations.example\\.com/kept}")?;
    assert_eq!(kept, "yes");
    Ok(())
}

fn what_the_user_chose_stays(stage: &Stage) -> Result<()> {
    let gates = stage.gates()?;
    gates.namespace("defaults-chosen")?;
    let chosen = json!({"example.com/team": "red", "tier": "front"});
    let pod = with(pod("defaults-chosen", "p"), "/metadata/labels", chosen);
    assert_eq!(gates.create(&pod)?.stdout, "pod/p created");
    assert_eq!(
        gates
            .admin()
            .must(&format!("get pod p -n defaults-chosen {DEFAULTS}"))?,
        "red/Always"
    );
    assert_eq!(
        gates
            .admin()
            .must("get pod p -n defaults-chosen -o jsonpath={.metadata.labels.tier}")?,
        "front"
    );
    Ok(())
}

fn a_dry_run_shows_the_defaults_and_stores_nothing(stage: &Stage) -> Result<()> {
    let gates = stage.gates()?;
    gates.namespace("defaults-dry")?;
    let shown = gates.admin().must_send(
        &format!("create --dry-run=server -f - {DEFAULTS}"),
        &pod("defaults-dry", "p"),
    )?;
    assert_eq!(shown, "unassigned/Always");
    assert!(!gates.is_stored("pod p -n defaults-dry")?);
    Ok(())
}

fn a_mutation_that_cannot_be_applied_refuses_the_object(stage: &Stage) -> Result<()> {
    let gates = stage.gates()?;
    gates.namespace("broken-mutation")?;
    let refused = gates.create(&pod("broken-mutation", "p"))?;
    super::assert_fault(&refused, "mutate");
    assert!(!gates.is_stored("pod p -n broken-mutation")?);
    Ok(())
}

fn what_another_webhook_adds_afterwards_is_mutated_too(stage: &Stage) -> Result<()> {
    let gates = stage.gates()?;
    gates.namespace("defaults-again")?;
    // Another server with policies of its own, which the API server asks after ours and without a certificate.
    let other = Regate::start(
        Path::new(PROGRAM),
        &["--gate=mutate", "--insecure-allow-anonymous=mutate"],
        |directory| copy(Path::new(SIDECAR), directory),
    )?;
    let authority = STANDARD.encode(fs::read(other.certificate("ca.crt"))?);
    let registration = json!({
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "MutatingWebhookConfiguration",
        "metadata": {"name": "sidecar"},
        "webhooks": [{
            "name": "sidecar.example.com",
            "clientConfig": {"url": format!("https://{}/v1/mutate", other.address()), "caBundle": authority},
            "rules": [{"operations": ["CREATE"], "apiGroups": [""], "apiVersions": ["v1"], "resources": ["pods"]}],
            "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "defaults-again"}},
            "admissionReviewVersions": ["v1"],
            "sideEffects": "None",
        }],
    });
    gates.admin().must_send("create -f -", &registration)?;
    super::soon("the other webhook is asked", || {
        gates
            .admin()
            .send("create --dry-run=server -f -", &pod("defaults-again", "asked"))?;
        Ok(other.reviews("mutate")? > 0)
    })?;
    let made = gates
        .admin()
        .must_send(&format!("create -f - {DEFAULTS}"), &pod("defaults-again", "p"))?;
    assert_eq!(made, "unassigned/Always Always");
    // Nobody else is to be asked about a server that is gone.
    gates
        .admin()
        .must("delete mutatingwebhookconfiguration sidecar")?;
    Ok(())
}
