//! `--last-good` on the real binary: what a restart serves when it finds bad policies, and what it says of it.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::process::{Process, refusal, soon};
use crate::server_process::admission;

const ARGUMENTS: &[&str] = &["--policy", "policies"];

/// A policy that denies every review with this message.
fn denying(message: &str) -> String {
    format!("package kubernetes.admission.guard\n\ndeny contains \"{message}\" if input.request.uid\n")
}

/// On line 3 stands a function that nobody knows.
const BROKEN: &str =
    "package kubernetes.admission.guard\n\ndeny contains \"x\" if lowr(input.kind) == \"x\"\n";

const FINDING: &str = "policies/guard.rego:3:22: there is no function `lowr`: did you mean `lower`?";

/// Where servers of one test keep their policies, and the flags for it.
struct Kept {
    directory: tempfile::TempDir,
}

impl Kept {
    fn new() -> Self {
        Self {
            directory: tempfile::tempdir().unwrap(),
        }
    }

    fn place(&self) -> PathBuf {
        self.directory.path().join("kept")
    }

    fn document(&self) -> PathBuf {
        self.place().join("last-good.json")
    }

    fn arguments(place: &str) -> Vec<&str> {
        [ARGUMENTS, &["--last-good", place]].concat()
    }

    fn start(&self, files: &[(&str, &str)]) -> Process {
        Process::start(files, &Self::arguments(self.place().to_str().unwrap()))
    }

    /// What a start that must fail ends with.
    fn refusal(&self, files: &[(&str, &str)]) -> (Option<i32>, String) {
        refusal(files, &Self::arguments(self.place().to_str().unwrap()))
    }
}

fn reason(process: &Process) -> String {
    let response = process.client().post("/v1/validate", admission("u-1", ""));
    let review: Value = serde_json::from_str(&response.body).unwrap();
    review["response"]["status"]["message"]
        .as_str()
        .unwrap()
        .to_owned()
}

fn findings(process: &Process) -> Vec<String> {
    let lines = process.events("policy_rejected");
    lines
        .iter()
        .map(|line| line["finding"].as_str().unwrap().to_owned())
        .collect()
}

fn info(process: &Process) -> Vec<String> {
    process.metrics("regate_policy_info{")
}

#[test]
fn a_restart_that_finds_bad_policies_tells_all_and_serves_the_last_good_ones() {
    let kept = Kept::new();
    let process = kept.start(&[("policies/guard.rego", &denying("first"))]);
    let revision = info(&process);
    drop(process);

    let mut process = kept.start(&[
        ("policies/guard.rego", BROKEN),
        ("policies/b.rego", "package b\n\nx := lowr(1)\n"),
    ]);
    assert_eq!(reason(&process), "[guard] first");
    assert_eq!(info(&process), revision);
    assert_eq!(process.probe("/readyz").0, 200);
    assert_eq!(
        findings(&process),
        [
            "policies/b.rego:3:6: there is no function `lowr`: did you mean `lower`?",
            FINDING
        ]
    );
    let (code, status) = process.status(&["-o", "json"]);
    let status: Value = serde_json::from_str(&status).unwrap();
    assert_eq!(code, 1);
    assert_eq!(
        status["served"]["source"],
        json!({"lastGood": {"directory": kept.place().to_str().unwrap()}})
    );
    assert_eq!(status["refused"]["findings"].as_array().unwrap().len(), 2);
    assert_eq!(
        process.metrics("regate_policy_last_reload_successful"),
        ["regate_policy_last_reload_successful 0"]
    );

    // Mended, they are taken over as ever.
    fs::write(process.path("policies/guard.rego"), denying("second")).unwrap();
    fs::remove_file(process.path("policies/b.rego")).unwrap();
    soon("the mended policies are served", || {
        (reason(&process) == "[guard] second").then_some(())
    });
    soon("the status is good", || {
        (process.status(&[]).0 == 0).then_some(())
    });
    process.signal("TERM");
    let (_, said) = process.ended();
    let place = kept.place();
    assert!(
        said.starts_with(&format!(
            "the policies were refused: those kept in {} are served\npolicies, revision ",
            place.display()
        )),
        "{said}"
    );
}

/// Everything that a set can be made of, in the directory of the server.
fn rich(directory: &Path) -> Vec<(String, String)> {
    let configuration = "apiVersion: regate.dev/v1alpha1\nkind: ServerConfiguration\n\
        policies:\n  paths: [policies]\n  pathsV0: [old]\n  data: [more]\n  lastGood: KEPT\n  settings:\n  \
        - {policy: validate/new, parameters: {word: set}}\n";
    [
        ("policies/new.rego", "package kubernetes.admission.new\n\ndeny contains sprintf(\"%s %s %s\", [input.parameters.word, data.a.b.word, data.word])\n"),
        ("policies/a/b/data.yaml", "word: below"),
        ("old/old.rego", "package kubernetes.admission.old\n\ndeny[\"old\"] { input.request.uid }\n"),
        ("more/data.json", "{\"word\": \"root\"}"),
        ("regate.yaml", &configuration.replace("KEPT", directory.to_str().unwrap())),
    ]
    .map(|(path, text)| (path.to_owned(), text.to_owned()))
    .into()
}

#[test]
fn data_settings_and_the_old_language_are_kept_with_the_policies() {
    let kept = Kept::new();
    let files = rich(&kept.place());
    let files: Vec<_> = files
        .iter()
        .map(|(path, text)| (path.as_str(), text.as_str()))
        .collect();
    let said = "[new] set below root; [old] old";
    let process = Process::start(&files, &["--config", "regate.yaml"]);
    assert_eq!(reason(&process), said);
    drop(process);
    // Nothing is there any more, not even the directories.
    let configuration = files.last().unwrap();
    let process = Process::start(&[*configuration], &["--config", "regate.yaml"]);
    assert_eq!(reason(&process), said);
    let found = findings(&process);
    assert_eq!(found.len(), 3, "{found:?}");
    for (finding, path) in found.iter().zip(["old", "policies", "more"]) {
        assert!(
            finding.starts_with(&format!("{path}: cannot be read: ")),
            "{finding}"
        );
    }
}

#[test]
fn what_is_taken_over_while_the_server_runs_is_kept_and_what_is_refused_is_not() {
    let kept = Kept::new();
    let process = kept.start(&[("policies/guard.rego", &denying("first"))]);
    let revision = || {
        let document: Value = serde_json::from_slice(&fs::read(kept.document()).unwrap()).unwrap();
        document["revision"].as_str().unwrap().to_owned()
    };
    let first = revision();
    fs::write(process.path("policies/guard.rego"), denying("second")).unwrap();
    soon("the second set is kept", || (revision() != first).then_some(()));
    let second = revision();
    assert!(info(&process)[0].contains(&second));
    fs::write(process.path("policies/guard.rego"), BROKEN).unwrap();
    soon("the third is refused", || {
        (findings(&process) == [FINDING]).then_some(())
    });
    assert_eq!(revision(), second);
}

#[test]
fn empty_sources_at_start_are_told_and_the_last_good_policies_served() {
    let kept = Kept::new();
    drop(kept.start(&[("policies/guard.rego", &denying("first"))]));
    let process = kept.start(&[("policies/README", "none yet")]);
    assert_eq!(reason(&process), "[guard] first");
    assert_eq!(findings(&process), ["no policies: an empty set is not served"]);
    assert_eq!(process.probe("/readyz").0, 200);
    assert_eq!(process.status(&[]).0, 1);
}

#[test]
fn empty_sources_and_nothing_kept_leave_a_server_that_waits_and_then_keeps_the_first() {
    let kept = Kept::new();
    let process = kept.start(&[("policies/README", "none yet")]);
    assert_eq!(process.probe("/readyz").0, 503);
    assert!(!kept.document().exists());
    fs::write(process.path("policies/guard.rego"), denying("first")).unwrap();
    soon("the first set is kept", || kept.document().exists().then_some(()));
    assert_eq!(process.probe("/readyz").0, 200);
}

#[test]
fn without_anything_kept_all_findings_are_printed_and_the_exit_is_1() {
    let kept = Kept::new();
    assert_eq!(
        kept.refusal(&[("policies/guard.rego", BROKEN)]),
        (Some(1), format!("{FINDING}\n"))
    );
    assert!(!kept.document().exists());
}

#[test]
fn what_was_kept_and_changed_since_is_reported_and_never_served() {
    let kept = Kept::new();
    drop(kept.start(&[("policies/guard.rego", &denying("first"))]));
    let good = fs::read_to_string(kept.document()).unwrap();
    let path = kept.document();
    for (content, wrong) in [
        (
            good.replace("first", "other"),
            "was changed since it was kept: its content is not of its revision",
        ),
        (
            good.replace("last-good.v1", "last-good.v0"),
            "is in the form `regate.dev/last-good.v0`, and this program reads `regate.dev/last-good.v1`",
        ),
        (
            good[..good.len() - 10].to_owned(),
            "is no kept set of policies: EOF",
        ),
    ] {
        fs::write(&path, content).unwrap();
        let (code, told) = kept.refusal(&[("policies/guard.rego", BROKEN)]);
        assert_eq!(code, Some(1), "{told}");
        assert!(
            told.starts_with(&format!("{FINDING}\n{}: {wrong}", path.display())),
            "{told}"
        );
    }
    // Empty sources: it waits, and says why it has to.
    let process = kept.start(&[("policies/README", "none yet")]);
    assert_eq!(process.probe("/readyz").0, 503);
    assert_eq!(findings(&process).len(), 2, "{:?}", findings(&process));
}

#[test]
fn a_disk_that_takes_nothing_is_a_warning() {
    let files = [("policies/guard.rego", denying("first")), ("file", String::new())];
    let files = files.each_ref().map(|(path, text)| (*path, text.as_str()));
    let process = Process::start(&files, &[ARGUMENTS, &["--last-good", "file/kept"]].concat());
    assert_eq!(reason(&process), "[guard] first");
    let warned = process.events("last_good_not_kept");
    assert_eq!(warned.len(), 1, "{}", process.log());
    assert_eq!(
        (&warned[0]["level"], &warned[0]["directory"]),
        (&json!("WARN"), &json!("file/kept"))
    );
    assert_eq!(process.status(&[]).0, 0);
}

#[test]
fn settings_that_name_nothing_any_more_leave_the_built_in_policies_as_they_were() {
    let place = tempfile::tempdir().unwrap();
    let arguments = [
        "--config",
        "regate.yaml",
        "--last-good",
        place.path().to_str().unwrap(),
    ];
    let configured = |policy: &str| {
        format!(
            "apiVersion: regate.dev/v1alpha1\nkind: ServerConfiguration\npolicies:\n  settings:\n  \
             - {{policy: {policy}, enforcement: dryrun}}\n"
        )
    };
    let started = |policy: &str| {
        let process = Process::start(&[("regate.yaml", &configured(policy))], &arguments);
        assert_eq!(process.probe("/readyz").0, 200);
        process
    };
    assert_eq!(findings(&started("validate/privileged")), [""; 0]);
    let told = findings(&started("validate/privilegd"));
    assert_eq!(
        told,
        [
            "policies.settings[0]: no policy is named by `validate/privilegd`: did you mean `validate/privileged`?"
        ]
    );
}
