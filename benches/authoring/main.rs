//! What `regate check` and `regate test` take on five hundred policies, beside `opa check` and `opa test` on the same files.
//!
//! `cargo bench --bench authoring`. Each command runs on one core, several times, in turns; told is the CPU time of the best
//! run, which other work on the machine disturbs least. Where there is no OPA, only Regate is measured.

#[expect(dead_code, reason = "only OPA is run here")]
#[path = "../../tests/e2e/binaries.rs"]
mod binaries;
mod policies;

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};

/// How often each command runs.
const RUNS: usize = 5;

fn main() -> Result<()> {
    let desk = tempfile::tempdir()?;
    policies::write(desk.path())?;
    let regate = env!("CARGO_BIN_EXE_regate").to_owned();
    let mut programs = vec![("regate", regate)];
    if binaries::OPA.unavailable().is_none() {
        programs.push(("opa", binaries::OPA.path()?.display().to_string()));
    }
    let mut best = Vec::new();
    for command in ["check", "test"] {
        for (name, program) in &programs {
            best.push((
                format!("{name} {command}"),
                vec![program.as_str(), command, "policies"],
                f64::MAX,
            ));
        }
    }
    for _ in 0..RUNS {
        for (_, words, seconds) in &mut best {
            *seconds = seconds.min(cpu_seconds(desk.path(), words)?);
        }
    }
    let mut out = std::io::stdout();
    writeln!(
        out,
        "{} policies, CPU seconds of the best of {RUNS} runs",
        policies::COUNT
    )?;
    for (name, _, seconds) in best {
        writeln!(out, "{name:14} {seconds:.2}")?;
    }
    Ok(())
}

/// The CPU time that a command takes on one core, as the shell counts it.
fn cpu_seconds(directory: &Path, words: &[&str]) -> Result<f64> {
    let output = Command::new("bash")
        .args([
            "-c",
            "TIMEFORMAT='%U %S'; time taskset -c 0 \"$@\" > out.txt",
            "bash",
        ])
        .args(words)
        .current_dir(directory)
        // With it every error that the engine passes over would have its backtrace taken.
        .env_remove("RUST_BACKTRACE")
        .stdin(Stdio::null())
        .output()
        .context("bash")?;
    let told = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{words:?}: {told}");
    let last = told.lines().last().context("no time is told")?;
    let parts: Option<Vec<f64>> = last.split_whitespace().map(|part| part.parse().ok()).collect();
    let parts = parts.with_context(|| format!("no time: {last}"))?;
    Ok(parts.iter().sum())
}
