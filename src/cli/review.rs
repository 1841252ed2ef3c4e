//! `regate review`: decides reviews from files, without a server.

use std::process::ExitCode;

use super::Global;

/// Decides reviews from files, without a server.
#[derive(Debug, clap::Args)]
pub struct Args {}

/// Runs the command.
pub fn run(args: Args, global: Global) -> anyhow::Result<ExitCode> {
    let _ = (args, global);
    anyhow::bail!("not built yet")
}
