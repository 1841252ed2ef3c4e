//! The binary as it is run: what it prints, logs and obeys.

use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::serving::{Client, Options, PATIENCE};

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

/// A running `regate serve`, ended with the test.
struct Process {
    child: Child,
    out: BufReader<ChildStdout>,
    address: String,
    ca: PathBuf,
    log: PathBuf,
    _directory: tempfile::TempDir,
}

impl Process {
    /// Starts it on free ports, logging JSON at `level`.
    fn start(level: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let log = directory.path().join("log");
        let policies = directory.path().join("policies");
        std::fs::create_dir(&policies).unwrap();
        std::fs::write(policies.join("privileged.rego"), PRIVILEGED).unwrap();
        std::fs::write(policies.join("staff.rego"), STAFF).unwrap();
        std::fs::write(policies.join("faulty.rego"), FAULTY).unwrap();
        let mut child = Command::new(env!("CARGO_BIN_EXE_regate"))
            .args([
                "serve",
                "--listen",
                "127.0.0.1:0",
                "--probe-listen",
                "127.0.0.1:0",
                "--log-format",
                "json",
            ])
            .arg("--policy")
            .arg(&policies)
            .env("RUST_LOG", level)
            .env("TMPDIR", directory.path())
            .stdout(Stdio::piped())
            .stderr(std::fs::File::create(&log).unwrap())
            .spawn()
            .unwrap();
        let mut out = BufReader::new(child.stdout.take().unwrap());
        let mut first = String::new();
        out.read_line(&mut first).unwrap();
        let address = first
            .split("https://")
            .nth(1)
            .and_then(|rest| rest.split([',', ' ', '\n']).next());
        let address = address
            .unwrap_or_else(|| panic!("{first:?}: {}", read(&log)))
            .to_owned();
        let made = std::fs::read_dir(directory.path())
            .unwrap()
            .map(|entry| entry.unwrap().path());
        let ca = made
            .map(|path| path.join("ca.crt"))
            .find(|path| path.exists())
            .unwrap();
        Self {
            child,
            out,
            address,
            ca,
            log,
            _directory: directory,
        }
    }

    fn client(&self) -> Client {
        Client::connect(
            self.address.parse().unwrap(),
            Options::default().config(&self.ca),
            None,
        )
        .unwrap()
    }

    /// Sends a signal by its name.
    fn signal(&self, name: &str) {
        let status = Command::new("kill")
            .args([&format!("-{name}"), &self.child.id().to_string()])
            .status()
            .unwrap();
        assert!(status.success());
    }

    fn ended(&mut self) -> ExitStatus {
        let begin = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(begin.elapsed() < PATIENCE, "still running");
            std::thread::park_timeout(Duration::from_millis(10));
        }
    }

    /// The log lines of decisions, once there are so many.
    fn decisions(&self, count: usize) -> Vec<Value> {
        let begin = Instant::now();
        loop {
            let log = read(&self.log);
            let lines = log
                .lines()
                .filter_map(|line| serde_json::from_str::<Value>(line).ok());
            let decisions: Vec<_> = lines.filter(|line| line["event"] == "review").collect();
            if decisions.len() >= count {
                return decisions;
            }
            assert!(begin.elapsed() < PATIENCE, "{count} decisions in:\n{log}");
            std::thread::park_timeout(Duration::from_millis(10));
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It has ended, or it is killed: both are fine for a test that is over.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn read(file: &Path) -> String {
    String::from_utf8_lossy(&std::fs::read(file).unwrap()).into_owned()
}

/// A review of a Pod; what `field` says is merged into its container.
fn admission(uid: &str, field: &str) -> String {
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
        let mut process = Process::start("info");
        assert_eq!(
            process.client().post("/v1/validate", admission("u-1", "")).status,
            200
        );
        process.signal(signal);
        assert_eq!(
            process.ended().code(),
            Some(0),
            "{signal}: {}",
            read(&process.log)
        );
        let mut rest = String::new();
        process.out.read_to_string(&mut rest).unwrap();
        assert!(!process.ca.exists(), "the development keys are still there");
    }
}

#[test]
fn a_decision_is_one_line_with_what_it_needs() {
    let process = Process::start("regate=debug");
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
    let mut process = Process::start("trace");
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
    assert!(process.ended().success());
    let log = read(&process.log);
    assert!(log.contains(r#""level":"TRACE""#), "nothing was traced");
    assert!(log.contains("faulty.rego:3:"), "no fault was logged");
    assert!(
        !log.contains("canary"),
        "{}",
        log.lines().find(|line| line.contains("canary")).unwrap()
    );
}
