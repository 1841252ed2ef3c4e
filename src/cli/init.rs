//! `regate init`: a folder to begin with: one policy with all that belongs to it, and what to do with it next.
//!
//! The files are those of `init/`, as they are but for one date. Always holds: nothing that is there is overwritten,
//! and where anything is, nothing is written. Tests run what is written, in Regate and in OPA.

use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, bail};
use time::{Duration, OffsetDateTime};

use super::Global;

/// Writes a policy with its test, suite, data, sample reviews and a script for CI, to begin with
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Directory to write to
    #[arg(value_name = "DIR")]
    pub directory: PathBuf,
}

/// A file to write.
struct Template {
    path: &'static str,
    text: &'static str,
    mode: u32,
}

const fn text(path: &'static str, text: &'static str) -> Template {
    Template {
        path,
        text,
        mode: 0o666,
    }
}

const TEMPLATES: [Template; 7] = [
    text("policies/validate/owner.rego", include_str!("init/owner.rego")),
    text(
        "policies/validate/owner_test.rego",
        include_str!("init/owner_test.rego"),
    ),
    text(
        "policies/validate/owner_suite.yaml",
        include_str!("init/owner_suite.yaml"),
    ),
    text("policies/teams/data.json", include_str!("init/teams.json")),
    text("reviews/allowed.yaml", include_str!("init/allowed.yaml")),
    text("reviews/denied.json", include_str!("init/denied.json")),
    Template {
        path: "ci.sh",
        text: include_str!("init/ci.sh"),
        mode: 0o777,
    },
];

/// Stands in a template for a date some time from now.
const UNTIL: &str = "@UNTIL@";
/// How long the exception of the sample policy lasts: long enough to look at, and not for ever.
const DAYS: i64 = 90;

/// Runs the command.
pub fn run(args: Args, _: Global) -> anyhow::Result<ExitCode> {
    let directory = args.directory;
    let paths = TEMPLATES.map(|template| (directory.join(template.path), template));
    let there: Vec<String> = paths
        .iter()
        .filter(|(path, _)| path.symlink_metadata().is_ok())
        .map(|(path, _)| path.display().to_string())
        .collect();
    if !there.is_empty() {
        bail!("nothing is written, because this is there: {}", there.join(", "));
    }
    let until = (OffsetDateTime::now_utc() + Duration::days(DAYS))
        .date()
        .to_string();
    let mut out = std::io::stdout().lock();
    for (path, template) in &paths {
        create(path, template, &until).with_context(|| path.display().to_string())?;
        writeln!(out, "{}", path.display())?;
    }
    let at = |path: &str| quoted(&directory.join(path));
    let (policies, allowed) = (at("policies"), at("reviews/allowed.yaml"));
    writeln!(
        out,
        "next:\n  regate check {policies}\n  regate test {policies}\n  regate review --policy {policies} {allowed}\n  \
         regate serve --policy {policies}"
    )?;
    Ok(ExitCode::SUCCESS)
}

fn create(path: &Path, template: &Template, until: &str) -> std::io::Result<()> {
    if let Some(parent) = path.parent() {
        std::fs::create_dir_all(parent)?;
    }
    let mut options = OpenOptions::new();
    // What somebody put there in the meantime stays.
    let mut file = options
        .write(true)
        .create_new(true)
        .mode(template.mode)
        .open(path)?;
    file.write_all(template.text.replace(UNTIL, until).as_bytes())
}

/// A path as a shell reads it.
fn quoted(path: &Path) -> String {
    let text = path.display().to_string();
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-".contains(c);
    if text.chars().all(plain) {
        text
    } else {
        format!("'{}'", text.replace('\'', r"'\''"))
    }
}
