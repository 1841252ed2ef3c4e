//! `regate check`: checks policies, as loading them would.

use std::process::ExitCode;

use super::Global;

/// Checks policies, as loading them would.
#[derive(Debug, clap::Args)]
pub struct Args {}

/// Runs the command.
pub fn run(args: Args, global: Global) -> anyhow::Result<ExitCode> {
    let _ = (args, global);
    anyhow::bail!("not built yet")
}
