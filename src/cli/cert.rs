//! `regate cert`: makes a development authority and its certificates.

use std::process::ExitCode;

use super::Global;

/// Makes a development authority and its certificates.
#[derive(Debug, clap::Args)]
pub struct Args {}

/// Runs the command.
pub fn run(args: Args, global: Global) -> anyhow::Result<ExitCode> {
    let _ = (args, global);
    anyhow::bail!("not built yet")
}
