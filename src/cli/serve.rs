//! `regate serve`: serves the gates.

use std::process::ExitCode;

use super::Global;

/// Serves the gates.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The settings of a server.
    #[command(flatten)]
    pub settings: super::ServerFlags,
}

/// Runs the command.
pub fn run(args: Args, global: Global) -> anyhow::Result<ExitCode> {
    let _ = (args, global);
    anyhow::bail!("not built yet")
}
