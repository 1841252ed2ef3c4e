//! The binary as it is run: what it prints, logs and obeys.

use std::io::{BufRead, BufReader};
use std::process::{Child, Stdio};
use std::time::Instant;

use crate::process::{Ending, Process, addresses, authority, command, directory};
use crate::serving::{Client, Options, PATIENCE, get};

/// Nobody may read this anywhere.
const TOKEN: &str = "canary-0d9f7c1e-token";

const PRIVILEGED: &str = r#"
package kubernetes.admission.privileged
deny contains "privileged containers are not allowed" if {
    some container in input.request.object.spec.containers
    container.securityContext.privileged
}
"#;

/// Its error quotes the whole object.
const FAULTY: &str = r#"
package kubernetes.admission.faulty
warn contains "x" if { input.request.uid == "u-fault"; 1 + input.request.object == 2 }
"#;

const STAFF: &str = r#"
package kubernetes.authentication.staff
user := {"username": "jane"} if input.spec.token == "known"
"#;

const ARGUMENTS: &[&str] = &["--policy", "policies"];

const FILES: &[(&str, &str)] = &[
    ("policies/privileged.rego", PRIVILEGED),
    ("policies/staff.rego", STAFF),
    ("policies/faulty.rego", FAULTY),
];

/// A review of a Pod; what `field` says is merged into its container.
pub(crate) fn admission(uid: &str, field: &str) -> String {
    format!(
        r#"{{"kind":"AdmissionReview","apiVersion":"admission.k8s.io/v1","request":{{"uid":"{uid}",
        "kind":{{"group":"","version":"v1","kind":"Pod"}},"resource":{{"group":"","version":"v1","resource":"pods"}},
        "operation":"CREATE","userInfo":{{"username":"jane"}},"object":{{"apiVersion":"v1","kind":"Pod",
        "metadata":{{"name":"web","annotations":{{"note":"{TOKEN}"}}}},"spec":{{"containers":[{{"name":"web",
        "image":"registry.k8s.io/web:1","resources":{{"limits":{{"cpu":"1","memory":"1Gi"}}}}{field}}}]}}}}}}}}"#
    )
}

#[test]
fn a_signal_ends_the_server_with_0_and_removes_its_certificates() {
    for signal in ["TERM", "INT"] {
        let mut process = Process::start(FILES, ARGUMENTS);
        assert_eq!(
            process.client().post("/v1/validate", admission("u-1", "")).status,
            200
        );
        process.signal(signal);
        assert_eq!(process.ended().0.code(), Some(0), "{signal}: {}", process.log());
        assert!(!process.ca.exists(), "the development keys are still there");
    }
}

#[test]
fn a_decision_is_one_line_with_what_it_needs() {
    let process = Process::start_logging("regate=debug", FILES, ARGUMENTS);
    let mut client = process.client();
    let privileged = admission("u-\\u000adenied", r#","securityContext":{"privileged":true}"#);
    assert_eq!(client.post("/v1/validate", &privileged).status, 200);
    assert_eq!(
        client.post("/v1/validate", admission("u-allowed", "")).status,
        200
    );

    let lines = process.decisions(2);
    let denied = &lines[0];
    assert_eq!(denied["level"], "INFO", "{denied}");
    assert_eq!(denied["target"], "regate::decision");
    assert_eq!(denied["gate"], "validate");
    assert_eq!(denied["uid"], "u-\ndenied");
    assert_eq!(denied["decision"], "deny");
    assert_eq!(denied["code"], 403);
    assert_eq!(denied["policies"], "privileged");
    assert!(
        denied["revision"]
            .as_str()
            .is_some_and(|revision| !revision.is_empty()),
        "{denied}"
    );
    assert!(
        denied["duration_us"]
            .as_u64()
            .is_some_and(|duration| duration > 0),
        "{denied}"
    );
    assert_eq!(denied.get("faults"), None, "{denied}");
    let allowed = &lines[1];
    assert_eq!(
        (&allowed["level"], &allowed["decision"]),
        (&"DEBUG".into(), &"allow".into()),
        "{allowed}"
    );
    assert_eq!(lines.len(), 2);
}

#[test]
fn tokens_and_bodies_are_logged_at_no_level() {
    let mut process = Process::start_logging("trace", FILES, ARGUMENTS);
    let mut client = process.client();
    let token = format!(
        r#"{{"kind":"TokenReview","apiVersion":"authentication.k8s.io/v1","spec":{{"token":"{TOKEN}"}}}}"#
    );
    assert_eq!(client.post("/v1/authn", &token).status, 200);
    assert_eq!(client.post("/v1/validate", admission("u-1", "")).status, 200);
    // A policy that fails on it, and what cannot be read, too.
    assert_eq!(client.post("/v1/validate", admission("u-fault", "")).status, 200);
    assert_eq!(
        client
            .post("/v1/authn", format!("{{\"spec\":{{\"token\":\"{TOKEN}\""))
            .status,
        400
    );
    client.send(format!(
        "POST /v1/authn HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {TOKEN}\r\n\r\n"
    ));
    assert_eq!(client.response().status, 415);
    process.decisions(5);
    process.signal("TERM");
    assert!(process.ended().0.success());
    let log = process.log();
    assert!(log.contains(r#""level":"TRACE""#), "nothing was traced");
    assert!(log.contains("faulty.rego:3:"), "no fault was logged");
    assert!(
        !log.contains("canary"),
        "{}",
        log.lines().find(|line| line.contains("canary")).unwrap()
    );
}

/// What a server prints once it serves.
fn first_line(child: &mut Child) -> String {
    let mut first = String::new();
    BufReader::new(child.stdout.take().unwrap())
        .read_line(&mut first)
        .unwrap();
    first
}

#[test]
fn backtraces_are_warned_of_unless_the_library_takes_none() {
    let warned = |environment: &[(&str, &str)]| {
        let directory = directory(FILES);
        let mut child = command(directory.path(), ARGUMENTS)
            .envs(environment.iter().copied())
            .env("RUST_LOG", "info")
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let first = first_line(&mut child);
        assert!(first.starts_with("regate serves"), "{first}");
        child.kill().unwrap();
        let output = child.wait_with_output().unwrap();
        String::from_utf8(output.stderr)
            .unwrap()
            .contains("set RUST_LIB_BACKTRACE=0")
    };
    assert!(warned(&[("RUST_BACKTRACE", "1")]));
    assert!(!warned(&[("RUST_BACKTRACE", "1"), ("RUST_LIB_BACKTRACE", "0")]));
    assert!(!warned(&[]));
}

#[test]
fn a_log_that_nobody_reads_holds_up_no_decision() {
    let directory = directory(FILES);
    let mut child = command(directory.path(), ARGUMENTS)
        .env("RUST_LOG", "regate=debug")
        // Kept, and never read.
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let first = first_line(&mut child);
    let child = Ending(child);
    let (address, probe_address) = addresses(&first).unwrap_or_else(|| panic!("{first:?}"));
    let mut client = Client::connect(
        address,
        Options::default().config(&authority(directory.path())),
        None,
    )
    .unwrap();
    let dropped = || {
        let text = get(probe_address, "/metrics").2;
        let line = text
            .lines()
            .find_map(|line| line.strip_prefix("regate_log_lines_dropped_total "));
        line.unwrap().parse::<u64>().unwrap()
    };
    let begin = Instant::now();
    while dropped() == 0 {
        for _ in 0..500 {
            assert_eq!(client.post("/v1/validate", admission("u-1", "")).status, 200);
        }
        assert!(begin.elapsed() < 3 * PATIENCE, "nothing is dropped");
    }
    drop(child);
}
