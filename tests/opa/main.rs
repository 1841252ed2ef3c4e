//! The policies of the repository under the real OPA: its strict check, and their own `*_test.rego` tests. And
//! modules that the engine by itself decides otherwise, and our builtins, in both; and the script that `regate init`
//! writes, which asks OPA for the same.
//!
//! `cargo test --test opa` runs it. OPA is found or built as the programs of the end-to-end tests are; where neither is
//! possible the tests are reported as ignored, or as failed with `REGATE_E2E=require`.

mod accepted;
mod annotations;
#[expect(
    dead_code,
    reason = "only OPA is run here; the end-to-end tests run the other programs"
)]
#[path = "../e2e/binaries.rs"]
mod binaries;
mod builtins;
mod capabilities;
mod cases;
mod certificates;
mod checked;
mod conformance;
mod drawn;
mod expressions;
mod library;
mod networks;
mod outgoing;
mod pairs;
#[expect(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    dead_code,
    reason = "shared with tests that need more of it, and end where they cannot go on"
)]
#[path = "../it/peer.rs"]
mod peer;
#[expect(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    dead_code,
    reason = "shared with tests that need more of it, and end where they cannot go on"
)]
#[path = "../it/pki.rs"]
mod pki;
mod same;
mod tokens;

use std::collections::BTreeSet;
use std::env;
use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, ExitCode, Output};
use std::sync::LazyLock;

use anyhow::{Context, Result, ensure};
use libtest_mimic::{Arguments, Failed, Trial};
use serde_json::Value;
use tempfile::NamedTempFile;

const POLICIES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/policies");

/// Fewer tests than this mean that OPA did not find them.
const AT_LEAST: usize = 360;

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let is_required = env::var_os("REGATE_E2E").is_some_and(|value| value == "require");
    let ignored = binaries::OPA.unavailable().filter(|_| !is_required);
    if let Some(reason) = ignored.as_ref().filter(|_| !arguments.list) {
        say(&format!("the tests in OPA are ignored: {reason}"));
    }
    let no_cases = conformance::unavailable().filter(|_| !is_required);
    let trials: Vec<Trial> = [
        trial("the_policies_pass_the_strict_check", strict_check),
        trial("the_tests_of_the_policies_pass", policy_tests),
        trial("every_policy_has_a_test", tested_packages),
        trial("what_the_engine_reads_otherwise_is_decided_as_in_opa", same::same),
        trial(
            "pairs_of_policy_and_input_come_to_the_same_as_in_opa",
            pairs::same,
        ),
        trial("the_tests_reach_every_line_of_the_policies", coverage),
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
        trial("two_globs_meet_where_they_do_in_opa", builtins::meeting_globs),
        trial("uris_are_taken_apart_as_in_opa", builtins::uris),
        trial("builtins_answer_as_opa_does", builtins::expressions),
        trial(
            "what_metadata_says_of_rules_and_packages_is_what_opa_says",
            annotations::annotations,
        ),
        trial("tokens_are_verified_as_in_opa", tokens::tokens),
        trial("certificates_are_read_as_in_opa", certificates::read),
        trial(
            "requests_for_certificates_are_read_as_in_opa",
            certificates::requests,
        ),
        trial(
            "chains_of_certificates_are_verified_as_in_opa",
            certificates::verified,
        ),
        trial("networks_are_compared_and_merged_as_in_opa", networks::networks),
        trial("http_send_asks_and_answers_as_in_opa", outgoing::answers),
        trial("digests_are_those_of_opa", tokens::digests),
        trial("builtins_answer_as_opa_does_on_drawn_operands", drawn::calls),
        trial(
            "builtins_are_declared_as_opa_declares_them",
            capabilities::declarations,
        ),
        trial(
            "opa_told_of_the_capabilities_accepts_the_builtins_that_loading_accepts",
            capabilities::accepted,
        ),
        trial("what_init_writes_passes_its_own_ci_until_it_is_broken", init),
    ]
    .into_iter()
    .map(|trial| trial.with_ignored_flag(ignored.is_some()))
    .chain([trial(
        "what_opa_accepts_has_no_finding_and_what_it_refuses_has_one_or_is_listed",
        checked::beside_opa,
    )
    .with_ignored_flag(ignored.is_some() || no_cases.is_some())])
    .chain([trial(
        "nothing_that_opa_compiles_is_refused_by_checks_of_ours",
        accepted::nothing_is_refused,
    )
    .with_ignored_flag(no_cases.is_some())])
    .chain([trial(
        "opas_own_cases_come_to_what_is_wanted_but_for_those_listed",
        conformance::conformance,
    )
    .with_ignored_flag(no_cases.is_some())])
    .chain([trial(
        "the_published_library_for_gatekeeper_passes_its_own_suites",
        library::every_case,
    )
    .with_ignored_flag(library::checkout().is_none())])
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
    let mut found = Vec::new();
    packages(Path::new(POLICIES), &mut found)?;
    ensure!(found.len() >= 44, "only {} packages found", found.len());
    for package in &found {
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

/// Runs the script in a folder as `regate init` leaves it, and again after each thing that it should notice.
fn init() -> Result<()> {
    let desk = tempfile::tempdir()?;
    let regate = Path::new(env!("CARGO_BIN_EXE_regate"));
    std::os::unix::fs::symlink(binaries::OPA.path()?, desk.path().join("opa"))?;
    let site = desk.path().join("site");
    ensure!(
        Command::new(regate)
            .arg("init")
            .arg(&site)
            .output()?
            .status
            .success()
    );
    let path = format!(
        "{}:{}:{}",
        desk.path().display(),
        regate.parent().context("no directory")?.display(),
        env::var("PATH")?
    );
    let ci = || {
        let output = Command::new(site.join("ci.sh")).env("PATH", &path).output();
        output.context("cannot run ci.sh")
    };
    let passed = ci()?;
    ensure!(
        passed.status.success(),
        "{}{}",
        text(&passed.stdout),
        text(&passed.stderr)
    );
    ensure!(
        text(&passed.stdout).contains("PASS: 3/3"),
        "{}",
        text(&passed.stdout)
    );
    for (file, from, to) in [
        ("policies/validate/owner.rego", "deny contains", "denny contains"),
        ("policies/validate/owner.rego", "\tmsg :=", "\t\tmsg :="),
        ("policies/validate/owner.rego", "must name", "has to name"),
        ("reviews/allowed.yaml", "owner: shop", "owner: jane"),
        ("reviews/denied.json", r#""owner": "jane""#, r#""owner": "shop""#),
    ] {
        let whole = fs::read_to_string(site.join(file))?;
        ensure!(whole.contains(from), "{file} has no {from}");
        fs::write(site.join(file), whole.replace(from, to))?;
        ensure!(
            !ci()?.status.success(),
            "{file} with {to} for {from} is not noticed"
        );
        fs::write(site.join(file), whole)?;
    }
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

/// What OPA is told of the builtins that only Regate has, so that it can mock them.
static CAPABILITIES: LazyLock<Result<NamedTempFile, String>> = LazyLock::new(|| {
    let write = || -> Result<NamedTempFile> {
        let mut file = NamedTempFile::new()?;
        let printed = Command::new(env!("CARGO_BIN_EXE_regate"))
            .arg("capabilities")
            .output()?;
        ensure!(printed.status.success(), "{}", text(&printed.stderr));
        file.write_all(&printed.stdout)?;
        Ok(file)
    };
    write().map_err(|error| format!("{error:#}"))
});

/// Runs OPA over the policies and wants exit code 0.
fn opa(arguments: &[&str]) -> Result<Output> {
    let capabilities = CAPABILITIES.as_ref().map_err(anyhow::Error::msg)?.path();
    let is_asked = arguments.first() != Some(&"fmt");
    let output = Command::new(binaries::OPA.path()?)
        .args(arguments)
        .args(is_asked.then_some("--capabilities"))
        .args(is_asked.then_some(capabilities))
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
