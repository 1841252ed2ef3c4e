//! OPA's own test cases through Regate's loader and engine: all but those listed in `known.txt` have to come to what OPA
//! wants of them, and those have not to.
//!
//! Called by `main`. A list that is too long is as wrong as one that is too short: docs/differences.md is made of it.

mod case;
mod known;
mod run;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use anyhow::{Result, ensure};

use case::Case;
pub(crate) use case::{directory, files, unavailable};
use known::{Reason, Section};

/// As many as OPA 1.22.2 has.
const CASES: usize = 4427;

/// Of the cases that need no builtin or syntax that is not there, so many in a hundred have to come to what is wanted.
const AT_LEAST: usize = 99;

/// Runs all of them.
pub(crate) fn conformance() -> Result<()> {
    let cases = case::all()?;
    ensure!(cases.len() == CASES, "{} cases", cases.len());
    let sections = known::sections()?;
    ensure!(
        known::twice(&sections).is_empty(),
        "listed twice: {:?}",
        known::twice(&sections)
    );
    let listed: BTreeSet<&str> = sections
        .iter()
        .flat_map(|section| &section.cases)
        .map(String::as_str)
        .collect();
    let different = different(&cases);
    let unlisted: Vec<_> = different
        .iter()
        .filter(|(name, _)| !listed.contains(**name))
        .map(|(name, (folder, difference))| format!("{folder}\t{name}\t{difference}"))
        .collect();
    let names: BTreeSet<&str> = cases.iter().map(|case| case.name.as_str()).collect();
    let stale: Vec<_> = listed
        .iter()
        .filter(|name| !different.contains_key(**name))
        .map(|name| match names.contains(*name) {
            true => format!("{name} (as in OPA)"),
            false => format!("{name} (there is no such case)"),
        })
        .collect();
    ensure!(
        unlisted.is_empty() && stale.is_empty(),
        "{} differ and are not listed:\n{}\n{} are listed and do not differ:\n{}",
        unlisted.len(),
        unlisted.join("\n"),
        stale.len(),
        stale.join("\n")
    );
    reasons_hold(&sections, &cases)?;
    let left = CASES - known::count(&sections, Reason::Builtin) - known::count(&sections, Reason::Syntax);
    let same = left - known::count(&sections, Reason::Engine);
    ensure!(
        same * 100 >= left * AT_LEAST,
        "only {same} of {left} come to what is wanted"
    );
    known::page_tells(&sections, CASES)
}

/// That what a case is said to need is not there, and that the case needs it.
fn reasons_hold(sections: &[Section], cases: &[Case]) -> Result<()> {
    let by_name: BTreeMap<&str, &Case> = cases.iter().map(|case| (case.name.as_str(), case)).collect();
    for section in sections
        .iter()
        .filter(|section| section.reason == Reason::Builtin)
    {
        ensure!(run::is_missing(&section.name), "`{}` is there", section.name);
        for case in section.cases.iter().filter_map(|name| by_name.get(name.as_str())) {
            let texts = case.modules.iter().chain([&case.query]);
            let calls = texts.into_iter().any(|text| text.contains(&section.name));
            ensure!(calls, "{} does not call `{}`", case.name, section.name);
        }
    }
    Ok(())
}

/// The cases that come to something else than is wanted, with their folders, and what they come to.
fn different(cases: &[Case]) -> BTreeMap<&str, (&str, String)> {
    let (next, different) = (AtomicUsize::new(0), Mutex::new(BTreeMap::new()));
    let work = || {
        while let Some(case) = cases.get(next.fetch_add(1, Ordering::Relaxed)) {
            if let Some(difference) = run::difference(case) {
                let found = (case.folder.as_str(), difference);
                let mut different = different.lock().unwrap_or_else(|error| error.into_inner());
                different.insert(case.name.as_str(), found);
            }
        }
    };
    thread::scope(|scope| {
        for _ in 0..thread::available_parallelism().map_or(2, usize::from) {
            scope.spawn(work);
        }
    });
    different.into_inner().unwrap_or_else(|error| error.into_inner())
}
