//! Suites of cases, `*_suite.yaml`: reviews, and what has to become of them.
//!
//! A case is read into what to ask and what to expect, and asked as a server would be asked. Always holds: whatever a suite
//! says that is not understood, or names that is not there, is a finding at its line, and then nothing is run.

mod asked;
mod came;
mod expected;
mod reader;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use super::Named;
use super::case::{Case, Failure, Place, Tried, Work};
use crate::policy::finding::{Finding, Id};
use crate::policy::metadata::Node;
use crate::policy::trials::{Bench, Trials};
use crate::review::Settings;
use crate::watch;
use asked::Asked;
use came::Came;
use expected::Expected;
use reader::Reader;

/// The version of the format.
const API_VERSION: &str = "regate.dev/v1alpha1";
/// What a suite calls itself.
const KIND: &str = "Suite";
/// The size that a suite, and a file that it names, may have.
pub(super) const MAX_BYTES: u64 = 4 * 1024 * 1024;

/// What all suites are run with.
pub(super) struct Stage {
    pub(super) trials: Arc<Trials>,
    pub(super) settings: Settings,
    /// Whether it is noted which lines policies come to.
    pub(super) lines: bool,
}

/// A case that was read.
struct Plan {
    place: Place,
    asked: Asked,
    expected: Expected,
}

/// The cases of suites, in their order. Notes the files that they name.
///
/// # Errors
/// Everything that is wrong with them.
pub(super) fn cases(
    paths: &[PathBuf],
    stage: &Arc<Stage>,
    named: &mut Named,
) -> Result<Vec<Case>, Vec<Finding>> {
    let (mut cases, mut findings) = (Vec::new(), Vec::new());
    for path in paths {
        let mut reader = Reader::new(path, &stage.trials);
        match document(path) {
            Ok(document) => cases.extend(suite(&mut reader, &document, stage)),
            Err(finding) => findings.push(finding),
        }
        named.append(&mut reader.named);
        findings.extend(reader.into_findings());
    }
    if findings.is_empty() {
        Ok(cases)
    } else {
        findings.sort();
        // What is read for more than one purpose, or for each case as defaults are, is told once.
        findings.dedup();
        Err(findings)
    }
}

fn document(path: &Path) -> Result<Node, Finding> {
    let finding = |message: String| Finding::new(Id::Suite, message).in_file(path.display().to_string());
    let bytes = watch::read(path, MAX_BYTES).map_err(finding)?;
    let text = String::from_utf8(bytes).map_err(|_| finding("is not UTF-8".to_owned()))?;
    Node::parse(&text).map_err(|(at, message)| match at {
        Some(at) => finding(message).at(at),
        None => finding(message),
    })
}

fn suite(reader: &mut Reader<'_>, document: &Node, stage: &Arc<Stage>) -> Vec<Case> {
    reader.keys(document, "a suite", &["apiVersion", "kind", "defaults", "cases"]);
    for (key, wanted) in [("apiVersion", API_VERSION), ("kind", KIND)] {
        match document.get(key) {
            Some(value) if value.as_text() == Some(wanted) => {}
            Some(value) => reader.wrong(value, format!("`{key}` must be {wanted}")),
            None => reader.wrong(document, format!("a suite says `{key}: {wanted}`")),
        }
    }
    let defaults = document.get("defaults");
    if let Some(defaults) = defaults {
        reader.keys(defaults, "`defaults`", asked::DEFAULTS);
    }
    let Some(items) = document
        .get("cases")
        .and_then(Node::items)
        .filter(|items| !items.is_empty())
    else {
        reader.wrong(document, "a suite has a list of `cases`, at least one");
        return Vec::new();
    };
    let mut names = BTreeSet::new();
    let mut cases = Vec::new();
    for item in items {
        let Some(name) = item
            .get("name")
            .and_then(Node::as_text)
            .filter(|name| !name.is_empty())
        else {
            reader.wrong(item, "a case has a `name`, a string that is not empty");
            continue;
        };
        if !names.insert(name) {
            reader.wrong(item, format!("another case of this suite is called `{name}`"));
        }
        let place = reader.place(item);
        let Some(asked) = asked::read(reader, item, defaults, &stage.settings) else {
            continue;
        };
        let Some(expected) = expected::read(reader, item, &asked) else {
            continue;
        };
        let plan = Plan {
            place: place.clone(),
            asked,
            expected,
        };
        let stage = Arc::clone(stage);
        let work: Work = Box::new(move |deadline| run(&stage, &plan, deadline));
        cases.push(Case {
            group: reader.file().to_owned(),
            label: name.to_owned(),
            name: name.to_owned(),
            place,
            work: Some(work),
        });
    }
    cases
}

fn run(stage: &Stage, plan: &Plan, deadline: Instant) -> Tried {
    let started = Instant::now();
    let Plan {
        place,
        asked,
        expected,
    } = plan;
    let bench = Bench::new(&stage.trials, asked.data.clone(), &asked.parameters, stage.lines);
    let came = Came::of(asked, &stage.trials.set, &bench, deadline);
    let took = started.elapsed();
    let (prints, reached) = bench.seen();
    let failure = match came {
        Ok(came) => expected.differs(&came).map(|text| Failure {
            is_error: false,
            place: place.clone(),
            text,
        }),
        Err(error) => Some(Failure::error(place, format!("{error:#}"))),
    };
    Tried {
        failure,
        prints,
        reached,
        took,
    }
}
