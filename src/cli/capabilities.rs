//! `regate capabilities`: prints what policies can call, as OPA writes it down.

use std::io::Write;
use std::process::ExitCode;

use super::Global;
use crate::policy::capabilities;

/// Prints the builtins that policies can call, as OPA's capabilities JSON
///
/// `opa check --capabilities FILE`, and what else reads that file, then knows what is here.
#[derive(Debug, clap::Args)]
pub struct Args {}

/// Runs the command.
pub fn run(_: Args, global: Global) -> anyhow::Result<ExitCode> {
    let outside = super::outside::without_keys(&global.resolve()?.config.policies)?;
    let capabilities = capabilities::capabilities(&outside);
    writeln!(std::io::stdout().lock(), "{capabilities:#}")?;
    Ok(ExitCode::SUCCESS)
}
