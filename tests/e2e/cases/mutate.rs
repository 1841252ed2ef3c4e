//! What is written instead of what was sent: defaults that policies add.

use anyhow::Result;
use serde_json::json;

use crate::gates::{pod, with};
use crate::stage::Stage;

super::cases![
    defaults_are_visible_in_the_stored_object,
    what_the_user_chose_stays,
    a_dry_run_shows_the_defaults_and_stores_nothing,
    a_mutation_that_cannot_be_applied_refuses_the_object,
];

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
