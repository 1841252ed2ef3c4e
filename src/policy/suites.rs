//! Gatekeeper's own test format: `Suite` files, in which objects are put to one template and one constraint at a time.
//!
//! Used by `regate test` and never by a server. A case is decided by the same loading, selection and evaluation as a
//! review, of its own template and constraint and of no others; its assertions are about the violations themselves,
//! whatever the constraint's `enforcementAction`. Always holds: what cannot be read, or names what is not there, fails;
//! only what the suite itself skips is skipped.

mod case;
mod read;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::finding::{Finding, Id};
use super::metadata::Node;
use crate::watch;
use read::{Case, Test};

/// What only files have that hold a suite.
const MARK: &[u8] = b"test.gatekeeper.sh/";

/// The size that a file of a suite may have.
const MAX_BYTES: u64 = 4 * 1024 * 1024;

/// What is written for a test or a case without a name.
const UNNAMED: &str = "(unnamed)";

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
    /// `test/case`, or `test`: not always the only one of this name.
    pub name: String,
    /// The line of the suite that it begins at.
    pub line: Option<u32>,
    /// Whether the suite says not to run it.
    pub is_skipped: bool,
    /// Its place among the tests.
    test: usize,
    /// The case's place in its test; `None` for a test that is about its constraint alone.
    case: Option<usize>,
}

/// What became of an entry.
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
    /// Reads the suites of a file; none where it has none. Notes the files that they name, there or not.
    ///
    /// # Errors
    /// What is wrong with them, all at once.
    pub fn read(path: &Path, named: &mut BTreeSet<PathBuf>) -> Result<Vec<Self>, Vec<Finding>> {
        let file = path.display().to_string();
        let finding = |id, message: String| vec![Finding::new(id, message).in_file(&file)];
        let text = text(path).map_err(|message| finding(Id::Unreadable, message))?;
        let documents = Node::parse_all(&text).map_err(|(at, message)| {
            let finding = Finding::new(Id::Gatekeeper, format!("is no YAML: {message}")).in_file(&file);
            vec![at.map_or(finding.clone(), |at| finding.at(at))]
        })?;
        let mut findings = Vec::new();
        let is_suite = |document: &&Node| {
            let version = document.get("apiVersion").and_then(Node::as_text);
            version.is_some_and(|version| version.as_bytes().starts_with(MARK))
        };
        let suites = documents.iter().filter(is_suite);
        let suites: Vec<Suite> = suites
            .map(|node| read::suite(path, node, named, &mut findings))
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
        let mut entries = Vec::new();
        for (at, test) in self.tests.iter().enumerate() {
            let cases = test.cases.iter().enumerate();
            let cases = cases.map(|(at, case)| Some((at, case)));
            let entry = |case: Option<(usize, &Case)>| self.entry(at, test, case);
            match test.invalid || test.cases.is_empty() {
                true => entries.push(entry(None)),
                false => entries.extend(cases.map(entry)),
            }
        }
        entries
    }

    fn entry(&self, at: usize, test: &Test, case: Option<(usize, &Case)>) -> Entry {
        let place = case.map_or(test.at, |(_, case)| case.at);
        Entry {
            name: match case {
                Some((_, case)) => format!("{}/{}", shown(&test.name), shown(&case.name)),
                None => shown(&test.name).to_owned(),
            },
            line: place.map(|at| at.line),
            is_skipped: self.skip || test.skip || case.is_some_and(|(_, case)| case.skip),
            test: at,
            case: case.map(|(at, _)| at),
        }
    }

    /// Runs one of its [`entries`](Self::entries), which may take so much time.
    pub fn run(&self, entry: &Entry, time: Duration) -> Verdict {
        if entry.is_skipped {
            return Verdict::Skipped;
        }
        let Some(test) = self.tests.get(entry.test) else {
            return Verdict::Failed(vec!["this is another suite's".to_owned()]);
        };
        let directory = self.path.parent().unwrap_or(Path::new(""));
        match entry.case.and_then(|case| test.cases.get(case)) {
            Some(case) => case::of_case(directory, test, case, time),
            None => case::of_test(directory, test),
        }
    }
}

fn shown(name: &str) -> &str {
    if name.is_empty() { UNNAMED } else { name }
}

/// The text of a file.
fn text(path: &Path) -> Result<String, String> {
    let bytes = watch::read(path, MAX_BYTES)?;
    String::from_utf8(bytes).map_err(|_| "is not UTF-8".to_owned())
}
