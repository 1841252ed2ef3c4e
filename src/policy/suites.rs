//! Gatekeeper's own test format: `Suite` files, in which objects are put to one template and one constraint at a time.
//!
//! Used by `regate test` and never by a server. A case is decided by the same loading, selection and evaluation as a
//! review; its assertions are about the violations themselves, whatever the constraint's `enforcementAction`. Always
//! holds: what cannot be read, or names what is not there, fails; only what the suite itself skips is skipped.

mod case;
mod read;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::finding::{Finding, Id};
use super::metadata::Node;
use crate::watch;
use read::Test;

/// What only files have that hold a suite.
const MARK: &[u8] = b"test.gatekeeper.sh/";

/// The size that a file of a suite may have.
const MAX_BYTES: u64 = 4 * 1024 * 1024;

/// One suite, read.
#[derive(Debug)]
pub struct Suite {
    path: PathBuf,
    skip: bool,
    tests: Vec<Test>,
}

/// A case, or a test without cases.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// `test/case`, or `test`.
    pub name: String,
    /// The line of the suite that it begins at.
    pub line: Option<u32>,
    /// Whether the suite says not to run it.
    pub is_skipped: bool,
}

/// What became of a case, or of a test as a whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tried {
    /// The test's name.
    pub test: String,
    /// The case's name; `None` for a test that is about its constraint alone, or whose cases could not be run.
    pub case: Option<String>,
    /// The line of the suite that it begins at.
    pub line: Option<u32>,
    /// What became of it.
    pub verdict: Verdict,
}

/// What became of a case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// All assertions hold.
    Passed,
    /// The suite says not to run it.
    Skipped,
    /// Why it failed, one line each.
    Failed(Vec<String>),
}

/// Whether a file may hold suites.
pub fn is_suite(bytes: &[u8]) -> bool {
    bytes.windows(MARK.len()).any(|part| part == MARK)
}

impl Suite {
    /// Reads the suites of a file; none where it has none.
    ///
    /// # Errors
    /// What is wrong with them, all at once.
    pub fn read(path: &Path) -> Result<Vec<Self>, Vec<Finding>> {
        let named = path.display().to_string();
        let finding = |id, message: String| vec![Finding::new(id, message).in_file(&named)];
        let text = text(path).map_err(|message| finding(Id::Unreadable, message))?;
        let documents = Node::parse_all(&text).map_err(|(at, message)| {
            let finding = Finding::new(Id::Gatekeeper, format!("is no YAML: {message}")).in_file(&named);
            vec![at.map_or(finding.clone(), |at| finding.at(at))]
        })?;
        let mut findings = Vec::new();
        let is_suite = |document: &&Node| {
            let version = document.get("apiVersion").and_then(Node::as_text);
            version.is_some_and(|version| version.as_bytes().starts_with(MARK))
        };
        let suites = documents.iter().filter(is_suite);
        let suites: Vec<Suite> = suites
            .map(|node| read::suite(path, node, &mut findings))
            .collect();
        if findings.is_empty() {
            Ok(suites)
        } else {
            Err(findings)
        }
    }

    /// The file that it was read from.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What can be run, one by one: each case, and each test that is about its constraint alone.
    pub fn entries(&self) -> Vec<Entry> {
        let entry = |test: &Test, case: Option<&read::Case>| Entry {
            name: case.map_or_else(
                || test.name.clone(),
                |case| format!("{}/{}", test.name, case.name),
            ),
            line: case.map_or(test.at, |case| case.at).map(|at| at.line),
            is_skipped: self.skip || test.skip || case.is_some_and(|case| case.skip),
        };
        let entries = self
            .tests
            .iter()
            .flat_map(|test| match test.invalid || test.cases.is_empty() {
                true => vec![entry(test, None)],
                false => test.cases.iter().map(|case| entry(test, Some(case))).collect(),
            });
        entries.collect()
    }

    /// Runs what `wanted` wants, by its name as in [`entries`](Self::entries), or whole tests; what it does not want is left out.
    /// Each case may take so much time.
    pub fn run(&self, wanted: &dyn Fn(&str) -> bool, time: Duration) -> Vec<Tried> {
        let tests = self.tests.iter();
        tests
            .flat_map(|test| case::run(&self.path, test, self.skip, wanted, time))
            .collect()
    }
}

/// The text of a file.
fn text(path: &Path) -> Result<String, String> {
    let bytes = watch::read(path, MAX_BYTES)?;
    String::from_utf8(bytes).map_err(|_| "is not UTF-8".to_owned())
}
