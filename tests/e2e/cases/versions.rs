//! The older version of every review that has one: an answer in another version than the question is an error there.

use anyhow::Result;
use serde_json::json;

use crate::gates::{pod, with};
use crate::stage::Stage;

super::cases![
    a_token_is_reviewed_in_v1beta1,
    access_is_reviewed_in_v1beta1_whose_groups_have_another_name,
    admission_is_reviewed_in_v1beta1,
];

fn a_token_is_reviewed_in_v1beta1(stage: &Stage) -> Result<()> {
    let beta = stage.beta()?;
    let jane = beta.plane().bearer("jane-token")?;
    assert_eq!(
        jane.must("auth whoami -o jsonpath={.status.userInfo.username}")?,
        "jane"
    );
    let unknown = beta
        .plane()
        .bearer("nobody-knows-me")?
        .run("get pods -n default")?;
    assert_eq!(
        unknown.stderr,
        "error: You must be logged in to the server (Unauthorized)"
    );
    assert_eq!(unknown.code, 1);
    Ok(())
}

fn access_is_reviewed_in_v1beta1_whose_groups_have_another_name(stage: &Stage) -> Result<()> {
    let beta = stage.beta()?;
    beta.namespace("library")?;
    // Allowed: the policy reads the group.
    beta.admin().must("create configmap book -n library")?;
    let rita = beta.plane().bearer("rita-token")?;
    assert_eq!(rita.must("get configmaps -n library -o name")?, "configmap/book");
    // Denied, with the policy's reason.
    let jane = beta.plane().bearer("jane-token")?;
    let denied = jane.run("get secrets -A")?;
    assert_eq!(
        denied.stderr,
        "Error from server (Forbidden): secrets is forbidden: User \"jane\" cannot list resource \"secrets\" in API \
         group \"\" at the cluster scope: [vault] secrets of the vault are for keepers"
    );
    assert_eq!(denied.code, 1);
    // No opinion: RBAC decides.
    assert_eq!(jane.run("get configmaps -n library")?.code, 1);
    beta.admin()
        .must("create role reader -n library --verb=list --resource=configmaps")?;
    beta.admin()
        .must("create rolebinding reader -n library --role=reader --user=jane")?;
    super::soon("the role counts", || {
        Ok(jane.run("get configmaps -n library")?.code == 0)
    })
}

fn admission_is_reviewed_in_v1beta1(stage: &Stage) -> Result<()> {
    let beta = stage.beta()?;
    beta.namespace("defaults")?;
    assert_eq!(beta.create(&pod("defaults", "p"))?.stdout, "pod/p created");
    let team = beta
        .admin()
        .must("get pod p -n defaults -o jsonpath={.metadata.labels.example\\.com/team}")?;
    assert_eq!(team, "unassigned");
    let refused = beta.create(&with(pod("defaults", "bad"), "/spec/hostNetwork", json!(true)))?;
    assert_eq!(
        refused.stderr,
        "Error from server (Forbidden): error when creating \"STDIN\": admission webhook \"validate.regate.dev\" \
         denied the request: [privileged] the Pod uses the host's network"
    );
    assert_eq!(refused.code, 1);
    assert!(!beta.is_stored("pod bad -n defaults")?);
    Ok(())
}
