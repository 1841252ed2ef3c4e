//! `/status`, `/readyz?verbose` and `regate status` of the real binary, while its policies are broken and mended.

use std::fs;
use std::process::Command;

use serde_json::{Value, json};

use crate::process::{Process, soon};

const ARGUMENTS: &[&str] = &["--policy", "policies"];

const GUARD: &str = r#"# METADATA
# custom:
#   enforcement: warn
#   order: -5
#   match:
#     kinds: [Pod]
#     excludedNamespaces: [kube-system]
#   parameters: {secret: canary-parameter}
#   exceptions:
#   - match: {names: [web]}
#     reason: it was there before
#     until: "2020-01-31"
#   - match: {users: [admin]}
#     reason: somebody has to
package kubernetes.admission.guard

deny contains input.parameters.secret if input.request.uid == "u-1"
"#;

const OTHER: &str =
    "package kubernetes.authorization.other\n\ndeny contains \"no\" if input.spec.user == \"nobody\"\n";

/// On line 3 stands a function that nobody knows.
const BROKEN: &str =
    "package kubernetes.authorization.other\n\ndeny contains \"no\" if lowr(input.spec.user) == \"nobody\"\n";

const FINDING: &str = "policies/other.rego:3:23: there is no function `lowr`: did you mean `lower`?";

/// What `regate status -o json` prints, and how it ends.
fn document(process: &Process) -> (i32, Value) {
    let (code, out) = process.status(&["-o", "json"]);
    (code, serde_json::from_str(&out).unwrap())
}

/// Waits until `regate status` ends so; readiness never flips meanwhile.
fn becomes(process: &Process, wanted: i32) -> String {
    soon("the status changes", || {
        assert_eq!(process.probe("/readyz"), (200, "ok\n".to_owned()));
        let (code, out) = process.status(&[]);
        (code == wanted).then_some(out)
    })
}

#[test]
fn a_reload_that_is_refused_is_told_until_a_good_one_comes_and_readiness_never_flips() {
    let files = [("policies/guard.rego", GUARD), ("policies/other.rego", OTHER)];
    let process = Process::start(&files, ARGUMENTS);
    let (code, first) = document(&process);
    assert_eq!((code, &first["refused"]), (0, &Value::Null));
    let revision = first["served"]["revision"].as_str().unwrap();
    let loaded = first["served"]["loaded"].as_str().unwrap();
    let verbose = format!("[+]policies ok revision={revision} loaded={loaded}\n");
    assert_eq!(
        process.probe("/readyz?verbose"),
        (200, format!("{verbose}[+]running ok\nok\n"))
    );

    fs::write(process.path("policies/other.rego"), BROKEN).unwrap();
    let told = becomes(&process, 1);
    assert!(told.ends_with(&format!(":\n  {FINDING}\n")), "{told}");
    assert!(told.contains("ready:     yes\n"), "{told}");
    let (code, refused) = document(&process);
    assert_eq!((code, &refused["served"]), (1, &first["served"]));
    assert_eq!(
        refused["refused"]["findings"],
        json!([{
            "file": "policies/other.rego", "line": 3, "column": 23,
            "id": "unknown-function", "message": "there is no function `lowr`", "hint": "did you mean `lower`?"
        }])
    );
    let at = refused["refused"]["at"].as_str().unwrap();
    assert_eq!(
        process.probe("/readyz?verbose"),
        (
            200,
            format!("{verbose}[+]running ok\n[!]reload failed: 1 finding at={at}, see /status\nok\n")
        )
    );

    fs::write(process.path("policies/other.rego"), format!("{OTHER}# again\n")).unwrap();
    becomes(&process, 0);
    let (_, mended) = document(&process);
    assert_eq!(mended["refused"], Value::Null);
    assert_ne!(mended["served"]["revision"], revision);
    assert!(!process.probe("/readyz?verbose").1.contains("[!]"));
}

#[test]
fn the_status_tells_each_policys_terms_and_warnings_but_nothing_that_it_was_given() {
    let files = [("policies/guard.rego", GUARD), ("policies/other.rego", OTHER)];
    let process = Process::start(&files, ARGUMENTS);
    let (_, status) = document(&process);
    assert_eq!(status["checks"], json!({"policies": true, "running": true}));
    assert_eq!(
        status["served"]["source"],
        json!({"paths": {"paths": ["policies"], "pathsV0": [], "data": []}})
    );
    assert_eq!(
        status["served"]["policies"],
        json!([
            {"gate": "authz", "name": "other", "enforcement": "deny", "order": 0, "match": [], "exceptions": 0},
            {"gate": "validate", "name": "guard", "enforcement": "warn", "order": -5,
             "match": [{"kinds": ["Pod"], "excludedNamespaces": ["kube-system"]}], "exceptions": 2},
        ])
    );
    let warning = json!([{
        "file": "policies/guard.rego", "line": 10, "column": 7, "id": "ended-exception",
        "message": "an exception of validate/guard ended with 2020-01-31: it was there before"
    }]);
    assert_eq!(status["served"]["warnings"], warning);
    assert!(!status.to_string().contains("canary"), "{status}");
    let logged = process.events("policy_warning");
    assert_eq!(logged.len(), 1, "{logged:?}");
    assert_eq!(
        (&logged[0]["level"], &logged[0]["finding"]),
        (
            &json!("WARN"),
            &json!(
                "policies/guard.rego:10:7: an exception of validate/guard ended with 2020-01-31: it was there before"
            )
        )
    );
}

#[test]
fn a_server_without_policies_is_not_ready_and_the_status_ends_with_1() {
    let process = Process::start(&[("policies/README", "none yet")], ARGUMENTS);
    let (code, out) = process.status(&[]);
    assert_eq!(code, 1);
    assert!(
        out.starts_with("ready:     no: policies\nrevision:  none, no policies are loaded\n\nrefused at "),
        "{out}"
    );
    assert!(
        out.ends_with(":\n  no policies: an empty set is not served\n"),
        "{out}"
    );
    let (status, verbose) = process.probe("/readyz?verbose");
    assert_eq!(status, 503);
    assert!(
        verbose.starts_with("[-]policies failed\n[+]running ok\n[!]reload failed: 1 finding "),
        "{verbose}"
    );
}

#[test]
fn the_built_in_policies_say_so() {
    let process = Process::start(&[], &[]);
    let (code, status) = document(&process);
    assert_eq!((code, &status["served"]["source"]), (0, &json!("builtIn")));
    assert!(process.status(&[]).1.contains("\nsource:    built in\n"));
}

#[test]
fn the_server_is_found_by_the_configuration() {
    let process = Process::start(&[], &[]);
    let ask = |address: &str| {
        let configuration = format!(
            "apiVersion: regate.dev/v1alpha1\nkind: ServerConfiguration\nlisten: {{probes: '{address}'}}\n"
        );
        fs::write(process.path("regate.yaml"), configuration).unwrap();
        let output = Command::new(env!("CARGO_BIN_EXE_regate"))
            .args(["status", "--config"])
            .arg(process.path("regate.yaml"))
            .output()
            .unwrap();
        (
            output.status.code(),
            String::from_utf8(output.stdout).unwrap(),
            String::from_utf8(output.stderr).unwrap(),
        )
    };
    let (code, out, _) = ask(&process.probe_address().to_string());
    assert_eq!(code, Some(0));
    assert!(out.contains("\nrevision:  "), "{out}");

    let (code, out, told) = ask("127.0.0.1:1");
    assert_eq!((code, out.as_str()), (Some(2), ""));
    assert!(
        told.starts_with("regate: http://127.0.0.1:1: cannot be reached: "),
        "{told}"
    );
}

#[test]
fn what_answers_and_is_no_server_of_ours_is_told_apart_from_a_bad_status() {
    let process = Process::start(&[], &[]);
    let ask = |server: String| {
        let output = Command::new(env!("CARGO_BIN_EXE_regate"))
            .args(["status", "--server", &server])
            .output()
            .unwrap();
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    };
    // The port for reviews hangs up on whoever speaks no TLS.
    let reviews = format!("http://{}", process.address());
    let (code, told) = ask(reviews.clone());
    assert_eq!(code, Some(2));
    assert!(told.starts_with(&format!("regate: {reviews}: ")), "{told}");
    assert_eq!(
        ask("https://127.0.0.1:1".to_owned()),
        (
            Some(2),
            "regate: https://127.0.0.1:1: is no address of a server: http://HOST:PORT\n".to_owned()
        )
    );
}
