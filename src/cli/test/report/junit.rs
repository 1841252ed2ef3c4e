//! The report that CI servers read: the XML of JUnit, a suite for each package or file of cases.

use std::io::Write;

use super::{Done, Outcome, Tally};

pub(super) fn write(out: &mut dyn Write, done: &[Done], tally: &Tally) -> std::io::Result<()> {
    writeln!(out, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>")?;
    writeln!(
        out,
        "<testsuites tests=\"{}\" failures=\"{}\" errors=\"{}\" skipped=\"{}\">",
        tally.ran() + tally.skipped,
        count(done, Outcome::Failed),
        count(done, Outcome::Error),
        tally.skipped
    )?;
    for group in done.chunk_by(|one, other| one.group == other.group) {
        suite(out, group)?;
    }
    writeln!(out, "</testsuites>")
}

fn count(done: &[Done], outcome: Outcome) -> usize {
    done.iter().filter(|done| Outcome::of(done) == outcome).count()
}

fn suite(out: &mut dyn Write, done: &[Done]) -> std::io::Result<()> {
    let seconds: f64 = done.iter().map(|done| done.tried.took.as_secs_f64()).sum();
    writeln!(
        out,
        "  <testsuite name=\"{}\" tests=\"{}\" failures=\"{}\" errors=\"{}\" skipped=\"{}\" time=\"{seconds:.6}\">",
        done.first().map(|done| escaped(&done.group)).unwrap_or_default(),
        done.len(),
        count(done, Outcome::Failed),
        count(done, Outcome::Error),
        count(done, Outcome::Skipped)
    )?;
    done.iter().try_for_each(|done| case(out, done))?;
    writeln!(out, "  </testsuite>")
}

fn case(out: &mut dyn Write, done: &Done) -> std::io::Result<()> {
    writeln!(
        out,
        "    <testcase classname=\"{}\" name=\"{}\" file=\"{}\" line=\"{}\" time=\"{:.6}\">",
        escaped(&done.group),
        escaped(&done.name),
        escaped(&done.place.file),
        done.place.line,
        done.tried.took.as_secs_f64()
    )?;
    if done.is_skipped {
        writeln!(out, "      <skipped/>")?;
    }
    if let Some(failure) = &done.tried.failure {
        let element = if failure.is_error { "error" } else { "failure" };
        let first = failure.text.lines().next().unwrap_or_default();
        let whole = format!("{}: {}", failure.place, failure.text);
        writeln!(
            out,
            "      <{element} message=\"{}\">{}</{element}>",
            escaped(first),
            escaped(&whole)
        )?;
    }
    if !done.tried.prints.is_empty() {
        writeln!(
            out,
            "      <system-out>{}</system-out>",
            escaped(&done.tried.prints.join("\n"))
        )?;
    }
    writeln!(out, "    </testcase>")
}

/// A text as XML has it; what no XML can hold is replaced.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\n' | '\t' => escaped.push(c),
            c if c.is_control() || ('\u{fffe}'..='\u{ffff}').contains(&c) => escaped.push('\u{fffd}'),
            c => escaped.push(c),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_one_that_xml_can_hold() {
        assert_eq!(
            escaped("a<b>&\"c\"\n\u{1b}[0m\u{ffff}é"),
            "a&lt;b&gt;&amp;&quot;c&quot;\n\u{fffd}[0m\u{fffd}é"
        );
    }
}
