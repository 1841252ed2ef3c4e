//! The tables of docs/operations.md, for the cases that compare them with what is seen.

use std::fs;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, ensure};
use regate::policy::glob;

use crate::kubectl::Printed;

/// What the page says.
pub(crate) struct Page {
    /// gate, event, `--on-fault`, closed, open
    pub(crate) rows: Vec<Vec<String>>,
    /// name, exit code, text
    outcomes: Vec<Vec<String>>,
    /// answer, calls of authn, authz and image, calls of mutate and validate
    attempts: Vec<Vec<String>>,
    /// `timeoutSeconds`, time until the answer
    deadlines: Vec<Vec<String>>,
    /// metric, alert
    metrics: Vec<Vec<String>>,
}

/// How kubectl ends, and what it then has said of errors.
pub(crate) struct Outcome {
    code: i32,
    /// Standard error; `…` is any run of characters.
    text: String,
}

impl Page {
    /// Reads docs/operations.md.
    pub(crate) fn read() -> Result<Self> {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/operations.md");
        let page = fs::read_to_string(path).context("cannot read the page")?;
        Ok(Self {
            rows: table(&page, "| gate | Regate |")?,
            outcomes: table(&page, "| outcome | exit |")?,
            attempts: table(&page, "| Regate gives |")?,
            deadlines: table(&page, "| `timeoutSeconds` |")?,
            metrics: table(&page, "| metric |")?,
        })
    }

    /// The one row about this, and what it says in a column.
    pub(crate) fn outcome(
        &self,
        question: &str,
        event: &str,
        on_fault: &str,
        column: &str,
    ) -> Result<(usize, String)> {
        let is_of = |cell: &str| {
            cell == question || cell == "mutate, validate" && matches!(question, "mutate" | "validate")
        };
        let mut rows =
            self.rows.iter().enumerate().filter(|(_, row)| {
                is_of(&row[0]) && row[1] == event && (row[2] == on_fault || row[2] == "any")
            });
        let (Some((number, row)), None) = (rows.next(), rows.next()) else {
            return Err(anyhow!(
                "not exactly one row about {question}, {event}, {on_fault}"
            ));
        };
        let cell = if column == "closed" { &row[3] } else { &row[4] };
        Ok((number, cell.clone()))
    }

    /// What the name of an outcome stands for.
    pub(crate) fn meaning(&self, outcome: &str) -> Result<Outcome> {
        let row = self
            .outcomes
            .iter()
            .find(|row| row[0] == outcome)
            .with_context(|| format!("the page does not say what `{outcome}` is"))?;
        Ok(Outcome {
            code: row[1].parse().context("an exit code is no number")?,
            text: row[2].trim_matches('`').to_owned(),
        })
    }

    /// How many calls one decision of a gate costs when Regate gives this.
    pub(crate) fn attempts(&self, answer: &str, gate: &str) -> Result<u64> {
        let row = self
            .attempts
            .iter()
            .find(|row| row[0] == answer)
            .with_context(|| format!("the page does not say how often there is {answer}"))?;
        let cell = if matches!(gate, "mutate" | "validate") {
            &row[2]
        } else {
            &row[1]
        };
        cell.parse().context("a number of calls is no number")
    }

    /// How many seconds a webhook waits, and when a review that takes too long is answered.
    pub(crate) fn deadlines(&self) -> Result<Vec<(u64, Duration)>> {
        let deadline = |row: &Vec<String>| {
            let seconds: f64 = row[1].trim_end_matches(" s").parse()?;
            Ok((row[0].parse()?, Duration::from_secs_f64(seconds)))
        };
        self.deadlines.iter().map(deadline).collect()
    }

    /// The names of the metrics to watch.
    pub(crate) fn metrics(&self) -> impl Iterator<Item = &str> {
        self.metrics.iter().map(|row| row[0].trim_matches('`'))
    }
}

impl Outcome {
    /// Whether kubectl ended like this. What it prints on success is the object's business.
    pub(crate) fn is(&self, printed: &Printed) -> bool {
        printed.code == self.code
            && glob::matches(&self.text.replace('…', "*"), &printed.stderr)
            && (self.code == 0 || printed.stdout.is_empty())
    }
}

/// The cells of the table whose head begins so.
fn table(page: &str, head: &str) -> Result<Vec<Vec<String>>> {
    let mut lines = page.lines().skip_while(|line| !line.starts_with(head));
    let columns = lines
        .next()
        .with_context(|| format!("the page has no table `{head}`"))?;
    let cells = |line: &str| -> Vec<String> {
        let inner = line.trim_start_matches('|').trim_end_matches('|');
        inner.split('|').map(|cell| cell.trim().to_owned()).collect()
    };
    let count = cells(columns).len();
    let rows: Vec<_> = lines
        .skip(1)
        .take_while(|line| line.starts_with('|'))
        .map(cells)
        .collect();
    ensure!(
        !rows.is_empty() && rows.iter().all(|row| row.len() == count),
        "`{head}` is no table of {count} columns"
    );
    Ok(rows)
}
