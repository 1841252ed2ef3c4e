//! The report for people: what failed, and a last line that counts.

use std::io::Write;

use super::{Done, Outcome, Tally};
use crate::cli::terminal::{one_line, printable};

pub(super) fn write(out: &mut dyn Write, done: &[Done], tally: &Tally, verbose: bool) -> std::io::Result<()> {
    for done in done {
        let outcome = Outcome::of(done);
        let failed = matches!(outcome, Outcome::Failed | Outcome::Error);
        if !failed && !verbose {
            continue;
        }
        let Done { label, place, .. } = done;
        let head = format!("{place}: {} {label}", outcome.as_str());
        write!(out, "{}", one_line(&head))?;
        match outcome {
            Outcome::Skipped => writeln!(out)?,
            _ => writeln!(out, " ({:.1} ms)", done.tried.took.as_secs_f64() * 1000.0)?,
        }
        if let Some(failure) = &done.tried.failure {
            indented(out, &failure.text)?;
        }
        for print in &done.tried.prints {
            indented(out, &format!("printed at {print}"))?;
        }
    }
    writeln!(out, "{tally}")
}

fn indented(out: &mut dyn Write, text: &str) -> std::io::Result<()> {
    text.lines()
        .try_for_each(|line| writeln!(out, "  {}", printable(line)))
}
