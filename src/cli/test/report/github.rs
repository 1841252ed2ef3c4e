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

#[cfg(test)]
mod tests {
    use super::super::super::case::{Failure, Place, Tried};
    use super::*;

    #[test]
    fn what_would_end_a_line_or_a_property_is_written_as_github_reads_it() {
        let place = Place {
            file: "a,b:c.yaml".to_owned(),
            line: 3,
        };
        let done = Done {
            group: "g".to_owned(),
            name: "n".to_owned(),
            label: "50%: a, b".to_owned(),
            place: Place::default(),
            is_skipped: false,
            tried: Tried::failed(Failure::error(&place, "100%: a,\r\nb")),
        };
        let tally = Tally::of(std::slice::from_ref(&done));
        let mut out = Vec::new();
        write(&mut out, &[done], &tally).unwrap();
        assert_eq!(
            String::from_utf8(out).unwrap(),
            "::error file=a%2Cb%3Ac.yaml,line=3,title=50%25%3A a%2C b::100%25: a,%0D%0Ab\n\
             0 passed, 1 failed, 0 skipped\n"
        );
    }
}
