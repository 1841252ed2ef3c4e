//! `regate bench`: what policies cost, one by one, on reviews that somebody cares about.
//!
//! Four things are measured, each many times: loading the whole set, parsing each policy's files, evaluating each policy,
//! and deciding each review from its bytes to its answer. The reviews are those of `regate review`, made in the same way.
//! A report can be kept and compared with, so that a script learns of a policy that became dear.

mod report;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};

use super::outside::outside;
use super::review::Desk;
use super::review::what::What;
use super::{Global, Output};
use crate::gate::Gate;
use crate::policy::files::{Files, Sources};
use crate::policy::load::{load_with, parse_times};
use crate::policy::{Document, Evaluate, Fault, Limits, Outcome, Outside, Policy, PolicySet};
use crate::review;
use report::{Report, Row};

/// Measures what policies cost: parsing, evaluation, and whole reviews
///
/// Ends with 0, with 1 if something became slower than in the report of --compare, and with 2 if it could not be done.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// What to review.
    #[command(flatten)]
    pub what: What,
    /// How often each review is decided, at most
    #[arg(long, env = "REGATE_COUNT", value_name = "COUNT", default_value = "1000")]
    pub count: u32,
    /// How long each thing is measured, at most
    #[arg(long, env = "REGATE_SECONDS", value_name = "SECONDS", default_value = "5")]
    pub seconds: u32,
    /// File to keep the report in, as JSON
    #[arg(long, env = "REGATE_SAVE", value_name = "FILE")]
    pub save: Option<PathBuf>,
    /// Report to compare with
    #[arg(long, env = "REGATE_COMPARE", value_name = "FILE")]
    pub compare: Option<PathBuf>,
    /// By how many percent a median may grow, if it grows by more than --min-delta, too
    #[arg(long, env = "REGATE_THRESHOLD", value_name = "PERCENT", default_value = "25")]
    pub threshold: u32,
    /// By how many microseconds a median may grow in any case
    #[arg(
        long,
        env = "REGATE_MIN_DELTA",
        value_name = "MICROSECONDS",
        default_value = "20"
    )]
    pub min_delta: u32,
    /// Form of what is printed
    #[arg(
        short,
        long,
        env = "REGATE_OUTPUT",
        value_name = "text|json",
        default_value = "text"
    )]
    pub output: Output,
}

/// Loading is slow beside the rest, and measured less often.
const LOADS: u32 = 20;

/// Runs the command.
pub fn run(args: Args, global: Global) -> anyhow::Result<ExitCode> {
    if args.count == 0 || args.seconds == 0 {
        bail!("--count and --seconds are at least 1");
    }
    let earlier = args.compare.as_ref().map(read).transpose()?;
    let config = global.resolve()?.config;
    let outside = outside(&config)?;
    let Some(set) = super::load_policies(&config.policies, &outside)? else {
        return Ok(ExitCode::from(2));
    };
    let (items, namespaces) = args.what.items()?;
    let desk = Desk {
        set,
        settings: super::review_settings(&config, Arc::new(namespaces)),
        limit: config.limits.deadline,
        explains: false,
    };
    let mut reviews = Vec::new();
    for item in &items {
        for decided in desk.decide(item)? {
            let name = format!("{} {}", decided.gate, item.name());
            reviews.push((name, decided.gate, decided.body));
        }
    }
    let effort = Effort {
        count: args.count,
        time: Duration::from_secs(args.seconds.into()),
    };
    let sources = super::offline_sources(&config.policies, Vec::new());
    let mut rows = loading(&sources, &outside, &desk.set, &effort)?;
    rows.extend(deciding(&desk, &reviews, &effort)?);
    let report = Report::new(&desk.set.revision, rows);
    if let Some(file) = &args.save {
        std::fs::write(file, format!("{:#}\n", report.to_json()))
            .with_context(|| file.display().to_string())?;
    }
    let mut out = std::io::stdout().lock();
    let slower = earlier.map(|earlier| report.slower_than(&earlier, args.threshold, args.min_delta));
    match args.output {
        Output::Json => writeln!(out, "{}", report.compared(slower.as_deref()))?,
        Output::Text => report.write(&mut out, slower.as_deref())?,
    }
    Ok(ExitCode::from(u8::from(
        slower.is_some_and(|slower| !slower.is_empty()),
    )))
}

fn read(file: &PathBuf) -> anyhow::Result<Report> {
    let text = std::fs::read(file).with_context(|| file.display().to_string())?;
    Report::read(&text).with_context(|| format!("{}: no report of `regate bench --save`", file.display()))
}

/// How much is measured: whichever ends first.
struct Effort {
    count: u32,
    time: Duration,
}

impl Effort {
    /// Does it again and again, at least once, and once more before that to warm up.
    fn repeat(&self, most: u32, mut once: impl FnMut() -> anyhow::Result<()>) -> anyhow::Result<()> {
        let started = Instant::now();
        for done in 0..=self.count.min(most) {
            if done > 1 && started.elapsed() > self.time {
                break;
            }
            once()?;
        }
        Ok(())
    }
}

/// What loading the set takes, and parsing the files of each policy.
fn loading(
    sources: &Sources,
    outside: &Arc<Outside>,
    set: &PolicySet,
    effort: &Effort,
) -> anyhow::Result<Vec<Row>> {
    let broken = |findings: Vec<crate::policy::Finding>| match findings.first() {
        Some(finding) => anyhow::anyhow!("{finding}"),
        None => anyhow::anyhow!("the policies changed"),
    };
    let mut loads = Vec::new();
    let mut parses: BTreeMap<Vec<String>, Vec<Duration>> = BTreeMap::new();
    effort.repeat(LOADS, || {
        let started = Instant::now();
        let files = Files::read(sources).map_err(broken)?;
        load_with(&files, outside).map_err(broken)?;
        loads.push(started.elapsed());
        let mut of_package: BTreeMap<Vec<String>, Duration> = BTreeMap::new();
        for (package, took) in parse_times(&files).map_err(broken)? {
            *of_package.entry(package).or_default() += took;
        }
        for (package, took) in of_package {
            parses.entry(package).or_default().push(took);
        }
        Ok(())
    })?;
    let mut rows = vec![Row::of("load", "all policies", loads)];
    for policy in set.policies() {
        let times = parses.get(&policy.package()).cloned().unwrap_or_default();
        rows.push(Row::of("parse", &named(policy), times));
    }
    Ok(rows)
}

/// `validate/owner`
fn named(policy: &Policy) -> String {
    format!("{}/{}", policy.gate, policy.name)
}

/// What each policy's evaluation takes, and each review from end to end.
fn deciding(desk: &Desk, reviews: &[(String, Gate, Vec<u8>)], effort: &Effort) -> anyhow::Result<Vec<Row>> {
    // On a thread as deep as the server's.
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new()
            .name("bench".to_owned())
            .stack_size(64 << 20);
        let decided = thread
            .spawn_scoped(scope, || deciding_here(desk, reviews, effort))?
            .join();
        decided.map_err(|_| anyhow::anyhow!("the evaluation panicked"))?
    })
}

fn deciding_here(
    desk: &Desk,
    reviews: &[(String, Gate, Vec<u8>)],
    effort: &Effort,
) -> anyhow::Result<Vec<Row>> {
    let watch = Stopwatch {
        set: &desk.set,
        times: RefCell::default(),
    };
    let mut whole = Vec::new();
    for (name, gate, body) in reviews {
        effort.repeat(effort.count, || {
            let deadline = Instant::now() + desk.limit;
            review::answer_by(*gate, body, &desk.set, &watch, &desk.settings, deadline);
            Ok(())
        })?;
        // Without the stopwatch, which costs something itself.
        let mut times = Vec::new();
        effort.repeat(effort.count, || {
            let started = Instant::now();
            review::answer(*gate, body, &desk.set, &desk.settings, started + desk.limit);
            times.push(started.elapsed());
            Ok(())
        })?;
        whole.push(Row::of("review", name, times));
    }
    let evaluated = watch.times.into_inner().into_iter();
    let mut rows: Vec<Row> = evaluated
        .map(|(policy, times)| Row::of("evaluate", &policy, times))
        .collect();
    rows.extend(whole);
    Ok(rows)
}

/// Evaluates for a review, and notes how long each policy takes.
struct Stopwatch<'s> {
    set: &'s PolicySet,
    times: RefCell<BTreeMap<String, Vec<Duration>>>,
}

impl Evaluate for Stopwatch<'_> {
    fn evaluate(&self, policy: &Policy, input: &Document, limits: &Limits) -> Result<Outcome, Fault> {
        let started = Instant::now();
        let outcome = self.set.evaluate(policy, input, limits);
        let took = started.elapsed();
        self.times
            .borrow_mut()
            .entry(named(policy))
            .or_default()
            .push(took);
        outcome
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_thing_is_measured_until_its_count_or_its_time_is_up_and_once_at_least() {
        let times = |count, seconds, most| {
            let effort = Effort {
                count,
                time: Duration::from_secs(seconds),
            };
            let mut times = 0;
            effort
                .repeat(most, || {
                    times += 1;
                    // Takes some time on any clock.
                    let begun = Instant::now();
                    while begun.elapsed().is_zero() {}
                    Ok(())
                })
                .unwrap();
            times
        };
        // Each with one more, to warm up.
        assert_eq!(times(5, 3600, 10), 6);
        assert_eq!(times(10, 3600, 5), 6);
        assert_eq!(times(10, 0, 10), 2);
    }
}
