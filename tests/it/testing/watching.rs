//! `regate test --watch`: once at the start, and again after each change of anything that tests are made of.

use std::io::{BufRead, BufReader};
use std::process::{Child, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use super::Desk;

/// How long a change may take to be noticed and tested.
const PATIENCE: Duration = Duration::from_secs(60);

/// A running watch, which ends with the test.
struct Watch {
    child: Child,
    lines: Receiver<String>,
}

impl Watch {
    fn start(desk: &Desk) -> Self {
        let mut child = desk
            .command(&["--watch"])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let (sender, lines) = channel();
        let both: [Box<dyn std::io::Read + Send>; 2] = [
            Box::new(child.stdout.take().unwrap()),
            Box::new(child.stderr.take().unwrap()),
        ];
        for stream in both {
            let sender = sender.clone();
            std::thread::spawn(move || {
                for line in BufReader::new(stream).lines().map_while(Result::ok) {
                    if sender.send(line).is_err() {
                        return;
                    }
                }
            });
        }
        Self { child, lines }
    }

    /// Waits for a line with this text.
    fn wait(&self, text: &str) {
        let mut told = String::new();
        loop {
            match self.lines.recv_timeout(PATIENCE) {
                Ok(line) if line.contains(text) => return,
                Ok(line) => told += &format!("{line}\n"),
                Err(error) => panic!("no line with {text}: {error}\n{told}"),
            }
        }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn tests_run_again_when_a_policy_a_test_a_suite_or_what_it_names_changes() {
    let policy = "package kubernetes.authentication.tokens\nuser := {\"username\": \"jane\"} if input.spec.token == \"t\"\n";
    let test = "package t\nimport data.kubernetes.authentication.tokens\n\
        test_jane if tokens.user.username == \"jane\" with input.spec.token as \"t\"\n";
    let suite = |decision: &str| {
        format!(
            "apiVersion: regate.dev/v1alpha1\nkind: Suite\ncases:\n\
             - {{name: a, review: ../review.json, expect: {{decision: {decision}}}}}\n"
        )
    };
    let review = |token: &str| {
        format!(
            "{{\"apiVersion\": \"authentication.k8s.io/v1\", \"kind\": \"TokenReview\", \"spec\": {{\"token\": \"{token}\"}}}}"
        )
    };
    let desk = Desk::new(&[
        ("policies/a.rego", policy),
        ("policies/a_test.rego", test),
        ("policies/a_suite.yaml", &suite("allow")),
        ("review.json", &review("t")),
    ]);
    let watch = Watch::start(&desk);
    watch.wait("2 passed, 0 failed, 0 skipped");
    desk.write("policies/a.rego", &policy.replace("jane", "jack"));
    watch.wait("1 passed, 1 failed, 0 skipped");
    desk.write("policies/a_test.rego", &test.replace("\"jane\"", "\"jack\""));
    watch.wait("2 passed, 0 failed, 0 skipped");
    desk.write("policies/a_suite.yaml", &suite("no opinion"));
    watch.wait("1 passed, 1 failed, 0 skipped");
    desk.write("review.json", &review("u"));
    watch.wait("2 passed, 0 failed, 0 skipped");
    desk.write("policies/a_test.rego", "package t\ntest_a if {\n");
    watch.wait("policies/a_test.rego:3:1: expecting expression");
    desk.write("policies/a_test.rego", test);
    watch.wait("1 passed, 1 failed, 0 skipped");
}

#[test]
fn tests_run_again_when_a_suite_of_gatekeepers_or_what_it_names_changes() {
    let template = "apiVersion: templates.gatekeeper.sh/v1\nkind: ConstraintTemplate\nmetadata: {name: owned}\nspec:\n  \
        crd: {spec: {names: {kind: Owned}}}\n  targets:\n  - target: admission.k8s.gatekeeper.sh\n    rego: |\n      \
        package owned\n      violation[{\"msg\": \"no owner\"}] { not input.review.object.metadata.labels.owner }\n";
    let constraint = "apiVersion: constraints.gatekeeper.sh/v1beta1\nkind: Owned\nmetadata: {name: owned}\n";
    let suite = |violations: &str| {
        format!(
            "apiVersion: test.gatekeeper.sh/v1alpha1\nkind: Suite\ntests:\n- name: a\n  template: template.yaml\n  \
             constraint: constraint.yaml\n  cases:\n  - name: b\n    object: ../pod.yaml\n    \
             assertions: [{{violations: {violations}}}]\n"
        )
    };
    let pod = |labels: &str| format!("apiVersion: v1\nkind: Pod\nmetadata: {{name: web{labels}}}\n");
    let desk = Desk::new(&[
        ("policies/template.yaml", template),
        ("policies/constraint.yaml", constraint),
        ("policies/suite.yaml", &suite("yes")),
    ]);
    let watch = Watch::start(&desk);
    watch.wait("policies/suite.yaml:9:13: there is no file `../pod.yaml`");
    desk.write("pod.yaml", &pod(""));
    watch.wait("1 passed, 0 failed, 0 skipped");
    desk.write("policies/suite.yaml", &suite("no"));
    watch.wait("0 passed, 1 failed, 0 skipped");
    desk.write("pod.yaml", &pod(", labels: {owner: shop}"));
    watch.wait("1 passed, 0 failed, 0 skipped");
    desk.write("policies/template.yaml", &template.replace(".owner", ".team"));
    watch.wait("0 passed, 1 failed, 0 skipped");
}
