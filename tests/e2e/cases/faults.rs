//! When the policies cannot be asked, or fail while they are: what a user sees at each gate, and that nothing is let
//! through by it which could have been refused.
//!
//! How often Regate was asked is counted by the code of its answers: on the shared control plane nobody else provokes
//! them at that gate.

use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, anyhow, ensure};
use serde_json::{Value, json};

use crate::gates::{Gates, pod, with};
use crate::kubectl::Printed;
use crate::page::Page;
use crate::regate::Regate;
use crate::stage::{self, IGNORE, POLICIES, PROGRAM, RULES, Stage};

super::cases![
    a_token_on_which_a_policy_fails_is_unauthorized_until_the_policy_is_mended,
    access_on_which_a_denial_fails_is_denied,
    access_on_which_an_allowance_fails_is_up_to_rbac,
    images_on_which_a_policy_fails_are_refused,
    a_deferred_fault_is_an_error_or_is_let_through_as_the_webhook_says,
    a_deferred_fault_at_authz_is_an_error_where_failures_deny,
    a_policy_that_does_not_end_refuses_even_where_failures_are_ignored,
    a_server_without_policies_refuses_until_it_has_some,
];

/// What the API server makes of an HTTP 503.
const UNAVAILABLE: &str = "the server is currently unable to handle the request";

fn a_token_on_which_a_policy_fails_is_unauthorized_until_the_policy_is_mended(stage: &Stage) -> Result<()> {
    let gates = stage.gates()?;
    let bo = gates.plane().bearer("bo-token")?;
    // Each attempt is one call: a failure is neither repeated nor remembered.
    for attempt in 1..=3 {
        assert_unauthorized(&bo.run("get --raw /api")?);
        assert_eq!(gates.regate().answers("authn", 503)?, attempt);
    }
    let broken = std::fs::read_to_string(Path::new(POLICIES).join("authn/broken.rego"))?;
    gates
        .regate()
        .write_policy("authn/broken.rego", &broken.replace("\"seven\"", "\"7\""))?;
    super::soon("the mended policy knows the token", || {
        let printed = bo.run("auth whoami -o jsonpath={.status.userInfo.username}/{.status.userInfo.uid}")?;
        Ok((printed.code, printed.stdout.as_str()) == (0, "bo/7"))
    })
}

fn access_on_which_a_denial_fails_is_denied(stage: &Stage) -> Result<()> {
    let gates = stage.gates()?;
    let jane = gates.plane().bearer("jane-token")?;
    gates.namespace("broken-access")?;
    let admin = gates.admin();
    for name in ["7", "many"] {
        admin.must(&format!("create configmap {name} -n broken-access"))?;
    }
    admin.must("create role reader -n broken-access --verb=get --resource=configmaps")?;
    admin.must("create rolebinding reader -n broken-access --role=reader --user=jane")?;
    super::soon("the role counts", || {
        Ok(jane.run("get configmap 7 -n broken-access -o name")?.stdout == "configmap/7")
    })?;
    let before = gates.regate().answers("authz", 500)?;
    let refused = jane.run("get configmap many -n broken-access")?;
    assert_eq!(
        refused.stderr,
        "Error from server (Forbidden): configmaps \"many\" is forbidden: User \"jane\" cannot get resource \
         \"configmaps\" in API group \"\" in the namespace \"broken-access\": the policies could not be evaluated"
    );
    assert_eq!((refused.code, refused.stdout.as_str()), (1, ""));
    assert_eq!(gates.regate().answers("authz", 500)? - before, 1);
    Ok(())
}

fn access_on_which_an_allowance_fails_is_up_to_rbac(stage: &Stage) -> Result<()> {
    let gates = stage.gates()?;
    let kim = gates.plane().bearer("kim-token")?;
    let pod = |name: &str| kim.run(&format!("get --raw /api/v1/namespaces/broken-access/pods/{name}"));
    // What the policy allows, it allows; there is no such Pod.
    assert_eq!(
        pod("11")?.stderr,
        "Error from server (NotFound): pods \"11\" not found"
    );
    let refused = pod("many")?;
    assert_eq!(
        refused.stderr,
        "Error from server (Forbidden): pods \"many\" is forbidden: User \"kim\" cannot get resource \"pods\" in API \
         group \"\" in the namespace \"broken-access\""
    );
    assert_eq!(refused.code, 1);
    gates
        .admin()
        .must("create clusterrole pod-reader --verb=get --resource=pods")?;
    gates
        .admin()
        .must("create clusterrolebinding pod-reader --clusterrole=pod-reader --user=kim")?;
    super::soon("the role counts", || {
        Ok(pod("many")?.stderr == "Error from server (NotFound): pods \"many\" not found")
    })
}

fn images_on_which_a_policy_fails_are_refused(stage: &Stage) -> Result<()> {
    let gates = stage.gates()?;
    gates.namespace("broken-images")?;
    let tagged = |tag: &str| {
        let image = json!(format!("registry.example.com/app:{tag}"));
        with(pod("broken-images", "p"), "/spec/containers/0/image", image)
    };
    let before = gates.regate().answers("image", 500)?;
    let refused = gates.create(&tagged("stable"))?;
    assert_eq!(
        refused.stderr,
        "Error from server (Forbidden): error when creating \"STDIN\": pods \"p\" is forbidden: image policy webhook \
         backend denied one or more images: the policies could not be evaluated"
    );
    assert_eq!((refused.code, refused.stdout.as_str()), (1, ""));
    assert_eq!(gates.regate().answers("image", 500)? - before, 1);
    assert!(!gates.is_stored("pod p -n broken-images")?);
    assert_eq!(gates.create(&tagged("7"))?.stdout, "pod/p created");
    Ok(())
}

fn a_deferred_fault_is_an_error_or_is_let_through_as_the_webhook_says(stage: &Stage) -> Result<()> {
    let gates = stage.deferring()?;
    gates.namespace("broken-mutation")?;
    gates.namespace("broken-validation")?;
    let faulty = with(
        pod("broken-validation", "p"),
        "/metadata/labels",
        json!({"count": "many"}),
    );
    let cases = [
        ("mutate", "broken-mutation", pod("broken-mutation", "p")),
        ("validate", "broken-validation", faulty.clone()),
    ];
    for (gate, namespace, object) in &cases {
        let refused = gates.create(object)?;
        assert_eq!(
            refused.stderr,
            format!(
                "Error from server (InternalError): error when creating \"STDIN\": Internal error occurred: failed \
                 calling webhook \"{gate}.regate.dev\": failed to call webhook: {UNAVAILABLE}"
            )
        );
        assert_eq!((refused.code, refused.stdout.as_str()), (1, ""));
        assert_eq!(gates.regate().answers(gate, 503)?, 1);
        assert!(!gates.is_stored(&format!("pod p -n {namespace}"))?);
    }
    for kind in ["mutating", "validating"] {
        gates.admin().must(&format!(
            "patch {kind}webhookconfiguration regate --type=json \
             -p=[{{\"op\":\"replace\",\"path\":\"/webhooks/0/failurePolicy\",\"value\":\"Ignore\"}}]"
        ))?;
    }
    for (gate, namespace, object) in &cases {
        super::soon("failures are ignored", || {
            Ok(gates.admin().send("create --dry-run=server -f -", object)?.code == 0)
        })?;
        let before = gates.regate().answers(gate, 503)?;
        assert_eq!(gates.create(object)?.stdout, "pod/p created");
        assert_eq!(gates.regate().answers(gate, 503)? - before, 1);
        assert!(gates.is_stored(&format!("pod p -n {namespace}"))?);
        assert_audited(&gates, namespace, &format!("{gate}.regate.dev"))?;
    }
    // What another policy refuses is refused for all that.
    let refused = gates.create(&with(
        with(faulty, "/spec/hostNetwork", json!(true)),
        "/metadata/name",
        json!("q"),
    ))?;
    assert_eq!(
        refused.stderr,
        "Error from server (Forbidden): error when creating \"STDIN\": admission webhook \"validate.regate.dev\" \
         denied the request: [privileged] the Pod uses the host's network"
    );
    assert_eq!(refused.code, 1);
    assert!(!gates.is_stored("pod q -n broken-validation")?);
    Ok(())
}

fn a_deferred_fault_at_authz_is_an_error_where_failures_deny(stage: &Stage) -> Result<()> {
    let gates = stage.deferring()?;
    let path = "/api/v1/namespaces/broken-access/configmaps/many";
    // Asked for again, since a failure is not remembered, and by one call each.
    for attempt in 1..=2 {
        assert_unavailable(&gates.plane().carol().run(&format!("get --raw {path}"))?, path);
        assert_eq!(gates.regate().answers("authz", 503)?, attempt);
    }
    Ok(())
}

fn a_policy_that_does_not_end_refuses_even_where_failures_are_ignored(stage: &Stage) -> Result<()> {
    let deadlines = Page::read()?.deadlines()?;
    // Further webhooks wait for less and for more; each is asked about what is labelled with its time.
    let gates = stage.gates_of_its_own(IGNORE, |registration| {
        registration.edit("validating.yaml", |document| {
            let registered = document["webhooks"][0].clone();
            let timed = |seconds: u64| {
                let mut webhook = registered.clone();
                webhook["name"] = format!("validate-{seconds}.regate.dev").into();
                webhook["timeoutSeconds"] = seconds.into();
                webhook["objectSelector"] = json!({"matchLabels": {"seconds": seconds.to_string()}});
                webhook
            };
            let mut webhooks: Vec<_> = deadlines.iter().map(|(seconds, _)| timed(*seconds)).collect();
            webhooks.push(registered.clone());
            document["webhooks"] = webhooks.into();
            document["webhooks"][deadlines.len()]["objectSelector"] =
                json!({"matchExpressions": [{"key": "seconds", "operator": "DoesNotExist"}]});
        })
    })?;
    gates.namespace("endless")?;
    thread::scope(|scope| {
        let asked: Vec<_> = deadlines
            .iter()
            .map(|(seconds, answered)| scope.spawn(|| is_refused_in_time(&gates, *seconds, *answered)))
            .collect();
        asked
            .into_iter()
            .try_for_each(|asked| asked.join().map_err(|_| anyhow!("asking panicked"))?)
    })?;
    assert_eq!(
        gates.regate().answers("validate", 504)?,
        u64::try_from(deadlines.len())?
    );
    Ok(())
}

/// Who waits for so many seconds hears of Regate, before its own time is over.
fn is_refused_in_time(gates: &Gates, seconds: u64, answered: Duration) -> Result<()> {
    let name = format!("waits-{seconds}");
    let labels = json!({"seconds": seconds.to_string()});
    let began = Instant::now();
    let refused = gates.create(&with(pod("endless", &name), "/metadata/labels", labels))?;
    assert_refused(
        &refused,
        &format!("validate-{seconds}"),
        "Timeout",
        "the policies did not answer in time",
    );
    // The policy has its time, too.
    ensure!(
        began.elapsed() >= answered,
        "{seconds} s: answered after {:?}",
        began.elapsed()
    );
    ensure!(!gates.is_stored(&format!("pod {name} -n endless"))?);
    Ok(())
}

fn a_server_without_policies_refuses_until_it_has_some(stage: &Stage) -> Result<()> {
    let gates = without_policies(stage)?;
    assert!(!gates.regate().is_ready());
    let jane = gates.plane().bearer("jane-token")?;
    for attempt in 1..=2 {
        assert_unauthorized(&jane.run("get --raw /api")?);
        assert_eq!(gates.regate().answers("authn", 503)?, attempt);
    }
    let path = "/api/v1/namespaces/default/pods";
    let unheard = gates.regate().answers("authz", 503)?;
    assert_unavailable(&gates.plane().carol().run(&format!("get --raw {path}"))?, path);
    assert_eq!(gates.regate().answers("authz", 503)? - unheard, 1);
    for (label, gate) in [("mutated", "mutate"), ("unmutated", "validate")] {
        super::soon("the webhook is asked", || {
            let printed = gates
                .admin()
                .send("create --dry-run=server -f -", &map("m", label))?;
            Ok(printed.code != 0)
        })?;
        let refused = gates.create(&map("m", label))?;
        assert_refused(&refused, gate, "ServiceUnavailable", "no policies are loaded");
    }
    assert!(!gates.is_stored("configmap m -n default")?);
    // No webhook of admission is asked before the image gate has decided.
    let refused = gates.create(&with(
        pod("default", "p"),
        "/metadata/labels",
        json!({"unmutated": ""}),
    ))?;
    assert_eq!(
        refused.stderr,
        format!(
            "Error from server (Forbidden): error when creating \"STDIN\": pods \"p\" is forbidden: {UNAVAILABLE}"
        )
    );
    assert_eq!(refused.code, 1);
    assert_eq!(gates.regate().answers("image", 503)?, 1);
    assert!(!gates.is_stored("pod p -n default")?);

    stage::policies(&gates.regate().policies())?;
    super::soon("the policies are served", || Ok(gates.regate().is_ready()))?;
    super::soon("jane is known", || Ok(jane.run("auth whoami")?.code == 0))?;
    super::soon("all of the policies are served", || {
        let bad = with(pod("default", "p"), "/spec/hostNetwork", json!(true));
        let refused = gates.create(&bad)?;
        Ok(refused
            .stderr
            .ends_with("denied the request: [privileged] the Pod uses the host's network"))
    })?;
    assert_eq!(gates.create(&pod("default", "p"))?.stdout, "pod/p created");
    Ok(())
}

/// A control plane whose Regate has no policies yet, and where failures are ignored; what is labelled `unmutated` is
/// only validated. Registered is what the policies will need.
fn without_policies(stage: &Stage) -> Result<Gates> {
    let regate = Regate::start_without_policies(Path::new(PROGRAM))?;
    let flags = [RULES, IGNORE, &["--policy", POLICIES]].concat();
    Gates::register(stage.etcd()?, regate, &flags, |registration| {
        registration.edit("mutating.yaml", |document| {
            document["webhooks"][0]["objectSelector"] =
                json!({"matchExpressions": [{"key": "unmutated", "operator": "DoesNotExist"}]});
        })
    })
}

fn map(name: &str, label: &str) -> Value {
    let metadata = json!({"namespace": "default", "name": name, "labels": {label: ""}});
    json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata})
}

fn assert_unauthorized(printed: &Printed) {
    assert_eq!(
        printed.stderr,
        "error: You must be logged in to the server (Unauthorized)"
    );
    assert_eq!((printed.code, printed.stdout.as_str()), (1, ""));
}

/// The API server could not ask whether the path is allowed.
fn assert_unavailable(printed: &Printed, path: &str) {
    assert_eq!(
        printed.stderr,
        format!(
            "Error from server (InternalError): an error on the server (\"Internal Server Error: \\\"{path}\\\": \
             {UNAVAILABLE}\") has prevented the request from succeeding"
        )
    );
    assert_eq!((printed.code, printed.stdout.as_str()), (1, ""));
}

/// The operator finds which webhook had no say about what was created in the namespace.
fn assert_audited(gates: &Gates, namespace: &str, webhook: &str) -> Result<()> {
    super::soon("the audit log says who had no say", || {
        Ok(gates.plane().audit_events()?.iter().any(|event| {
            let named = |(key, value): (&String, &Value)| key.starts_with("failed-open.") && value == webhook;
            event["objectRef"]["namespace"] == namespace
                && event["objectRef"]["resource"] == "pods"
                && event["responseStatus"]["code"] == 201
                && event["annotations"]
                    .as_object()
                    .is_some_and(|annotations| annotations.iter().any(named))
        }))
    })
}

/// Regate itself refused, without a policy's word.
fn assert_refused(printed: &Printed, gate: &str, reason: &str, text: &str) {
    assert_eq!(
        printed.stderr,
        format!(
            "Error from server ({reason}): error when creating \"STDIN\": admission webhook \"{gate}.regate.dev\" \
             denied the request: {text}"
        )
    );
    assert_eq!((printed.code, printed.stdout.as_str()), (1, ""));
}
