//! Gatekeeper's suites as cases: each object of a suite is one, and each constraint that is expected to be refused.
//!
//! Their templates, constraints and samples are theirs, as they are where Gatekeeper's own command runs them: each case has
//! what it names and nothing else. Always holds: where a suite of Regate's asks the policies that a server would load,
//! nothing is left out of them.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use super::Named;
use super::case::{Case, Failure, Place, Tried, Work};
use super::suite::MAX_BYTES;
use crate::policy::Finding;
use crate::policy::files::Files;
use crate::policy::suites::{Entry, Suite, Verdict};
use crate::watch;

/// Gatekeeper's suites among the files of a run.
pub(super) struct Suites {
    suites: Vec<Suite>,
    /// What belongs to them: their folders, and what they name elsewhere.
    own: BTreeSet<PathBuf>,
}

impl Suites {
    /// Reads them. Notes the files that they name.
    ///
    /// # Errors
    /// Everything that is wrong with them.
    pub(super) fn read(paths: &[PathBuf], named: &mut Named) -> Result<Self, Vec<Finding>> {
        let (mut suites, mut own, mut findings) = (Vec::new(), BTreeSet::new(), Vec::new());
        for path in paths {
            match Suite::read(path, &mut own) {
                Ok(read) => suites.extend(read),
                Err(wrong) => findings.extend(wrong),
            }
        }
        named.extend(
            own.iter()
                .map(|path| (path.clone(), watch::read(path, MAX_BYTES))),
        );
        if !findings.is_empty() {
            return Err(findings);
        }
        own.extend(paths.iter().filter_map(|path| path.parent()).map(Path::to_owned));
        let own = own.iter().map(|path| real(path)).collect();
        Ok(Self { suites, own })
    }

    /// The files of the run, without the templates and constraints that are the suites' own.
    pub(super) fn set_apart<'f>(&self, files: &'f Files) -> Cow<'f, Files> {
        let mut files = Cow::Borrowed(files);
        if !self.suites.is_empty() && files.suites.is_empty() {
            let is_own = |path: &str| {
                real(Path::new(path))
                    .ancestors()
                    .any(|path| self.own.contains(path))
            };
            files.to_mut().manifests.retain(|file| !is_own(&file.path));
        }
        files
    }

    /// Their cases, in the order of the files.
    pub(super) fn into_cases(self) -> impl Iterator<Item = Case> {
        self.suites.into_iter().flat_map(cases)
    }
}

/// The one path of a file, however it was named.
fn real(path: &Path) -> PathBuf {
    let path = if path.as_os_str().is_empty() {
        Path::new(".")
    } else {
        path
    };
    fs::canonicalize(path).unwrap_or_else(|_| path.to_owned())
}

fn cases(suite: Suite) -> Vec<Case> {
    let suite = Arc::new(suite);
    let file = suite.path().display().to_string();
    let entries = suite.entries().into_iter();
    let case = |entry: Entry| {
        let place = Place {
            file: file.clone(),
            line: entry.line.unwrap_or(1),
        };
        let name = entry.name.clone();
        let is_skipped = entry.is_skipped;
        let (suite, at) = (Arc::clone(&suite), place.clone());
        let work: Work = Box::new(move |deadline| run(&suite, &entry, &at, deadline));
        Case {
            group: file.clone(),
            label: name.clone(),
            name,
            place,
            work: (!is_skipped).then_some(work),
        }
    };
    entries.map(case).collect()
}

fn run(suite: &Suite, entry: &Entry, place: &Place, deadline: Instant) -> Tried {
    let started = Instant::now();
    let time = deadline.saturating_duration_since(started);
    let failure = match suite.run(entry, time) {
        Verdict::Passed | Verdict::Skipped => None,
        Verdict::Failed(why) => Some(Failure {
            is_error: false,
            place: place.clone(),
            text: why.join("\n"),
        }),
    };
    Tried {
        failure,
        took: started.elapsed(),
        ..Tried::default()
    }
}
