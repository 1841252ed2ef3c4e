//! `regate check`: says all that is wrong with policies, as loading them would.

use std::io::{IsTerminal, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use serde_json::{Value, json};

use super::Global;
use crate::policy::files::Files;
use crate::policy::finding::Id;
use crate::policy::load::{self, Strictness};
use crate::policy::{Finding, Policy, PolicySet};

/// Says all that is wrong with policies, as loading them would
///
/// Ends with 0 if nothing is, 1 for findings, 2 for what cannot be read or is not there. Warnings, as of an exception
/// that has ended, change nothing in that.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Policies to check, besides those of --policy [default: ./policies]
    pub paths: Vec<PathBuf>,
    /// Form of what is printed: `file:line:column: message`; with the line, a hint and a page; or an object with
    /// `findings` and `warnings` [default: long at a terminal, else text]
    #[arg(short, long, env = "REGATE_OUTPUT", value_name = "text|long|json")]
    pub output: Option<Form>,
    /// Refuse what OPA's strict mode refuses, too, as unused variables, arguments and imports; in tests, too
    #[arg(long, env = "REGATE_STRICT")]
    pub strict: bool,
}

/// Form of what is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Form {
    /// A line for each finding.
    Text,
    /// Each finding with the line of its file, a hint and its page.
    Long,
    /// For programs.
    Json,
}

/// Runs the command.
pub fn run(args: Args, global: Global) -> anyhow::Result<ExitCode> {
    let policies = global.resolve()?.config.policies;
    let outside = super::outside::without_keys(&policies)?;
    let sources = super::offline_sources(&policies, args.paths);
    let strictness = match args.strict {
        true => Strictness::Strict,
        false => Strictness::Served,
    };
    let (unreadable, loaded) = match Files::read(&sources) {
        // Most likely a path with a slip of the pen, which must not look like policies that are well.
        Ok(files) if files.modules.is_empty() && files.manifests.is_empty() => {
            let message = "there is nothing to check: no file of these paths is a policy";
            (true, Err(vec![Finding::new(Id::NoPolicies, message)]))
        }
        Ok(files) => (false, load::check(&files, &outside, strictness)),
        Err(findings) => (true, Err(findings)),
    };
    let mut out = std::io::stdout().lock();
    let form = args.output.unwrap_or(match out.is_terminal() {
        true => Form::Long,
        false => Form::Text,
    });
    let long = form == Form::Long;
    match (&loaded, form) {
        (Ok(set), Form::Text | Form::Long) => {
            match long {
                true => super::write_findings(&mut out, &set.warnings, long)?,
                false => set
                    .warnings
                    .iter()
                    .try_for_each(|warning| writeln!(out, "warning: {warning}"))?,
            }
            writeln!(
                out,
                "{} policies, nothing found, revision {}",
                set.policies().len(),
                set.revision
            )?;
        }
        (Ok(set), Form::Json) => writeln!(out, "{:#}", report(set))?,
        (Err(findings), Form::Text | Form::Long) => super::write_findings(&mut out, findings, long)?,
        (Err(findings), Form::Json) => {
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
        id,
        message,
        hint,
        source: _,
    } = finding;
    json!({
        "id": id,
        "severity": id.severity().as_str(),
        "file": file,
        "line": line,
        "column": column,
        "message": message,
        "hint": hint,
        "page": id.page(),
    })
}
