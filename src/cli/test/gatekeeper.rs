//! Gatekeeper's suites as cases: each object of a suite is one, and each constraint that is expected to be refused.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use super::case::{Case, Failure, Place, Tried, Work};
use crate::policy::Finding;
use crate::policy::suites::{Suite, Verdict};

/// The cases of these files, in their order.
///
/// # Errors
/// Everything that is wrong with the files.
pub(super) fn cases(paths: &[PathBuf]) -> Result<Vec<Case>, Vec<Finding>> {
    let (mut cases, mut findings) = (Vec::new(), Vec::new());
    for path in paths {
        match Suite::read(path) {
            Ok(suites) => cases.extend(suites.into_iter().flat_map(of)),
            Err(wrong) => findings.extend(wrong),
        }
    }
    if findings.is_empty() {
        Ok(cases)
    } else {
        Err(findings)
    }
}

fn of(suite: Suite) -> Vec<Case> {
    let suite = Arc::new(suite);
    let file = suite.path().display().to_string();
    let entries = suite.entries().into_iter();
    let case = |entry: crate::policy::suites::Entry| {
        let place = Place {
            file: file.clone(),
            line: entry.line.unwrap_or(1),
        };
        let (suite, name, at) = (Arc::clone(&suite), entry.name.clone(), place.clone());
        let work: Work = Box::new(move |deadline| run(&suite, &name, &at, deadline));
        Case {
            group: file.clone(),
            label: entry.name.clone(),
            name: entry.name,
            place,
            work: (!entry.is_skipped).then_some(work),
        }
    };
    entries.map(case).collect()
}

fn run(suite: &Suite, name: &str, place: &Place, deadline: Instant) -> Tried {
    let started = Instant::now();
    let time = deadline.saturating_duration_since(started);
    let failures = suite
        .run(&|wanted| wanted == name, time)
        .into_iter()
        .filter_map(|tried| match tried.verdict {
            Verdict::Failed(why) => Some(why.join("\n")),
            Verdict::Passed | Verdict::Skipped => None,
        });
    let failures: Vec<String> = failures.collect();
    let failure = (!failures.is_empty()).then(|| Failure {
        is_error: false,
        place: place.clone(),
        text: failures.join("\n"),
    });
    Tried {
        failure,
        took: started.elapsed(),
        ..Tried::default()
    }
}
