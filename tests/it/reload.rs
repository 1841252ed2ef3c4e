//! Policies that change while the real binary serves: good sets are taken over, bad and empty ones never are.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use serde_json::{Value, json};

use crate::process::{Process, refusal, soon};
use crate::server_process::admission;

const ARGUMENTS: &[&str] = &["--policy", "policies"];

/// A policy that denies every review with this message.
fn denying(message: &str) -> String {
    format!("package kubernetes.admission.guard\n\ndeny contains \"{message}\" if input.request.uid\n")
}

/// Something is wrong on line 3: a function that nobody knows.
const UNKNOWN_FUNCTION: &str =
    "package kubernetes.admission.guard\n\ndeny contains \"x\" if lowr(input.kind) == \"x\"\n";

/// A rule that no gate reads, on line 2.
const MISSPELT: &str = "package kubernetes.admission.other\ndenny contains \"x\" if input.kind\n";

const FINDINGS: [&str; 3] = [
    "policies/guard.rego:3:22: there is no function `lowr`: did you mean `lower`?",
    "policies/other.rego:1:1: no rule that the validate gate reads: one of deny, warn, audit_annotations",
    "policies/other.rego:2:1: `denny` is read by no gate: did you mean `deny`? If not, choose a name less like it",
];

/// Why a review is denied; that of anything but a plain denial is the whole answer.
fn reason(process: &Process) -> String {
    let response = process.client().post("/v1/validate", admission("u-1", ""));
    assert_eq!(response.status, 200, "{}", response.body);
    let review: Value = serde_json::from_str(&response.body).unwrap();
    assert_eq!(review["response"]["allowed"], false, "{review}");
    review["response"]["status"]["message"]
        .as_str()
        .unwrap()
        .to_owned()
}

/// Waits until reviews are denied with `new`; until then nothing but `old` is said.
fn denied_anew(process: &Process, old: &str, new: &str) {
    soon("the new policies decide", || {
        let reason = reason(process);
        assert!(reason == old || reason == new, "{reason}");
        (reason == new).then_some(())
    });
}

fn last_reload_failed(process: &Process) -> bool {
    process.metrics("regate_policy_last_reload_successful") == ["regate_policy_last_reload_successful 0"]
}

/// The one series that names the served revision.
fn info(process: &Process) -> String {
    let mut series = process.metrics("regate_policy_info{");
    assert_eq!(series.len(), 1, "{series:?}");
    series.remove(0)
}

#[test]
fn a_bad_set_is_told_and_the_last_good_one_stays_until_there_is_a_better_one() {
    let process = Process::start(&[("policies/guard.rego", &denying("first"))], ARGUMENTS);
    assert_eq!(reason(&process), "[guard] first");
    assert!(!last_reload_failed(&process));
    let first = info(&process);

    fs::write(process.path("policies/guard.rego"), UNKNOWN_FUNCTION).unwrap();
    fs::write(process.path("policies/other.rego"), MISSPELT).unwrap();
    let told = |finding: &str| {
        process
            .events("policy_rejected")
            .iter()
            .any(|line| line["level"] == "ERROR" && line["finding"] == finding)
    };
    soon("all findings are logged", || {
        FINDINGS.iter().all(|finding| told(finding)).then_some(())
    });
    assert!(last_reload_failed(&process));
    assert_eq!(reason(&process), "[guard] first");
    assert_eq!(info(&process), first);
    assert_eq!(process.probe("/readyz").0, 200);

    fs::remove_file(process.path("policies/other.rego")).unwrap();
    fs::write(process.path("policies/guard.rego"), denying("second")).unwrap();
    denied_anew(&process, "[guard] first", "[guard] second");
    assert!(!last_reload_failed(&process));
    assert_ne!(info(&process), first);
}

#[test]
fn when_all_policies_are_gone_the_last_ones_stay() {
    let process = Process::start(&[("policies/guard.rego", &denying("first"))], ARGUMENTS);
    let first = info(&process);
    fs::remove_file(process.path("policies/guard.rego")).unwrap();
    soon("the empty set is refused", || {
        last_reload_failed(&process).then_some(())
    });
    assert_eq!(reason(&process), "[guard] first");
    assert_eq!(info(&process), first);
    assert_eq!(process.probe("/readyz").0, 200);
}

#[test]
fn without_policies_at_start_the_server_refuses_until_the_first_good_set() {
    let process = Process::start(&[("policies/README", "none yet")], ARGUMENTS);
    assert_eq!(process.probe("/readyz"), (503, "not ready\n".to_owned()));
    assert_eq!(process.metrics("regate_policy_info{"), [""; 0]);
    let mut client = process.client();
    let response = client.post("/v1/validate", admission("u-1", ""));
    assert_eq!(response.status, 200);
    assert_eq!(
        serde_json::from_str::<Value>(&response.body).unwrap()["response"],
        json!({
            "uid": "u-1", "allowed": false,
            "status": {
                "status": "Failure", "code": 503, "reason": "ServiceUnavailable",
                "message": "no policies are loaded"
            }
        })
    );
    let token = r#"{"kind":"TokenReview","apiVersion":"authentication.k8s.io/v1","spec":{"token":"x"}}"#;
    let response = client.post("/v1/authn", token);
    assert_eq!(
        (response.status, response.body.as_str()),
        (503, "no policies are loaded\n")
    );

    fs::write(process.path("policies/guard.rego"), denying("first")).unwrap();
    soon("the first set is served", || {
        (process.probe("/readyz").0 == 200).then_some(())
    });
    assert_eq!(reason(&process), "[guard] first");
    assert!(!last_reload_failed(&process));
    info(&process);
}

#[test]
fn a_bad_set_at_start_is_told_whole_and_ends_with_1() {
    let files = [
        ("policies/guard.rego", UNKNOWN_FUNCTION),
        ("policies/other.rego", MISSPELT),
    ];
    let (code, told) = refusal(&files, ARGUMENTS);
    assert_eq!(told.lines().collect::<Vec<_>>(), FINDINGS);
    assert_eq!(code, Some(1));
}

/// Puts a policy into a volume as the kubelet does: a directory of its own, and one rename that makes it the current.
fn publish(volume: &Path, version: &str, policy: &str) {
    fs::create_dir(volume.join(version)).unwrap();
    fs::write(volume.join(version).join("guard.rego"), policy).unwrap();
    symlink(version, volume.join("..data_tmp")).unwrap();
    fs::rename(volume.join("..data_tmp"), volume.join("..data")).unwrap();
}

#[test]
fn a_mounted_volume_that_is_swapped_is_taken_over() {
    let process = Process::start(&[("policies/README", "none yet")], ARGUMENTS);
    let volume = process.path("policies");
    publish(&volume, "..2026_01", &denying("first"));
    symlink("..data/guard.rego", volume.join("guard.rego")).unwrap();
    soon("the first set is served", || {
        (process.probe("/readyz").0 == 200).then_some(())
    });
    assert_eq!(reason(&process), "[guard] first");

    publish(&volume, "..2026_02", &denying("second"));
    fs::remove_dir_all(volume.join("..2026_01")).unwrap();
    denied_anew(&process, "[guard] first", "[guard] second");
}
