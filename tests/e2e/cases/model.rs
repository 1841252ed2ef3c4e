//! How policies are run, as a user of the cluster and its operator see it: modes, parameters and exceptions from a
//! configuration file, instances, the order of mutations.

use anyhow::Result;
use serde_json::{Value, json};

use crate::gates::{Gates, pod};
use crate::kubectl::Printed;
use crate::stage::Stage;

super::cases![
    a_policy_that_warns_is_a_warning_and_the_object_is_stored,
    the_fault_of_a_policy_that_warns_is_a_warning_and_the_object_is_stored,
    a_policy_in_dry_run_is_counted_and_logged_and_the_object_is_stored_without_a_word,
    the_configuration_gives_a_policy_its_parameters_and_an_exception,
    each_instance_speaks_under_its_own_name_in_its_own_mode,
    an_exception_frees_what_it_names_until_it_ends,
    a_mutation_of_a_lower_order_comes_first_whatever_its_name,
];

fn a_policy_that_warns_is_a_warning_and_the_object_is_stored(stage: &Stage) -> Result<()> {
    let gates = stage.model()?;
    gates.namespace("advised")?;
    assert_warned(
        &gates.create(&pod("advised", "p"))?,
        "pod/p created",
        "[advises] say who owns it",
    );
    assert!(gates.is_stored("pod p -n advised")?);
    assert_eq!(gates.regate().outcomes("advises", "warn", "warn")?, 1);
    Ok(())
}

fn the_fault_of_a_policy_that_warns_is_a_warning_and_the_object_is_stored(stage: &Stage) -> Result<()> {
    let gates = stage.model()?;
    gates.namespace("faltering")?;
    assert_warned(
        &gates.create(&pod("faltering", "p"))?,
        "pod/p created",
        "[falters] this policy could not be evaluated",
    );
    assert!(gates.is_stored("pod p -n faltering")?);
    assert_eq!(gates.regate().outcomes("falters", "warn", "fault")?, 1);
    let log = gates.regate().log();
    assert!(
        log.contains("falters: builtin: "),
        "{}",
        gates.regate().log_tail()
    );
    Ok(())
}

fn a_policy_in_dry_run_is_counted_and_logged_and_the_object_is_stored_without_a_word(
    stage: &Stage,
) -> Result<()> {
    let gates = stage.model()?;
    gates.namespace("rehearsed")?;
    let created = gates.create(&pod("rehearsed", "p"))?;
    assert_eq!(
        (created.code, created.stdout.as_str(), created.stderr.as_str()),
        (0, "pod/p created", "")
    );
    assert!(gates.is_stored("pod p -n rehearsed")?);
    assert_eq!(gates.regate().outcomes("rehearses", "dryrun", "would_deny")?, 1);
    let log = gates.regate().log();
    let told: Vec<_> = log.lines().filter(|line| line.contains("would_deny")).collect();
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(
        told.iter().all(|line| line.contains("[rehearses] no Pods here")),
        "{told:?}"
    );
    Ok(())
}

fn the_configuration_gives_a_policy_its_parameters_and_an_exception(stage: &Stage) -> Result<()> {
    let gates = stage.model()?;
    gates.namespace("tuned")?;
    super::assert_denied(
        &gates.create(&map("tuned", "taken"))?,
        "[reserved] the name taken is reserved",
    );
    // What the policy's own file lists is replaced.
    assert_eq!(
        gates.create(&map("tuned", "free"))?.stdout,
        "configmap/free created"
    );
    gates.namespace("front")?;
    assert_eq!(
        gates.create(&map("front", "spared"))?.stdout,
        "configmap/spared created"
    );
    assert_eq!(gates.regate().outcomes("tiers.front", "deny", "excepted")?, 1);
    super::assert_denied(
        &gates.create(&map("front", "other"))?,
        "[tiers.front] the key host is missing",
    );
    Ok(())
}

fn each_instance_speaks_under_its_own_name_in_its_own_mode(stage: &Stage) -> Result<()> {
    let gates = stage.model()?;
    gates.namespace("back")?;
    assert_warned(
        &gates.create(&map("back", "m"))?,
        "configmap/m created",
        "[tiers.back] the key store is missing",
    );
    Ok(())
}

fn an_exception_frees_what_it_names_until_it_ends(stage: &Stage) -> Result<()> {
    let gates = stage.model()?;
    gates.namespace("frozen")?;
    assert_eq!(
        gates.create(&map("frozen", "still-here"))?.stdout,
        "configmap/still-here created"
    );
    for name in ["late-one", "other"] {
        super::assert_denied(
            &gates.create(&map("frozen", name))?,
            "[frozen] nothing new comes in here",
        );
        assert!(!gates.is_stored(&format!("configmap {name} -n frozen"))?);
    }
    let log = gates.regate().log();
    let told = "an exception of validate/frozen ended with 2020-01-31: it had time";
    assert!(log.contains(told), "{}", gates.regate().log_tail());
    Ok(())
}

fn a_mutation_of_a_lower_order_comes_first_whatever_its_name(stage: &Stage) -> Result<()> {
    let gates = stage.model()?;
    gates.namespace("ordered")?;
    gates.admin().must_send("create -f -", &pod("ordered", "p"))?;
    let stored = stored(&gates, "pod p -n ordered")?;
    let containers: Vec<_> = stored["spec"]["containers"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|container| (container["name"].as_str(), container["imagePullPolicy"].as_str()))
        .collect();
    // What was sent has the API server's own default by then.
    assert_eq!(
        containers,
        [
            (Some("main"), Some("IfNotPresent")),
            (Some("agent"), Some("Never"))
        ]
    );
    Ok(())
}

fn stored(gates: &Gates, what: &str) -> Result<Value> {
    Ok(serde_json::from_str(
        &gates.admin().must(&format!("get {what} -o json"))?,
    )?)
}

fn map(namespace: &str, name: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"namespace": namespace, "name": name}})
}

/// What was created in spite of a warning.
#[track_caller]
fn assert_warned(printed: &Printed, created: &str, warning: &str) {
    assert_eq!(printed.stderr, format!("Warning: {warning}"));
    assert_eq!((printed.code, printed.stdout.as_str()), (0, created));
}
