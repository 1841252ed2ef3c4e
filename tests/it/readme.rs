//! README.md as its readers use it: every command in it is run, every policy in it decides.
//!
//! The blocks are read from the file, so a command that is added there without a way to run it here fails the test.
//! Commands that need an API server are run by the end-to-end tests, which read the same file.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use serde_json::{Value, json};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");
const PATIENCE: Duration = Duration::from_secs(60);

/// The texts of all blocks of a language.
fn blocks(language: &str) -> Vec<String> {
    let readme = std::fs::read_to_string(Path::new(ROOT).join("README.md")).unwrap();
    let start = format!("```{language}\n");
    let after = readme.split(&start).skip(1);
    after
        .map(|rest| rest.split("```").next().unwrap().to_owned())
        .collect()
}

fn commands() -> Vec<String> {
    blocks("sh")
        .iter()
        .flat_map(|block| block.lines())
        .map(str::to_owned)
        .collect()
}

/// A directory as a reader has it: the repository's `policies/` and `examples/`, `regate.yaml` as it is shown, and
/// `regate` on the path.
fn desk() -> tempfile::TempDir {
    let desk = tempfile::tempdir().unwrap();
    let [configuration] = blocks("yaml").try_into().unwrap();
    std::fs::write(desk.path().join("regate.yaml"), configuration).unwrap();
    std::os::unix::fs::symlink(Path::new(ROOT).join("policies"), desk.path().join("policies")).unwrap();
    std::os::unix::fs::symlink(Path::new(ROOT).join("examples"), desk.path().join("examples")).unwrap();
    desk
}

fn shell(desk: &Path, line: &str) -> Command {
    let binary = Path::new(env!("CARGO_BIN_EXE_regate"));
    let path = std::env::var("PATH").unwrap_or_default();
    let mut command = Command::new("sh");
    command
        .args(["-ec", line])
        .current_dir(desk)
        .env("PATH", format!("{}:{path}", binary.parent().unwrap().display()))
        // The README's ports may be taken here, and other tests run beside this one.
        .env("REGATE_PROBE_LISTEN", "127.0.0.1:0")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

/// A server that is ended with the test.
struct Server {
    child: Child,
    lines: mpsc::Receiver<String>,
}

impl Server {
    fn start(desk: &Path, line: &str) -> Self {
        // `exec`, so that the server is the child that is ended, and no shell in between.
        let mut command = shell(desk, &format!("exec {line}"));
        let mut child = command
            .env("REGATE_LISTEN", "127.0.0.1:0")
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let out = BufReader::new(child.stdout.take().unwrap());
        let (sender, lines) = mpsc::channel();
        std::thread::spawn(move || {
            out.lines()
                .map_while(Result::ok)
                .try_for_each(|line| sender.send(line))
        });
        Server { child, lines }
    }

    fn line(&self) -> String {
        self.lines
            .recv_timeout(PATIENCE)
            .unwrap_or_else(|_| panic!("the server said no more"))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

#[test]
fn every_command_is_run_by_a_test() {
    let elsewhere = [
        // This is it.
        "cargo test",
        // Here the binary under test is on the path, and not the release build.
        r#"export PATH="$PWD/target/release:$PATH""#,
        // End to end: `what_the_playground_prints_can_be_tried_and_ctrl_c_ends_it_all`.
        "cargo run --example playground",
        // End to end: `the_readme_registers_admission_and_takes_it_back`.
        "kubectl apply -f registration/mutating.yaml -f registration/validating.yaml",
        "registration/undo.sh",
    ];
    let desk = desk();
    let mut run = 0;
    for line in commands() {
        let line = line.replace("cargo run --release --", "regate");
        if elsewhere.contains(&line.as_str()) {
            continue;
        }
        assert!(line.starts_with("regate "), "no way to run `{line}`");
        if line.contains(" serve") {
            let server = Server::start(desk.path(), &line);
            assert!(
                server.line().starts_with("regate serves https://127.0.0.1:"),
                "{line}"
            );
        } else {
            let output = shell(desk.path(), &line).output().unwrap();
            assert!(output.status.success(), "{line}: {output:?}");
        }
        run += 1;
    }
    assert!(run >= 6, "only {run} commands were found");
}

#[test]
fn the_commands_that_serve_prints_work_as_printed() {
    let desk = desk();
    let server = Server::start(desk.path(), "regate serve");
    let mut lines = Vec::new();
    while lines.len() < 5 {
        let line = server.line();
        lines.extend(line.trim_start().starts_with("curl ").then_some(line));
    }
    let answers: Vec<Value> = lines
        .iter()
        .map(|line| {
            let output = shell(desk.path(), line).output().unwrap();
            assert!(output.status.success(), "{line}: {output:?}");
            serde_json::from_slice(&output.stdout).unwrap()
        })
        .collect();
    let status = |number: usize| &answers[number]["status"];
    assert_eq!(status(0)["user"]["username"], "demo-user");
    assert_eq!(
        (&status(1)["denied"], &status(1)["allowed"]),
        (&json!(true), &json!(false))
    );
    assert_eq!(answers[2]["response"]["patchType"], "JSONPatch");
    assert_eq!(status(3)["allowed"], false);
    assert_eq!(answers[4]["response"]["status"]["code"], 403);
}

/// What a server that a command of the README starts answers to a review at a gate: it shows the way by itself.
fn answer(desk: &Path, server: &Server, gate: &str, review: &Value) -> Value {
    let path = format!("/v1/{gate} -d ");
    let line = loop {
        let line = server.line();
        if line.trim_start().starts_with("curl ") && line.contains(&path) {
            break line;
        }
    };
    let (command, _) = line.split_once(" -d ").unwrap();
    std::fs::write(desk.join("review.json"), review.to_string()).unwrap();
    let output = shell(desk, &format!("{command} -d @review.json"))
        .output()
        .unwrap();
    serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{line}: {output:?}"))
}

/// The creation of an object in a namespace.
fn write(kind: &str, namespace: &str, object: Value) -> Value {
    let (group, resource) = match kind {
        "Deployment" => ("apps", "deployments"),
        _ => ("", "pods"),
    };
    json!({ "kind": "AdmissionReview", "apiVersion": "admission.k8s.io/v1",
        "request": {
        "uid": "u", "operation": "CREATE", "userInfo": { "username": "jane" }, "object": object,
        "name": "web", "namespace": namespace,
        "kind": { "group": group, "version": "v1", "kind": kind },
        "resource": { "group": group, "version": "v1", "resource": resource } } })
}

#[test]
fn its_policy_decides_what_it_is_there_for() {
    let [policy] = blocks("rego").try_into().unwrap();
    let desk = tempfile::tempdir().unwrap();
    std::fs::create_dir(desk.path().join("policies")).unwrap();
    std::fs::write(desk.path().join("policies/p.rego"), policy).unwrap();
    let decide = |review: Value| -> Value {
        std::fs::write(desk.path().join("review.json"), review.to_string()).unwrap();
        let output = shell(desk.path(), "regate review -o json review.json")
            .output()
            .unwrap();
        serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{output:?}"))
    };
    let (bare, owned) = (
        json!({ "metadata": {} }),
        json!({ "metadata": { "labels": { "owner": "jane" } } }),
    );
    let denied = decide(write("Deployment", "shop", bare.clone()));
    assert_eq!(denied["response"]["status"]["message"], "[owner] say who owns it");
    for allowed in [
        write("Deployment", "shop", owned),
        write("Deployment", "sandbox", bare.clone()),
        write("Pod", "shop", bare),
    ] {
        assert_eq!(decide(allowed)["response"]["allowed"], true);
    }
}

#[test]
fn four_commands_lead_from_an_empty_folder_to_a_served_policy() {
    let desk = desk();
    let begin = |line: &String| line.starts_with("regate init");
    let commands: Vec<String> = commands()
        .into_iter()
        .skip_while(|line| !begin(line))
        .take(4)
        .collect();
    let [init, test, review, serve] = commands.try_into().unwrap();
    for line in [&init, &test, &review] {
        let output = shell(desk.path(), line).output().unwrap();
        assert!(output.status.success(), "{line}: {output:?}");
    }
    assert!(serve.starts_with("regate serve "), "{serve}");
    let server = Server::start(desk.path(), &serve);
    let denied = std::fs::read_to_string(desk.path().join("site/reviews/denied.json")).unwrap();
    let answer = answer(
        desk.path(),
        &server,
        "validate",
        &serde_json::from_str(&denied).unwrap(),
    );
    assert_eq!(
        answer["response"]["status"]["message"],
        "[owner] the label owner must name a team: cart, shop"
    );
}

#[test]
fn the_configuration_tunes_the_built_in_policies() {
    let desk = desk();
    let line = commands()
        .into_iter()
        .find(|line| line.contains("--config"))
        .unwrap();
    let server = Server::start(desk.path(), &line);
    let image = |image: &str| {
        json!({ "kind": "ImageReview", "apiVersion": "imagepolicy.k8s.io/v1alpha1",
            "spec": { "containers": [{ "image": image }] } })
    };
    let ours = answer(desk.path(), &server, "image", &image("registry.example.com/a:1"));
    assert_eq!(ours["status"], json!({ "allowed": true }));

    // Without limits, and on its node's network.
    let pod = json!({ "metadata": { "name": "web" }, "spec": {
        "hostNetwork": true, "containers": [{ "name": "web", "image": "registry.example.com/a:1" }] } });
    let denied = answer(
        desk.path(),
        &server,
        "validate",
        &write("Pod", "shop", pod.clone()),
    );
    let message = denied["response"]["status"]["message"].as_str().unwrap();
    assert!(
        message.starts_with("[host_namespaces] ") && !message.contains("limit"),
        "{denied}"
    );

    // The commands are printed once: another server for another question.
    let server = Server::start(desk.path(), &line);
    let excepted = answer(desk.path(), &server, "validate", &write("Pod", "monitoring", pod));
    assert_eq!(excepted["response"]["allowed"], true, "{excepted}");
    let warnings = excepted["response"]["warnings"].as_array().unwrap();
    assert!(
        warnings
            .iter()
            .any(|warning| warning.as_str().unwrap().starts_with("[missing_limits] ")),
        "{excepted}"
    );
}

#[test]
fn it_is_short() {
    let lines = |name: &str| {
        std::fs::read_to_string(Path::new(ROOT).join(name))
            .unwrap()
            .lines()
            .count()
    };
    assert!(lines("README.md") <= 150);
    assert!(lines("docs/ARCHITECTURE.md") <= 150);
}
