//! The starter policies under the real OPA: its strict check, and their own `*_test.rego` tests. Regate's own builtins
//! beside OPA's.
//!
//! `cargo test --test opa` runs it. OPA is found or built as the programs of the end-to-end tests are; where neither is
//! possible the tests are reported as ignored, or as failed with `REGATE_E2E=require`.

#[expect(
    dead_code,
    reason = "only OPA is run here; the end-to-end tests run the other programs"
)]
#[path = "../e2e/binaries.rs"]
mod binaries;
mod builtins;
mod cases;

use std::collections::BTreeSet;
use std::env;
use std::fs;
use std::path::Path;
use std::process::{Command, ExitCode, Output};

use anyhow::{Context, Result, ensure};
use libtest_mimic::{Arguments, Failed, Trial};
use serde_json::Value;

const POLICIES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/policies");

/// Fewer tests than this mean that OPA did not find them.
const AT_LEAST: usize = 120;

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let ignored = binaries::OPA
        .unavailable()
        .filter(|_| env::var_os("REGATE_E2E").is_none_or(|value| value != "require"));
    if let Some(reason) = ignored.as_ref().filter(|_| !arguments.list) {
        say(&format!("the tests in OPA are ignored: {reason}"));
    }
    let trials: Vec<Trial> = [
        trial("the_starter_policies_pass_the_strict_check", strict_check),
        trial("the_tests_of_the_starter_policies_pass", policy_tests),
        trial("every_starter_policy_has_a_test", tested_packages),
        trial("the_tests_reach_every_line_of_the_starter_policies", coverage),
        trial(
            "sprintf_prints_every_verb_with_every_flag_as_opa_does",
            builtins::every_verb_and_flag,
        ),
        trial(
            "sprintf_reads_directives_of_any_shape_as_opa_does",
            builtins::directives_of_any_shape,
        ),
        trial("patterns_match_as_in_opa", builtins::patterns),
        trial("globs_match_as_in_opa", builtins::globs),
        trial("builtins_answer_as_opa_does", builtins::expressions),
    ]
    .into_iter()
    .map(|trial| trial.with_ignored_flag(ignored.is_some()))
    .collect();
    libtest_mimic::run(&arguments, trials).exit_code()
}

fn trial(name: &'static str, test: fn() -> Result<()>) -> Trial {
    Trial::test(name, move || {
        test().map_err(|error| Failed::from(format!("{error:#}")))
    })
}

fn strict_check() -> Result<()> {
    opa(&["check", "--strict"])?;
    let unformatted = opa(&["fmt", "--list"])?;
    ensure!(
        unformatted.stdout.is_empty(),
        "not formatted: {}",
        text(&unformatted.stdout)
    );
    Ok(())
}

fn policy_tests() -> Result<()> {
    let results = results()?;
    ensure!(results.len() >= AT_LEAST, "only {} tests ran", results.len());
    for result in &results {
        ensure!(
            ["fail", "skip", "error"]
                .iter()
                .all(|outcome| result.get(outcome).is_none()),
            "{result}"
        );
    }
    Ok(())
}

fn tested_packages() -> Result<()> {
    let results = results()?;
    let tested: BTreeSet<&str> = results
        .iter()
        .filter_map(|result| result.get("package")?.as_str()?.strip_suffix("_test"))
        .collect();
    let mut starters = Vec::new();
    packages(Path::new(POLICIES), &mut starters)?;
    ensure!(starters.len() >= 12, "only {} packages found", starters.len());
    for package in &starters {
        ensure!(
            tested.contains(format!("data.{package}").as_str()),
            "{package} has no test"
        );
    }
    Ok(())
}

fn coverage() -> Result<()> {
    let output = opa(&["test", "--coverage"])?;
    let report: Value = serde_json::from_slice(&output.stdout).context("the coverage is no JSON")?;
    let covered = report
        .get("coverage")
        .and_then(Value::as_f64)
        .context("no coverage is reported")?;
    ensure!(covered >= 99.0, "the tests cover {covered} % of the policies");
    Ok(())
}

/// The outcome of every `test_` rule.
fn results() -> Result<Vec<Value>> {
    let output = opa(&["test", "--fail-on-empty", "--format", "json"])?;
    serde_json::from_slice(&output.stdout).context("the results are no JSON")
}

/// The packages of all policies and libraries in `directory`, without those of tests.
fn packages(directory: &Path, found: &mut Vec<String>) -> Result<()> {
    for entry in fs::read_dir(directory).with_context(|| format!("cannot read {}", directory.display()))? {
        let path = entry?.path();
        let name = path.to_string_lossy();
        if path.is_dir() {
            packages(&path, found)?;
        } else if name.ends_with(".rego") && !name.ends_with("_test.rego") {
            let source = fs::read_to_string(&path)?;
            let package = source.lines().find_map(|line| line.strip_prefix("package "));
            found.push(
                package
                    .with_context(|| format!("{name} has no package"))?
                    .to_owned(),
            );
        }
    }
    Ok(())
}

/// Runs OPA over the starter policies and wants exit code 0.
fn opa(arguments: &[&str]) -> Result<Output> {
    let output = Command::new(binaries::OPA.path()?)
        .args(arguments)
        .arg(POLICIES)
        .output()
        .context("cannot run opa")?;
    ensure!(
        output.status.success(),
        "opa {} ended with {}:\n{}{}",
        arguments.join(" "),
        output.status,
        text(&output.stdout),
        text(&output.stderr)
    );
    Ok(output)
}

fn text(bytes: &[u8]) -> std::borrow::Cow<'_, str> {
    String::from_utf8_lossy(bytes)
}

#[expect(
    clippy::print_stderr,
    reason = "whoever started the tests sees why nothing ran"
)]
fn say(line: &str) {
    eprintln!("regate tests: {line}");
}
