//! The report for programs: one object, stable.

use std::io::Write;

use serde_json::{Value, json};

use super::{Done, Outcome, Tally};

pub(super) fn write(out: &mut dyn Write, done: &[Done], tally: &Tally) -> std::io::Result<()> {
    let report = json!({
        "tests": done.iter().map(test).collect::<Vec<_>>(),
        "passed": tally.passed,
        "failed": tally.failed,
        "skipped": tally.skipped,
    });
    writeln!(out, "{report:#}")
}

fn test(done: &Done) -> Value {
    let failure = done.tried.failure.as_ref().map(
        |failure| json!({ "file": failure.place.file, "line": failure.place.line, "message": failure.text }),
    );
    json!({
        "group": done.group,
        "name": done.name,
        "file": done.place.file,
        "line": done.place.line,
        "outcome": Outcome::of(done).as_str(),
        "seconds": done.tried.took.as_secs_f64(),
        "failure": failure,
        "prints": done.tried.prints,
    })
}
