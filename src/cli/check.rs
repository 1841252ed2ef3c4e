//! `regate check`: says all that is wrong with policies, as loading them would.

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use serde_json::json;

use super::{Global, Output};
use crate::policy::Finding;
use crate::policy::files::Files;
use crate::policy::load::load;

/// Says all that is wrong with policies, as loading them would
///
/// Ends with 0 if nothing is, 1 for findings, 2 for what cannot be read.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Policies to check, besides those of --policy [default: ./policies]
    pub paths: Vec<PathBuf>,
    /// Form of what is printed: `file:line:column: message`, or an object with `findings`
    #[arg(
        short,
        long,
        env = "REGATE_OUTPUT",
        value_name = "text|json",
        default_value = "text"
    )]
    pub output: Output,
}

/// Runs the command.
pub fn run(args: Args, global: Global) -> anyhow::Result<ExitCode> {
    let sources = super::offline_sources(&global.resolve()?.config.policies, args.paths);
    let (unreadable, loaded) = match Files::read(&sources) {
        Ok(files) => (false, load(&files)),
        Err(findings) => (true, Err(findings)),
    };
    let mut out = std::io::stdout().lock();
    match (&loaded, args.output) {
        (Ok(set), Output::Text) => {
            writeln!(
                out,
                "{} policies, nothing found, revision {}",
                set.policies().len(),
                set.revision
            )?;
        }
        (Ok(set), Output::Json) => {
            let policies: Vec<_> = set
                .policies()
                .iter()
                .map(|policy| json!({ "gate": policy.gate.as_str(), "name": policy.name }))
                .collect();
            let report = json!({ "findings": [], "revision": set.revision, "policies": policies });
            writeln!(out, "{report:#}")?;
        }
        (Err(findings), Output::Text) => {
            for finding in findings {
                writeln!(out, "{finding}")?;
            }
        }
        (Err(findings), Output::Json) => {
            writeln!(
                out,
                "{:#}",
                json!({ "findings": findings.iter().map(object).collect::<Vec<_>>() })
            )?;
        }
    }
    Ok(match loaded {
        Ok(_) => ExitCode::SUCCESS,
        Err(_) => ExitCode::from(if unreadable { 2 } else { 1 }),
    })
}

fn object(finding: &Finding) -> serde_json::Value {
    let Finding {
        file,
        line,
        column,
        message,
    } = finding;
    json!({ "file": file, "line": line, "column": column, "message": message })
}
