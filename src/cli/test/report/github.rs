//! The report that a GitHub workflow shows beside the lines of a change: a command for each failure, then the count.

use std::io::Write;

use super::{Done, Tally};

pub(super) fn write(out: &mut dyn Write, done: &[Done], tally: &Tally) -> std::io::Result<()> {
    for done in done {
        let Some(failure) = &done.tried.failure else {
            continue;
        };
        writeln!(
            out,
            "::error file={},line={},title={}::{}",
            property(&failure.place.file),
            failure.place.line,
            property(&done.label),
            data(&failure.text)
        )?;
    }
    writeln!(out, "{tally}")
}

fn data(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}
