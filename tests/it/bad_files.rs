//! Files that nobody should write, given to `regate check`, `test` and `review`: the real binary, with a deadline.
//!
//! Always holds: beside a sound policy with a test and a manifest that it denies, one bad file is told with its id and
//! its name, and none of the commands decides, or tests, with what is left.

use std::fs::{self, File, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;

use crate::process::Ending;

/// In which every command ends, on a machine that does much else.
const PATIENCE: Duration = Duration::from_secs(180);

const SOUND: &str =
    "package kubernetes.admission.sound\ndeny contains \"no\" if input.request.name == \"web\"\n";
const BAD: &str = "package kubernetes.admission.bad\n";
const TOO_MUCH: &str = "it is nested too deep, or its aliases stand for too much";

/// A directory with a sound policy, its test and a manifest, where commands run.
struct Desk(TempDir);

/// How a command ended.
#[derive(Debug)]
struct Ran {
    code: Option<i32>,
    out: String,
    error: String,
}

impl Desk {
    fn new() -> Self {
        let desk = Self(tempfile::tempdir().unwrap());
        fs::create_dir(desk.path().join("policies")).unwrap();
        desk.write("policies/sound.rego", SOUND);
        desk.write("policies/sound_test.rego", "package t\ntest_sound if true\n");
        desk.write("pod.yaml", "apiVersion: v1\nkind: Pod\nmetadata: {name: web}\n");
        desk
    }

    fn with(name: &str, text: impl AsRef<[u8]>) -> Self {
        let desk = Self::new();
        desk.write(name, text);
        desk
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn write(&self, name: &str, text: impl AsRef<[u8]>) {
        fs::write(self.path().join(name), text).unwrap();
    }

    fn make_pipe(&self, name: &str) {
        let made = Command::new("mkfifo").arg(self.path().join(name)).status();
        assert!(made.unwrap().success());
    }

    #[track_caller]
    fn run(&self, arguments: &[&str]) -> Ran {
        let printed = tempfile::tempdir().unwrap();
        let (out, error) = (printed.path().join("out"), printed.path().join("error"));
        let child = Command::new(env!("CARGO_BIN_EXE_regate"))
            .args(arguments)
            .current_dir(self.path())
            .env_clear()
            .stdin(Stdio::null())
            .stdout(File::create(&out).unwrap())
            .stderr(File::create(&error).unwrap())
            .spawn()
            .unwrap();
        let mut ending = Ending(child);
        let status = ending.within(PATIENCE, || format!("it does not end: {arguments:?}"));
        let ran = Ran {
            code: status.code(),
            out: fs::read_to_string(out).unwrap(),
            error: fs::read_to_string(error).unwrap(),
        };
        assert!(
            !format!("{}{}", ran.out, ran.error).contains("panicked"),
            "{ran:?}"
        );
        ran
    }

    /// What `check` says as an object, and how it ends.
    #[track_caller]
    fn check(&self) -> (Option<i32>, Value) {
        let ran = self.run(&["check", "-o", "json"]);
        assert_eq!(ran.error, "", "{ran:?}");
        (ran.code, serde_json::from_str(&ran.out).unwrap())
    }

    fn review(&self) -> Ran {
        self.run(&["review", "--gate", "validate", "pod.yaml"])
    }

    /// Asserts that the bad file is no reason to refuse what is served.
    #[track_caller]
    fn assert_served(&self) {
        let (code, report) = self.check();
        assert_eq!((code, &report["findings"]), (Some(0), &serde_json::json!([])));
        let ran = self.review();
        let denied = ran.out.contains("validate: deny by sound");
        assert!(ran.code == Some(1) && denied, "{ran:?}");
    }

    /// Asserts that `test` tells of the file, and runs nothing.
    #[track_caller]
    fn assert_untested(&self, file: &str, said: &str) {
        let ran = self.run(&["test"]);
        assert_eq!((ran.code, ran.out.as_str()), (Some(2), ""), "{ran:?}");
        assert!(
            ran.error.starts_with(&format!("{file}:")) && ran.error.contains(said),
            "{said}: {ran:.999?}"
        );
    }

    /// Asserts that every command tells of the file: `check` with the code and as a finding, the others without having
    /// decided or tested anything.
    #[track_caller]
    fn assert_refused(&self, code: i32, (id, file, said): (&str, &str, &str)) {
        let (ended, report) = self.check();
        let findings = report["findings"].as_array().unwrap();
        let is_told = |finding: &Value| {
            let message = finding["message"].as_str().unwrap();
            finding["id"] == id && finding["file"] == file && message.contains(said)
        };
        assert_eq!(ended, Some(code), "{report:.999}");
        assert!(
            findings.len() == 1 && findings.iter().all(is_told),
            "{id} {file} {said}: {report:.999}"
        );
        assert!(report.get("policies").is_none(), "{report:.999}");
        self.assert_untested(file, said);
        let ran = self.review();
        assert_eq!((ran.code, ran.out.as_str()), (Some(2), ""), "{ran:?}");
        assert!(
            ran.error.starts_with(&format!("{file}:")) && ran.error.contains(said),
            "{said}: {ran:.999?}"
        );
    }
}

/// A few lines of YAML whose aliases stand for a thousand million strings, each line after `before`.
fn bomb(before: &str) -> String {
    let mut text = format!("{before}a: &a [x, x, x, x, x, x, x, x, x, x]\n");
    for (inner, name) in ('a'..'i').zip('b'..='i') {
        let items = vec![format!("*{inner}"); 10].join(", ");
        text += &format!("{before}{name}: &{name} [{items}]\n");
    }
    text
}

fn nested(open: &str, close: &str, depth: usize) -> String {
    format!("{}1{}", open.repeat(depth), close.repeat(depth))
}

#[test]
fn without_a_bad_file_the_sound_policy_is_tested_and_denies() {
    let desk = Desk::new();
    desk.assert_served();
    let ran = desk.run(&["test"]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert!(ran.out.contains("1 passed, 0 failed"), "{ran:?}");
}

#[test]
fn a_policy_that_is_not_utf8_or_empty_is_told() {
    let name = "policies/bad.rego";
    let mut bytes = BAD.as_bytes().to_vec();
    bytes.extend(b"deny contains \"\xff\" if true\n");
    Desk::with(name, bytes).assert_refused(2, ("not-utf8", name, "is not UTF-8"));
    for text in ["", "\n\n", "# nothing\n"] {
        let said = "Missing package declaration";
        Desk::with(name, text).assert_refused(1, ("parse", name, said));
    }
}

#[test]
fn a_policy_of_a_hundred_thousand_lines_is_told_whatever_its_lines_are() {
    let name = "policies/bad.rego";
    let items: String = (0..99_990).map(|item| format!("\"n{item}\",\n")).collect();
    let texts = [
        format!(
            "{BAD}{}deny contains \"no\" if input.a\n",
            "# much\n".repeat(99_998)
        ),
        format!("{BAD}names := {{\n{items}}}\ndeny contains \"no\" if input.a in names\n"),
        format!("{BAD}{}deny contains if\n", "# much\n".repeat(99_998)),
    ];
    for text in texts {
        Desk::with(name, text).assert_refused(1, ("limit", name, "more than 20000 lines"));
    }
}

#[test]
fn a_policy_nested_ten_thousand_deep_is_told() {
    let name = "policies/bad.rego";
    let in_each_other = "more than 400 parts in each other";
    for (expression, said) in [
        (nested("[", "]", 10_000), "brackets nested more than"),
        (nested("{\"a\": ", "}", 10_000), "brackets nested more than"),
        (nested("[y | y := ", "]", 10_000), "brackets nested more than"),
        (nested("input[", "]", 10_000), "brackets nested more than"),
        ("{[".repeat(10_000), "brackets nested more than"),
        (nested("abs(abs(\n", "))\n", 5_000), in_each_other),
        (nested("-\n", "", 10_000), in_each_other),
        (nested("1 +\n", "", 10_000), in_each_other),
    ] {
        let text = format!("{BAD}deny contains \"no\" if {{\nx := {expression}\n}}\n");
        Desk::with(name, text).assert_refused(1, ("limit", name, said));
    }
    for (body, said) in [
        (nested("(", ")", 10_000), "nesting too deep"),
        (nested("not ", "", 10_000), "unexpected keyword `not`"),
    ] {
        let text = format!("{BAD}deny contains \"no\" if {body}\n");
        Desk::with(name, text).assert_refused(1, ("parse", name, said));
    }
}

#[test]
fn thousands_of_rules_that_negate_or_follow_each_other_are_decided() {
    let negated: String = (0..4000)
        .map(|rule| format!("r{rule} if not r{}\n", rule + 1))
        .collect();
    let desk = Desk::with(
        "policies/bad.rego",
        format!("{BAD}{negated}r4000 if input.request\ndeny contains \"as negated\" if r0\n"),
    );
    let others: String = (1..4000)
        .map(|other| format!("else := {other} if input.a == {other}\n"))
        .collect();
    desk.write(
        "policies/other.rego",
        format!(
            "package kubernetes.admission.other\nf := 0 if input.a == 0\n{others}else := 4000\n\
             deny contains \"as the last\" if f == 4000\n"
        ),
    );
    assert_eq!(desk.check().0, Some(0));
    assert_eq!(desk.run(&["test"]).code, Some(0));
    let ran = desk.review();
    assert_eq!(ran.code, Some(1), "{ran:?}");
    assert!(
        ran.out.contains("[bad] as negated") && ran.out.contains("[other] as the last"),
        "{ran:?}"
    );
}

#[test]
fn a_pipe_among_policies_is_told_and_not_waited_for() {
    for name in ["policies/bad.rego", "policies/data.yaml", "policies/objects.yaml"] {
        let desk = Desk::new();
        desk.make_pipe(name);
        desk.assert_refused(2, ("file-format", name, "is neither a file nor a directory"));
    }
    let desk = Desk::new();
    desk.make_pipe("policies/bad_suite.yaml");
    desk.assert_served();
    desk.assert_untested("policies/bad_suite.yaml", "is no file");
}

#[test]
fn links_that_lead_nowhere_or_back_are_told() {
    for (name, target, said) in [
        (
            "policies/bad.rego",
            "bad.rego",
            "cannot be read: Too many levels of symbolic links",
        ),
        ("policies/bad.rego", "gone.rego", "cannot be read: No such file"),
        ("policies/data.json", "gone.json", "cannot be read: No such file"),
        ("policies/again", ".", "is a link that leads back to "),
    ] {
        let desk = Desk::new();
        symlink(target, desk.path().join(name)).unwrap();
        desk.assert_refused(2, ("unreadable", name, said));
    }
}

#[test]
fn what_may_not_be_read_is_told() {
    for name in ["policies/bad.rego", "policies/data.yaml", "policies/objects.yaml"] {
        let desk = Desk::with(name, "");
        let path = desk.path().join(name);
        fs::set_permissions(&path, Permissions::from_mode(0o0)).unwrap();
        // Root reads it all the same.
        if File::open(&path).is_err() {
            desk.assert_refused(2, ("unreadable", name, "cannot be read: Permission denied"));
        }
    }
    let desk = Desk::new();
    fs::remove_file(desk.path().join("pod.yaml")).unwrap();
    fs::create_dir(desk.path().join("pod.yaml")).unwrap();
    let ran = desk.review();
    assert_eq!((ran.code, ran.out.as_str()), (Some(2), ""), "{ran:?}");
    assert!(ran.error.contains("pod.yaml: Is a directory"), "{ran:?}");
}

#[test]
fn files_that_come_and_go_while_they_are_read_are_all_there_or_none() {
    let desk = Desk::new();
    let (away, here) = (desk.path().join("pair"), desk.path().join("policies/pair"));
    fs::create_dir(&away).unwrap();
    for name in ["one", "two"] {
        let text = format!("package kubernetes.admission.{name}\ndeny contains \"no\" if input.a\n");
        desk.write(&format!("pair/{name}.rego"), text);
    }
    let is_over = AtomicBool::new(false);
    let (seen, moved) = std::thread::scope(|scope| {
        let mover = scope.spawn(|| {
            let mut moved = 0;
            while !is_over.load(Ordering::Relaxed) {
                fs::rename(&away, &here).unwrap();
                std::thread::park_timeout(Duration::from_millis(1));
                fs::rename(&here, &away).unwrap();
                moved += 1;
            }
            moved
        });
        let seen: Vec<_> = (0..20)
            .map(|_| std::panic::catch_unwind(|| desk.check()))
            .collect();
        is_over.store(true, Ordering::Relaxed);
        (seen, mover.join().unwrap())
    });
    assert!(moved > 0);
    for seen in seen {
        let (code, report) = seen.unwrap();
        let policies = report["policies"].as_array().map(Vec::len);
        let ids: Vec<_> = report["findings"]
            .as_array()
            .unwrap()
            .iter()
            .map(|finding| &finding["id"])
            .collect();
        match code {
            Some(0) => assert!(matches!(policies, Some(1 | 3)), "{report}"),
            Some(2) => assert!(
                !ids.is_empty() && ids.iter().all(|id| *id == "unreadable"),
                "{report}"
            ),
            _ => panic!("{code:?}: {report}"),
        }
    }
}

#[test]
fn yaml_whose_aliases_stand_for_too_much_is_told_wherever_it_stands() {
    let indented = |before: &str| format!("{before}\n{}", bomb("    "));
    let name = "policies/data.yaml";
    Desk::with(name, bomb("")).assert_refused(1, ("data-format", name, TOO_MUCH));

    let name = "policies/bad.rego";
    let text = format!(
        "# METADATA\n# custom:\n{}{BAD}deny contains \"no\"\n",
        bomb("#   ")
    );
    Desk::with(name, text).assert_refused(1, ("metadata", name, TOO_MUCH));

    let name = "policies/objects.yaml";
    for (group, kind) in [("templates", "ConstraintTemplate"), ("constraints", "Bad")] {
        let text =
            format!("apiVersion: {group}.gatekeeper.sh/v1\nkind: {kind}\nmetadata: {{name: bad}}\nspec:");
        Desk::with(name, indented(&text)).assert_refused(1, ("gatekeeper", name, TOO_MUCH));
    }

    let suites = [
        ("policies/bad_suite.yaml", "apiVersion: regate.dev/v1alpha1"),
        ("policies/suite.yaml", "apiVersion: test.gatekeeper.sh/v1alpha1"),
    ];
    for (name, version) in suites {
        let desk = Desk::with(name, indented(&format!("{version}\nkind: Suite\nx:")));
        desk.assert_served();
        desk.assert_untested(name, TOO_MUCH);
    }
}

#[test]
fn a_manifest_or_its_data_nested_too_deep_is_told_and_not_decided() {
    let pod = "apiVersion: v1\nkind: Pod\nmetadata: {name: web}\nspec:";
    for spec in [
        format!("\n{}", bomb("  ")),
        format!(" {}\n", nested("[", "]", 10_000)),
        format!(" {}\n", nested("{a: ", "}", 10_000)),
    ] {
        let desk = Desk::with("pod.yaml", format!("{pod}{spec}"));
        let ran = desk.review();
        assert_eq!((ran.code, ran.out.as_str()), (Some(2), ""), "{ran:.999?}");
        assert_eq!(ran.error, format!("regate: pod.yaml: {TOO_MUCH}\n"));
    }
    for (name, text, said) in [
        (
            "policies/data.yaml",
            format!("a: {}\n", nested("[", "]", 10_000)),
            TOO_MUCH,
        ),
        (
            "policies/data.json",
            format!("{{\"a\": {}}}\n", nested("[", "]", 10_000)),
            "nested more than 128 levels",
        ),
    ] {
        Desk::with(name, text).assert_refused(1, ("data-format", name, said));
    }
}

#[test]
fn what_suites_and_constraints_name_has_to_be_there() {
    let name = "policies/objects.yaml";
    let constraint = "apiVersion: constraints.gatekeeper.sh/v1beta1\nkind: Nobodys\nmetadata: {name: bad}\n";
    let said = "there is no template for the kind `Nobodys`";
    Desk::with(name, constraint).assert_refused(1, ("gatekeeper", name, said));

    let name = "policies/bad_suite.yaml";
    let object = "{apiVersion: v1, kind: Pod, metadata: {name: web}}";
    for (case, said) in [
        (
            "manifest: gone.yaml, expect: {decision: deny}".to_owned(),
            "gone.yaml: cannot be read: No such file",
        ),
        (
            format!("object: {object}, gate: nobodys, expect: {{decision: deny}}"),
            "`gate` is ",
        ),
        (
            format!("object: {object}, expect: {{decision: deny, by: [nobodys]}}"),
            "there is no policy `nobodys`",
        ),
    ] {
        let head = "apiVersion: regate.dev/v1alpha1\nkind: Suite\ncases:\n";
        let sound = format!("- {{name: sound, object: {object}, expect: {{decision: deny}}}}\n");
        let desk = Desk::with(name, format!("{head}{sound}- {{name: bad, {case}}}\n"));
        desk.assert_served();
        desk.assert_untested(name, said);
    }

    let suite = "apiVersion: test.gatekeeper.sh/v1alpha1\nkind: Suite\nmetadata: {name: bad}\ntests:\n\
        - name: bad\n  template: gone.yaml\n  constraint: gone.yaml\n  cases:\n  - name: case\n    object: gone.yaml\n    \
        assertions: [{violations: no}]\n";
    let desk = Desk::with("policies/suite.yaml", suite);
    desk.assert_served();
    desk.assert_untested("policies/suite.yaml", "there is no file `gone.yaml`");
}

#[test]
fn a_suite_of_ten_thousand_cases_ends() {
    let case = |number: usize| {
        format!(
            "- name: case {number}\n  gate: validate\n  object: {{apiVersion: v1, kind: Pod, metadata: {{name: web}}}}\n  \
             expect: {{decision: deny}}\n"
        )
    };
    let cases: String = (0..10_000).map(case).collect();
    let suite = format!("apiVersion: regate.dev/v1alpha1\nkind: Suite\ncases:\n{cases}");
    let desk = Desk::with("policies/bad_suite.yaml", &suite);
    desk.assert_served();
    let ran = desk.run(&["test"]);
    assert_eq!(ran.code, Some(0), "{ran:.999?}");
    assert!(ran.out.contains("10001 passed, 0 failed"), "{ran:.999?}");

    desk.write("policies/bad_suite.yaml", format!("{suite}{}", case(0)));
    desk.assert_untested(
        "policies/bad_suite.yaml",
        "another case of this suite is called `case 0`",
    );
}
