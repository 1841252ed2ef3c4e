//! The published policy library for Gatekeeper, unchanged: every case of its suites, decided as it says.
//!
//! The library is no Go module and no package of any other registry, so nothing here fetches it: whoever has a checkout
//! names its directory in `REGATE_GATEKEEPER_LIBRARY`, and the test runs.

use std::collections::BTreeSet;
use std::env;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use regate::policy::suites::{Suite, Verdict, is_suite};

/// Fewer cases than this mean that the suites were not found.
const AT_LEAST: usize = 270;

/// Where the library is, if somebody says so.
pub(crate) fn checkout() -> Option<PathBuf> {
    env::var_os("REGATE_GATEKEEPER_LIBRARY").map(PathBuf::from)
}

/// All of them pass.
pub(crate) fn every_case() -> Result<()> {
    let root = checkout().context("no checkout is named")?;
    let mut files = Vec::new();
    suites(&root.join("library"), &mut files)?;
    let (mut ran, mut failed) = (0, Vec::new());
    for file in files {
        let suites = Suite::read(&file, &mut BTreeSet::new())
            .map_err(|findings| anyhow::anyhow!("{}: {findings:?}", file.display()))?;
        for suite in &suites {
            for entry in suite.entries() {
                let verdict = suite.run(&entry, Duration::from_secs(60));
                ran += usize::from(verdict != Verdict::Skipped);
                if let Verdict::Failed(why) = verdict {
                    let why = why.join("; ");
                    failed.push(format!("{}: {}: {why}", file.display(), entry.name));
                }
            }
        }
    }
    ensure!(
        failed.is_empty(),
        "{} of {ran} failed:\n{}",
        failed.len(),
        failed.join("\n")
    );
    ensure!(ran >= AT_LEAST, "only {ran} cases ran");
    Ok(())
}

/// The files below a directory that hold suites.
fn suites(directory: &Path, found: &mut Vec<PathBuf>) -> Result<()> {
    let entries =
        std::fs::read_dir(directory).with_context(|| format!("cannot read {}", directory.display()))?;
    for entry in entries {
        let path = entry?.path();
        if path.is_dir() {
            suites(&path, found)?;
        } else if path.extension().is_some_and(|extension| extension == "yaml")
            && is_suite(&std::fs::read(&path)?)
        {
            found.push(path);
        }
    }
    found.sort();
    Ok(())
}
