//! What is said of tests that were run: for people, for programs, for the servers that run them.

mod github;
mod json;
mod junit;
mod pretty;

use std::str::FromStr;

use anyhow::bail;

use super::case::Done;
use super::destination::Destination;

/// Form of a report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// For people.
    Pretty,
    /// For programs.
    Json,
    /// The XML that CI servers show.
    Junit,
    /// Commands that a GitHub workflow shows at the lines of a change.
    Github,
}

impl FromStr for Form {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> anyhow::Result<Self> {
        Ok(match text {
            // `text` is what other commands call it, and they share the variable.
            "pretty" | "text" => Form::Pretty,
            "json" => Form::Json,
            "junit" => Form::Junit,
            "github" => Form::Github,
            _ => bail!("one of pretty, json, junit, github"),
        })
    }
}

/// How many tests came to what.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Tally {
    pub(super) passed: usize,
    pub(super) failed: usize,
    pub(super) skipped: usize,
}

impl Tally {
    pub(super) fn of(done: &[Done]) -> Self {
        let mut tally = Self::default();
        for done in done {
            match Outcome::of(done) {
                Outcome::Passed => tally.passed += 1,
                Outcome::Failed | Outcome::Error => tally.failed += 1,
                Outcome::Skipped => tally.skipped += 1,
            }
        }
        tally
    }

    /// How many were run.
    pub(super) fn ran(&self) -> usize {
        self.passed + self.failed
    }
}

impl std::fmt::Display for Tally {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self {
            passed,
            failed,
            skipped,
        } = self;
        write!(f, "{passed} passed, {failed} failed, {skipped} skipped")
    }
}

/// What became of a test.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    Passed,
    Failed,
    /// It could not be tried to its end.
    Error,
    Skipped,
}

impl Outcome {
    fn of(done: &Done) -> Self {
        match &done.tried.failure {
            _ if done.is_skipped => Outcome::Skipped,
            None => Outcome::Passed,
            Some(failure) if failure.is_error => Outcome::Error,
            Some(_) => Outcome::Failed,
        }
    }

    fn as_str(self) -> &'static str {
        match self {
            Outcome::Passed => "passed",
            Outcome::Failed => "failed",
            Outcome::Error => "error",
            Outcome::Skipped => "skipped",
        }
    }
}

/// Writes the reports that were asked for.
pub(super) fn write(
    destinations: &[Destination<Form>],
    done: &[Done],
    tally: &Tally,
    verbose: bool,
) -> anyhow::Result<()> {
    let standard = [Destination::standard(Form::Pretty)];
    let destinations = if destinations.is_empty() {
        &standard
    } else {
        destinations
    };
    for destination in destinations {
        destination.write(|out| match destination.form {
            Form::Pretty => pretty::write(out, done, tally, verbose),
            Form::Json => json::write(out, done, tally),
            Form::Junit => junit::write(out, done, tally),
            Form::Github => github::write(out, done, tally),
        })?;
    }
    Ok(())
}
