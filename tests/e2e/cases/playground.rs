//! The playground, started as a newcomer starts it: what it prints can be typed, and Ctrl-C leaves nothing behind.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result};
use tempfile::TempDir;

use crate::process::{Process, signal, without_proxy};
use crate::stage::{PROGRAM, Stage};

super::cases![what_the_playground_prints_can_be_tried_and_ctrl_c_ends_it_all];

/// Building the example may be part of its start.
const START: Duration = Duration::from_secs(600);

/// How long its end may take: three processes, one after the other.
const END: Duration = Duration::from_secs(60);

/// What stands before the path of Regate's log.
const LOG: &str = "Regate's log, a line for each decision: ";

/// What each printed command shows: its exit code and a part of what it prints.
const SHOWN: [(i32, &str); 6] = [
    (0, "jane"),
    (1, "You must be logged in to the server (Unauthorized)"),
    (
        1,
        "[exec_kube_system] exec into pods of kube-system is not allowed",
    ),
    (1, "is not from a trusted registry"),
    (0, "seccompProfile:"),
    (1, "[missing_limits] container \"nginx\" has no cpu limit"),
];

fn what_the_playground_prints_can_be_tried_and_ctrl_c_ends_it_all(_: &Stage) -> Result<()> {
    let (own, log) = (TempDir::with_prefix("regate-")?, TempDir::with_prefix("regate-")?);
    let mut playground = Process::start("playground", &mut cargo_run(own.path())?, &log.path().join("log"))?;
    let log_file = playground.log_file().to_owned();
    playground.wait_ready(START, || {
        fs::read_to_string(&log_file).is_ok_and(|log| log.contains("Ctrl-C ends"))
    })?;
    let printed = playground.log();
    let line = |start: &str| printed.lines().find(|line| line.starts_with(start));
    let export = line("export KUBECONFIG=").context("no export is printed")?;
    let commands: Vec<&str> = printed
        .lines()
        .filter_map(|line| line.strip_prefix("  kubectl "))
        .collect();
    assert_eq!(commands.len(), SHOWN.len(), "{printed}");
    let run = |command: &str| -> Result<(Option<i32>, String)> {
        let script = format!("{export}\nkubectl {command}");
        let output = without_proxy(&mut Command::new("sh"))
            .args(["-c", &script])
            .env("HOME", log.path())
            .output()?;
        let shown = [output.stdout, output.stderr].map(|text| String::from_utf8_lossy(&text).into_owned());
        Ok((output.status.code(), shown.concat()))
    };
    for (command, (wanted, part)) in commands.iter().zip(SHOWN) {
        let (code, shown) = run(command)?;
        assert_eq!(code, Some(wanted), "{command}:\n{shown}");
        assert!(shown.contains(part), "{command}:\n{shown}");
    }
    let regate_log = line(LOG).context("no log is printed")?.trim_start_matches(LOG);
    assert_a_line_for_each_decision(&fs::read_to_string(regate_log)?);
    let policies = printed
        .lines()
        .skip_while(|line| !line.starts_with("Then edit"))
        .nth(1)
        .context("no policies are printed")?;
    let limits = Path::new(policies.trim()).join("validate/missing_limits.rego");
    let edited = fs::read_to_string(&limits)?.replace("has no %s limit", "needs a %s limit");
    fs::write(&limits, edited)?;
    let last = commands.last().context("no command is printed")?;
    super::soon("the edited policy counts", || {
        Ok(run(last)?
            .1
            .contains("[missing_limits] container \"nginx\" needs a cpu limit"))
    })?;
    assert!(
        processes_of(own.path())? >= 3,
        "etcd, kube-apiserver and Regate run below {:?}",
        own.path()
    );
    signal(playground.id(), "INT")?;
    let status = playground.wait_end(END)?;
    assert!(status.success(), "{status}:\n{}", playground.log_tail());
    assert_eq!(processes_of(own.path())?, 0, "a process is left");
    assert_eq!(fs::read_dir(own.path())?.count(), 0, "files are left");
    Ok(())
}

/// What the first run of the commands left in the log: who was let in is there as well as who was not.
fn assert_a_line_for_each_decision(log: &str) {
    for (gate, decision) in [
        ("authn", "allow"),
        ("authn", "deny"),
        ("authz", "no_opinion"),
        ("authz", "deny"),
        ("image", "allow"),
        ("image", "deny"),
        ("mutate", "allow"),
        ("validate", "allow"),
        ("validate", "deny"),
    ] {
        let told = |line: &str| {
            line.contains(&format!("gate=\"{gate}\"")) && line.contains(&format!("decision=\"{decision}\""))
        };
        assert!(log.lines().any(told), "{gate} {decision}:\n{log}");
    }
}

/// `cargo run --example playground`, with the directories of this build, so that nothing is built twice. All that the
/// playground writes goes to `own`.
fn cargo_run(own: &Path) -> Result<Command> {
    let profile_directory = Path::new(PROGRAM)
        .parent()
        .context("the binary has a directory")?;
    let target = profile_directory
        .parent()
        .context("the profile has a directory")?;
    let profile = profile_directory
        .file_name()
        .and_then(|name| name.to_str())
        .context("a profile has a name")?;
    let mut command = Command::new(env!("CARGO"));
    command
        .args(["run", "--example", "playground"])
        .args(["--profile", if profile == "debug" { "dev" } else { profile }])
        .arg("--target-dir")
        .arg(target)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .env("TMPDIR", own);
    Ok(command)
}

/// How many processes have the directory in their command line.
fn processes_of(directory: &Path) -> Result<usize> {
    let directory = directory.to_str().context("a path is not UTF-8")?;
    let processes = fs::read_dir("/proc").context("the system has no /proc")?;
    let lines = processes.filter_map(|entry| fs::read(entry.ok()?.path().join("cmdline")).ok());
    Ok(lines
        .filter(|line| String::from_utf8_lossy(line).contains(directory))
        .count())
}
