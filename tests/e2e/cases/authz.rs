//! What you may do: Regate stands before RBAC, which decides where Regate has no opinion.

use anyhow::Result;
use serde_json::{Value, json};

use crate::gates::Gates;
use crate::stage::Stage;

super::cases![
    what_a_policy_allows_needs_no_role,
    a_denial_gives_its_reason_and_no_role_helps_against_it,
    all_namespaces_are_no_way_around_a_denial_in_one,
    a_denial_for_named_namespaces_judges_what_is_asked_of_all_of_them_too,
    where_no_policy_has_an_opinion_rbac_decides,
    a_policy_sees_the_label_selector_of_a_list,
    a_policy_sees_the_field_selector_of_a_list,
    a_policy_sees_the_path_of_a_request_for_no_resource,
    a_review_says_allowed_or_denied_or_neither_and_never_both,
];

fn what_a_policy_allows_needs_no_role(stage: &Stage) -> Result<()> {
    let gates = stage.gates()?;
    gates.namespace("library")?;
    gates
        .admin()
        .must("create configmap book -n library --from-literal=title=Faust")?;
    let rita = gates.plane().bearer("rita-token")?;
    assert_eq!(
        rita.must("get configmap book -n library -o jsonpath={.data.title}")?,
        "Faust"
    );
    let refused = rita.run("delete configmap book -n library")?;
    assert_eq!(
        refused.stderr,
        "Error from server (Forbidden): configmaps \"book\" is forbidden: User \"rita\" cannot delete resource \
         \"configmaps\" in API group \"\" in the namespace \"library\""
    );
    assert_eq!(refused.code, 1);
    assert!(gates.is_stored("configmap book -n library")?);
    Ok(())
}

fn a_denial_gives_its_reason_and_no_role_helps_against_it(stage: &Stage) -> Result<()> {
    let gates = stage.gates()?;
    vault(&gates)?;
    let refused = gates
        .plane()
        .bearer("jane-token")?
        .run("get secret seal -n vault")?;
    assert_eq!(
        refused.stderr,
        "Error from server (Forbidden): secrets \"seal\" is forbidden: User \"jane\" cannot get resource \"secrets\" \
         in API group \"\" in the namespace \"vault\": [vault] secrets of the vault are for keepers"
    );
    assert_eq!((refused.code, refused.stdout.as_str()), (1, ""));
    // The same role is enough for whom the policy does not deny.
    let kim = gates.plane().bearer("kim-token")?;
    assert_eq!(kim.must("get secret seal -n vault -o name")?, "secret/seal");
    Ok(())
}

fn all_namespaces_are_no_way_around_a_denial_in_one(stage: &Stage) -> Result<()> {
    let gates = stage.gates()?;
    vault(&gates)?;
    let jane = gates.plane().bearer("jane-token")?;
    let refused = jane.run("get secrets -A")?;
    assert_eq!(
        refused.stderr,
        "Error from server (Forbidden): secrets is forbidden: User \"jane\" cannot list resource \"secrets\" in API \
         group \"\" at the cluster scope: [vault] secrets of the vault are for keepers"
    );
    assert_eq!((refused.code, refused.stdout.as_str()), (1, ""));
    // Her role does reach all other namespaces.
    assert_eq!(jane.must("get secrets -n default -o name")?, "");
    assert!(
        gates
            .plane()
            .bearer("kim-token")?
            .must("get secrets -A -o name")?
            .contains("secret/seal")
    );
    Ok(())
}

fn a_denial_for_named_namespaces_judges_what_is_asked_of_all_of_them_too(stage: &Stage) -> Result<()> {
    let gates = stage.gates()?;
    gates.namespace("sealed")?;
    let admin = gates.admin();
    admin.must("create clusterrole every-secret --verb=get,list,watch --resource=secrets")?;
    admin.must("create clusterrolebinding every-secret --clusterrole=every-secret --user=quinn")?;
    let quinn = gates.plane().bearer("quinn-token")?;
    // The role reaches every namespace, to look and to watch.
    super::soon("the role counts", || {
        Ok(quinn.run("get secrets -n default")?.code == 0)
    })?;
    let watched = "/api/v1/namespaces/default/secrets?watch=true&timeoutSeconds=1";
    assert_eq!(quinn.must(&format!("get --raw {watched}"))?, "");

    let everywhere = "at the cluster scope";
    for (line, verb, scope) in [
        ("get secrets -n sealed", "list", "in the namespace \"sealed\""),
        ("get secrets -A", "list", everywhere),
        ("get secrets -A --watch", "list", everywhere),
        ("get --raw /api/v1/secrets?watch=true", "watch", everywhere),
    ] {
        let refused = quinn.run(line)?;
        assert_eq!(
            refused.stderr,
            format!(
                "Error from server (Forbidden): secrets is forbidden: User \"quinn\" cannot {verb} resource \"secrets\" \
                 in API group \"\" {scope}: [sealed] quinn may not see what is sealed"
            ),
            "{line}"
        );
        assert_eq!((refused.code, refused.stdout.as_str()), (1, ""), "{line}");
    }
    Ok(())
}

fn where_no_policy_has_an_opinion_rbac_decides(stage: &Stage) -> Result<()> {
    let gates = stage.gates()?;
    gates.namespace("commons")?;
    let jane = gates.plane().bearer("jane-token")?;
    let refused = jane.run("get endpoints -n commons")?;
    assert_eq!(
        refused.stderr,
        "Error from server (Forbidden): endpoints is forbidden: User \"jane\" cannot list resource \"endpoints\" in \
         API group \"\" in the namespace \"commons\""
    );
    assert_eq!(refused.code, 1);
    gates
        .admin()
        .must("create role reader -n commons --verb=list --resource=endpoints")?;
    gates
        .admin()
        .must("create rolebinding reader -n commons --role=reader --group=dev")?;
    super::soon("the role counts", || {
        Ok(jane.run("get endpoints -n commons")?.code == 0)
    })
}

fn a_policy_sees_the_label_selector_of_a_list(stage: &Stage) -> Result<()> {
    let gates = stage.gates()?;
    let dana = gates.plane().bearer("dana-token")?;
    assert_eq!(dana.must("get pods -n default -l desk=7 -o name")?, "");
    for other in ["", "-l desk=8", "-l desk!=7"] {
        let refused = dana.run(&format!("get pods -n default {other}"))?;
        assert_eq!(
            refused.stderr,
            "Error from server (Forbidden): pods is forbidden: User \"dana\" cannot list resource \"pods\" in API \
             group \"\" in the namespace \"default\"",
            "{other}"
        );
        assert_eq!(refused.code, 1);
    }
    Ok(())
}

fn a_policy_sees_the_field_selector_of_a_list(stage: &Stage) -> Result<()> {
    let gates = stage.gates()?;
    let nora = gates.plane().bearer("nora-token")?;
    assert_eq!(
        nora.must("get pods -A --field-selector=spec.nodeName=n1 -o name")?,
        ""
    );
    for other in [
        "",
        "--field-selector=spec.nodeName=n2",
        "--field-selector=spec.nodeName!=n1",
        "-l spec.nodeName=n1",
    ] {
        let refused = nora.run(&format!("get pods -A {other}"))?;
        assert_eq!(
            refused.stderr,
            "Error from server (Forbidden): pods is forbidden: User \"nora\" cannot list resource \"pods\" in API \
             group \"\" at the cluster scope",
            "{other}"
        );
        assert_eq!((refused.code, refused.stdout.as_str()), (1, ""), "{other}");
    }
    Ok(())
}

fn a_policy_sees_the_path_of_a_request_for_no_resource(stage: &Stage) -> Result<()> {
    let gates = stage.gates()?;
    let pat = gates.plane().bearer("pat-token")?;
    assert!(
        pat.must("get --raw /metrics")?
            .contains("apiserver_request_total")
    );
    let refused = pat.run("get --raw /logs")?;
    assert_eq!(
        refused.stderr,
        "Error from server (Forbidden): forbidden: User \"pat\" cannot get path \"/logs\""
    );
    assert_eq!(refused.code, 1);
    Ok(())
}

fn a_review_says_allowed_or_denied_or_neither_and_never_both(stage: &Stage) -> Result<()> {
    let gates = stage.gates()?;
    let secrets = json!({"verb": "list", "resource": "secrets", "namespace": "vault"});
    assert_eq!(
        review(&gates, "nobody", &["strangers"], &secrets)?,
        json!({"allowed": false, "denied": true, "reason": "[vault] secrets of the vault are for keepers"})
    );
    let books = json!({"verb": "list", "resource": "configmaps", "namespace": "library"});
    assert_eq!(
        review(&gates, "nobody", &["readers"], &books)?,
        json!({"allowed": true, "reason": "[library] readers may read the library"})
    );
    assert_eq!(
        review(&gates, "nobody", &["strangers"], &books)?,
        json!({"allowed": false})
    );
    Ok(())
}

/// The status of a SubjectAccessReview that the administrator posts.
fn review(gates: &Gates, user: &str, groups: &[&str], resource: &Value) -> Result<Value> {
    let review = json!({
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SubjectAccessReview",
        "spec": {"user": user, "groups": groups, "resourceAttributes": resource},
    });
    let answer: Value = serde_json::from_str(&gates.admin().must_send("create -o json -f -", &review)?)?;
    Ok(answer["status"].clone())
}

/// A secret in the namespace vault, and a role that lets both jane and kim read every secret. Made by the first case
/// that asks.
fn vault(gates: &Gates) -> Result<()> {
    let subjects: Vec<Value> = ["dev", "keepers"]
        .iter()
        .map(|group| json!({"kind": "Group", "name": group, "apiGroup": "rbac.authorization.k8s.io"}))
        .collect();
    let objects = json!({"apiVersion": "v1", "kind": "List", "items": [
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "vault"}},
        {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "seal", "namespace": "vault"}},
        {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": {"name": "secret-reader"},
         "rules": [{"apiGroups": [""], "resources": ["secrets"], "verbs": ["get", "list"]}]},
        {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding",
         "metadata": {"name": "secret-reader"}, "subjects": subjects,
         "roleRef": {"kind": "ClusterRole", "name": "secret-reader", "apiGroup": "rbac.authorization.k8s.io"}},
    ]});
    gates.admin().must_send("apply --server-side -f -", &objects)?;
    super::soon("the role counts", || {
        Ok(gates
            .plane()
            .bearer("kim-token")?
            .run("get secret seal -n vault")?
            .code
            == 0)
    })
}
