//! The report of `regate bench`: percentiles by what was measured, for people, for programs and to compare with.
//!
//! Always holds: the first time of each row was to warm up and is in none of its percentiles.

use std::io::{self, Write};
use std::time::Duration;

use anyhow::Context;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// What was measured.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Report {
    /// The revision of the policy set.
    revision: String,
    rows: Vec<Row>,
}

/// One thing that was measured. Times are in nanoseconds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Row {
    /// `load`, `parse`, `evaluate` or `review`.
    what: String,
    name: String,
    count: usize,
    p50: u64,
    p95: u64,
    p99: u64,
}

/// A row that became slower, with the median that it had.
pub(super) type Slower<'r> = (&'r Row, u64);

impl Row {
    pub(super) fn of(what: &str, name: &str, times: Vec<Duration>) -> Self {
        let nanos = |time: &Duration| u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        let mut times: Vec<u64> = times.iter().skip(1).map(nanos).collect();
        times.sort_unstable();
        Row {
            what: what.to_owned(),
            name: name.to_owned(),
            count: times.len(),
            p50: percentile(&times, 50),
            p95: percentile(&times, 95),
            p99: percentile(&times, 99),
        }
    }
}

/// The smallest of the sorted times that this share of them does not exceed.
fn percentile(sorted: &[u64], percent: usize) -> u64 {
    let rank = (sorted.len() * percent).div_ceil(100);
    sorted.get(rank.saturating_sub(1)).copied().unwrap_or_default()
}

impl Report {
    pub(super) fn new(revision: &str, rows: Vec<Row>) -> Self {
        Report {
            revision: revision.to_owned(),
            rows,
        }
    }

    pub(super) fn read(text: &[u8]) -> anyhow::Result<Self> {
        serde_json::from_slice(text).context("not understood")
    }

    pub(super) fn to_json(&self) -> Value {
        serde_json::to_value(self).unwrap_or_default()
    }

    /// The rows whose median grew by more than the threshold and by more than `min_delta` microseconds.
    pub(super) fn slower_than(&self, earlier: &Report, percent: u32, min_delta: u32) -> Vec<Slower<'_>> {
        let before = |row: &Row| {
            let mut rows = earlier.rows.iter();
            rows.find(|have| (&have.what, &have.name) == (&row.what, &row.name))
                .map(|have| have.p50)
        };
        let is_slower = |row: &Row, before: u64| {
            let grown = row.p50.saturating_sub(before);
            let share = u128::from(grown) * 100 > u128::from(before) * u128::from(percent);
            share && grown > u64::from(min_delta) * 1000
        };
        let rows = self.rows.iter().filter_map(|row| Some((row, before(row)?)));
        rows.filter(|(row, before)| is_slower(row, *before)).collect()
    }

    /// The report, and what became slower, if it was compared.
    pub(super) fn compared(&self, slower: Option<&[Slower<'_>]>) -> Value {
        let mut json = self.to_json();
        if let (Some(members), Some(slower)) = (json.as_object_mut(), slower) {
            let rows = slower.iter().map(|(row, before)| {
                serde_json::json!({ "what": row.what, "name": row.name, "p50": row.p50, "before": before })
            });
            members.insert("slower".to_owned(), rows.collect());
        }
        json
    }

    pub(super) fn write(&self, out: &mut impl Write, slower: Option<&[Slower<'_>]>) -> io::Result<()> {
        let width = self
            .rows
            .iter()
            .map(|row| row.name.chars().count())
            .max()
            .unwrap_or(4)
            .max(4);
        writeln!(
            out,
            "{:8}  {:width$}  {:>6}  {:>10}  {:>10}  {:>10}",
            "WHAT", "NAME", "COUNT", "P50", "P95", "P99"
        )?;
        for Row {
            what,
            name,
            count,
            p50,
            p95,
            p99,
        } in &self.rows
        {
            writeln!(
                out,
                "{what:8}  {name:width$}  {count:>6}  {:>10}  {:>10}  {:>10}",
                time(*p50),
                time(*p95),
                time(*p99)
            )?;
        }
        for (row, before) in slower.unwrap_or_default() {
            let (what, name) = (&row.what, &row.name);
            writeln!(
                out,
                "slower: {what} {name}: p50 was {}, is {}",
                time(*before),
                time(row.p50)
            )?;
        }
        if slower.is_some_and(<[_]>::is_empty) {
            writeln!(out, "nothing became slower")?;
        }
        Ok(())
    }
}

/// Nanoseconds as people read them.
fn time(nanos: u64) -> String {
    let (whole, rest) = (nanos / 1000, nanos % 1000 / 100);
    if whole < 10_000 {
        format!("{whole}.{rest} µs")
    } else {
        format!("{}.{} ms", whole / 1000, whole % 1000 / 100)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(name: &str, micros: &[u64]) -> Row {
        // The first one warms up.
        let times = std::iter::once(1_000_000).chain(micros.iter().copied());
        Row::of("evaluate", name, times.map(Duration::from_micros).collect())
    }

    #[test]
    fn percentiles_are_of_what_was_measured_after_the_first() {
        let hundred: Vec<u64> = (1..=100).rev().collect();
        let many = row("a", &hundred);
        assert_eq!(
            (many.count, many.p50, many.p95, many.p99),
            (100, 50_000, 95_000, 99_000)
        );
        // At least this share: of three the second is the median.
        let few = row("b", &[3, 1, 2]);
        assert_eq!((few.p50, few.p95), (2_000, 3_000));
        assert_eq!(Row::of("load", "a", vec![Duration::from_secs(1)]).count, 0);
    }

    #[test]
    fn slower_is_what_grew_by_the_threshold_and_by_more_than_nothing() {
        let before = Report::new(
            "1",
            vec![
                row("a", &[100]),
                row("b", &[100]),
                row("c", &[1]),
                row("gone", &[1]),
            ],
        );
        let now = Report::new(
            "2",
            vec![
                row("a", &[130]),
                row("b", &[124]),
                row("c", &[9]),
                row("new", &[900]),
            ],
        );
        let slower = now.slower_than(&before, 25, 20);
        let names: Vec<_> = slower
            .iter()
            .map(|(row, before)| (row.name.as_str(), *before))
            .collect();
        assert_eq!(names, [("a", 100_000)]);
        assert_eq!(now.slower_than(&before, 10, 1).len(), 3);
        assert!(now.slower_than(&now, 0, 0).is_empty());

        let mut out = Vec::new();
        now.write(&mut out, Some(&slower)).unwrap();
        let text = String::from_utf8(out).unwrap();
        assert!(
            text.ends_with("slower: evaluate a: p50 was 100.0 µs, is 130.0 µs\n"),
            "{text}"
        );
        assert_eq!(
            now.compared(Some(&slower))["slower"],
            serde_json::json!([{"what": "evaluate", "name": "a", "p50": 130_000, "before": 100_000}])
        );
    }

    #[test]
    fn what_is_compared_is_the_same_thing_of_the_same_policy() {
        let parsed = Row::of("parse", "a", vec![Duration::ZERO, Duration::from_micros(1)]);
        let before = Report::new("1", vec![parsed, row("a", &[100])]);
        let now = Report::new("2", vec![row("a", &[100])]);
        assert!(now.slower_than(&before, 25, 20).is_empty());
    }

    #[test]
    fn a_report_is_read_as_it_was_kept() {
        let report = Report::new("1", vec![row("a", &[100, 20_000])]);
        assert_eq!(
            Report::read(report.to_json().to_string().as_bytes()).unwrap(),
            report
        );
        assert!(Report::read(b"{}").is_err());
        assert_eq!(
            (time(999), time(9_999_900), time(12_345_678)),
            ("0.9 µs".into(), "9999.9 µs".into(), "12.3 ms".into())
        );
    }
}
