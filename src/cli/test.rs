//! `regate test`: runs what authors wrote to try their policies: Rego tests, and suites of cases.
//!
//! Whatever a test is written in, it becomes a [`case::Case`]; cases are run on threads of their own and reported in
//! the order of their files. Always holds: what cannot be loaded, or names what is not there, is told and runs nothing;
//! a run in which no test ran is no success.

mod again;
mod case;
mod coverage;
mod destination;
mod difference;
mod gatekeeper;
mod rego;
mod report;
mod suite;
mod why;

use std::collections::BTreeMap;
use std::io::Write;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::bail;
use regex::Regex;

use super::Global;
use crate::config::Config;
use crate::policy::Finding;
use crate::policy::files::Files;
use crate::policy::load::load_with_tests;
use crate::policy::trials::{Reached, Trials};
use crate::watch::Content;
use case::{Bounds, Case};
use coverage::Percent;
use destination::Destination;
use report::Tally;
use suite::Stage;

/// Runs the tests of policies: rules `test_*` of `*_test.rego`, the cases of `*_suite.yaml`, and Gatekeeper's suites
///
/// Ends with 0 if all passed, 1 if one failed or less than --threshold was covered, 2 if the tests could not be run or
/// there are none.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// Policies and their tests, besides those of --policy [default: ./policies]
    pub paths: Vec<PathBuf>,
    /// Run only tests in whose name this expression finds something: `data.<package>.<rule>`, or a case's `name`
    #[arg(short, long, env = "REGATE_RUN", value_name = "REGEX")]
    pub run: Option<Regex>,
    /// Name the tests that passed or were skipped, too, and show what they printed
    #[arg(short, long, env = "REGATE_VERBOSE")]
    pub verbose: bool,
    /// Form of the report, and the file to write it to; may be repeated [default: pretty, to standard output]
    #[arg(
        short,
        long,
        env = "REGATE_OUTPUT",
        value_name = "pretty|json|junit|github[=FILE]",
        value_delimiter = ','
    )]
    pub output: Vec<Destination<report::Form>>,
    /// Run them again whenever a file changes, until interrupted
    #[arg(short, long, env = "REGATE_WATCH")]
    pub watch: bool,
    /// Tests to run at a time [default: one for each processor]
    #[arg(long, env = "REGATE_PARALLEL", value_name = "NUMBER")]
    pub parallel: Option<NonZeroUsize>,
    /// Time that one test may take, in seconds
    #[arg(long, env = "REGATE_TIMEOUT", value_name = "SECONDS", default_value = "5", value_parser = seconds)]
    pub timeout: Duration,
    /// Say which lines of the policies the tests came to
    #[arg(
        long,
        env = "REGATE_COVERAGE",
        value_name = "text|json|lcov[=FILE]",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "text"
    )]
    pub coverage: Option<Destination<coverage::Form>>,
    /// Fail if the tests come to less than so many percent of the policies' lines
    #[arg(long, env = "REGATE_THRESHOLD", value_name = "PERCENT")]
    pub threshold: Option<Percent>,
}

/// The files that suites name, as they found them.
type Named = BTreeMap<PathBuf, Content>;

/// Why no test was run.
enum Unable {
    /// The files are not what tests can be run of.
    Findings(Vec<Finding>),
    /// Something else.
    Other(anyhow::Error),
}

impl From<anyhow::Error> for Unable {
    fn from(error: anyhow::Error) -> Self {
        Unable::Other(error)
    }
}

impl From<Vec<Finding>> for Unable {
    fn from(findings: Vec<Finding>) -> Self {
        Unable::Findings(findings)
    }
}

/// Runs the command.
pub fn run(args: Args, global: Global) -> anyhow::Result<ExitCode> {
    destination::check(&args)?;
    let config = global.resolve()?.config;
    let sources = super::offline_sources(&config.policies, args.paths.clone());
    if args.watch {
        again::run(args, sources, config)?;
        return Ok(ExitCode::SUCCESS);
    }
    let files = Files::read(&sources).map_err(Unable::from);
    told(files.and_then(|files| once(&args, &files, &config, &mut Named::new())))
}

/// Tells why no test was run, and how it all ends.
fn told(ran: Result<bool, Unable>) -> anyhow::Result<ExitCode> {
    match ran {
        Ok(all_is_well) => return Ok(ExitCode::from(u8::from(!all_is_well))),
        Err(Unable::Findings(findings)) => super::print_findings(&findings)?,
        Err(Unable::Other(error)) => writeln!(std::io::stderr(), "regate: {error:#}")?,
    }
    Ok(ExitCode::from(2))
}

/// Loads, runs and reports once; whether everything passed. Notes the files that suites name.
fn once(args: &Args, files: &Files, config: &Config, named: &mut Named) -> Result<bool, Unable> {
    let outside = super::outside::without_keys(&config.policies)?;
    let gatekeepers = gatekeeper::Suites::read(&files.gatekeeper_suites, named)?;
    let trials = Arc::new(load_with_tests(&gatekeepers.set_apart(files), &outside)?);
    warn(&trials).map_err(anyhow::Error::from)?;
    let lines = args.coverage.is_some() || args.threshold.is_some();
    let stage = Arc::new(Stage {
        trials: Arc::clone(&trials),
        settings: super::review_settings(config, Arc::default()),
        lines,
    });
    let suites = suite::cases(&files.suites, &stage, named)?;
    let is_chosen = |case: &Case| args.run.as_ref().is_none_or(|run| run.is_match(&case.label));
    let mut cases: Vec<Case> = rego::cases(&trials, lines)
        .chain(suites)
        .chain(gatekeepers.into_cases())
        .filter(is_chosen)
        .collect();
    cases.sort_by(|one, other| one.place.cmp(&other.place));
    let bounds = Bounds {
        parallel: args
            .parallel
            .or_else(|| std::thread::available_parallelism().ok()),
        timeout: args.timeout,
    };
    let mut done = case::run_all(cases, &bounds)?;
    let mut reached = Reached::default();
    done.iter_mut()
        .for_each(|done| reached.add(std::mem::take(&mut done.tried.reached)));
    let tally = Tally::of(&done);
    if tally.ran() == 0 {
        return Err(nothing_ran(args, &tally).into());
    }
    report::write(&args.output, &done, &tally, args.verbose)?;
    let enough =
        !lines || coverage::write(args.coverage.as_ref(), &trials.coverage(&reached), args.threshold)?;
    Ok(tally.failed == 0 && enough)
}

fn warn(trials: &Trials) -> std::io::Result<()> {
    let mut out = std::io::stderr().lock();
    let mut warnings = trials.set.warnings.iter().chain(&trials.warnings);
    warnings.try_for_each(|warning| writeln!(out, "warning: {warning}"))
}

fn nothing_ran(args: &Args, tally: &Tally) -> anyhow::Error {
    match (&args.run, tally.skipped) {
        (Some(run), 0) => anyhow::anyhow!("no test ran: --run {run} finds none"),
        (None, 0) => anyhow::anyhow!(
            "no test ran: there is no rule `test_…` in a file `*_test.rego`, and no `*_suite.yaml`"
        ),
        (_, skipped) => {
            anyhow::anyhow!("no test ran: all {skipped} are skipped, as their names begin with `todo_`")
        }
    }
}

fn seconds(text: &str) -> anyhow::Result<Duration> {
    let seconds: f64 = text.trim_end_matches('s').parse()?;
    match Duration::try_from_secs_f64(seconds) {
        Ok(duration) if !duration.is_zero() && seconds <= 86_400.0 => Ok(duration),
        _ => bail!("a number of seconds, up to a day"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_a_number_of_seconds_up_to_a_day() {
        for (text, milliseconds) in [("5", 5_000), ("0.5s", 500), ("86400", 86_400_000)] {
            assert_eq!(
                seconds(text).unwrap(),
                Duration::from_millis(milliseconds),
                "{text}"
            );
        }
        for text in ["0", "0.0s", "-1", "86401", "inf", "nan", "1e300"] {
            assert_eq!(
                seconds(text).unwrap_err().to_string(),
                "a number of seconds, up to a day",
                "{text}"
            );
        }
    }
}
