//! `regate check`: says all that is wrong with policies, as loading them would.

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use serde_json::{Value, json};

use super::{Global, Output};
use crate::policy::files::Files;
use crate::policy::load::load;
use crate::policy::{Finding, Policy, PolicySet};

/// Says all that is wrong with policies, as loading them would
///
/// Ends with 0 if nothing is, 1 for findings, 2 for what cannot be read. Warnings, as of an exception that has ended,
/// change nothing in that.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Policies to check, besides those of --policy [default: ./policies]
    pub paths: Vec<PathBuf>,
    /// Form of what is printed: `file:line:column: message`, or an object with `findings` and `warnings`
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
            for warning in &set.warnings {
                writeln!(out, "warning: {warning}")?;
            }
            writeln!(
                out,
                "{} policies, nothing found, revision {}",
                set.policies().len(),
                set.revision
            )?;
        }
        (Ok(set), Output::Json) => writeln!(out, "{:#}", report(set))?,
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

/// What there is to say of policies that nothing is wrong with.
fn report(set: &PolicySet) -> Value {
    let policy = |policy: &Policy| {
        json!({
            "gate": policy.gate.as_str(),
            "name": policy.name,
            "enforcement": policy.enforcement.as_str(),
        })
    };
    json!({
        "findings": [],
        "warnings": set.warnings.iter().map(object).collect::<Vec<_>>(),
        "revision": set.revision,
        "policies": set.policies().iter().map(policy).collect::<Vec<_>>(),
    })
}

fn object(finding: &Finding) -> Value {
    let Finding {
        file,
        line,
        column,
        message,
    } = finding;
    json!({ "file": file, "line": line, "column": column, "message": message })
}
