//! Which lines of the policies the tests came to: for people, for programs, for editors and CI servers.

use std::io::Write;
use std::str::FromStr;

use anyhow::bail;
use serde_json::json;

use super::destination::Destination;
use crate::policy::trials::Coverage;

/// Form of what is said of coverage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// For people: a line for each file, with the lines that nothing came to.
    Text,
    /// For programs.
    Json,
    /// The tracefile that genhtml and most servers read.
    Lcov,
}

impl FromStr for Form {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> anyhow::Result<Self> {
        Ok(match text {
            "text" => Form::Text,
            "json" => Form::Json,
            "lcov" => Form::Lcov,
            _ => bail!("one of text, json, lcov"),
        })
    }
}

/// A share from 0 to 100.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd)]
pub struct Percent(f64);

impl FromStr for Percent {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> anyhow::Result<Self> {
        match text.trim_end_matches('%').parse() {
            Ok(percent) if (0.0..=100.0).contains(&percent) => Ok(Self(percent)),
            _ => bail!("a number from 0 to 100"),
        }
    }
}

/// How many lines were reached, of how many.
#[derive(Clone, Copy, Default)]
struct Share {
    reached: usize,
    all: usize,
}

impl Share {
    fn of<'a>(lines: impl IntoIterator<Item = &'a bool>) -> Self {
        let mut share = Self::default();
        for reached in lines {
            share.all += 1;
            share.reached += usize::from(*reached);
        }
        share
    }

    /// Rounded down, so that only everything is 100. What has no lines is reached.
    fn percent(self) -> f64 {
        if self.all == 0 {
            return 100.0;
        }
        let tenths = (self.reached * 1000).checked_div(self.all).unwrap_or_default();
        f64::from(u32::try_from(tenths).unwrap_or_default()) / 10.0
    }
}

/// Writes it if that was asked for; whether it is enough.
pub(super) fn write(
    destination: Option<&Destination<Form>>,
    covered: &[Coverage],
    threshold: Option<Percent>,
) -> anyhow::Result<bool> {
    let total = Share::of(covered.iter().flat_map(|file| file.lines.values()));
    if let Some(destination) = destination {
        destination.write(|out| match destination.form {
            Form::Text => text(out, covered, total),
            Form::Json => json(out, covered, total),
            Form::Lcov => lcov(out, covered),
        })?;
    }
    let is_missed = |Percent(least): &Percent| total.percent() < *least || (total.all == 0 && *least > 0.0);
    let missed = threshold.filter(is_missed);
    if let Some(Percent(least)) = missed {
        let message = match total.all {
            0 => "there are no policies that the tests could cover".to_owned(),
            _ => format!(
                "the tests cover {}% of the policies, less than {least}%",
                total.percent()
            ),
        };
        writeln!(std::io::stderr(), "{message}")?;
    }
    Ok(missed.is_none())
}

fn text(out: &mut dyn Write, covered: &[Coverage], total: Share) -> std::io::Result<()> {
    for Coverage { file, lines } in covered {
        let missed = runs(
            lines
                .iter()
                .filter(|(_, reached)| !**reached)
                .map(|(line, _)| *line),
        );
        let missed = if missed.is_empty() {
            String::new()
        } else {
            format!("  not reached: {}", missed.join(", "))
        };
        writeln!(
            out,
            "{:5.1}%  {file}{missed}",
            Share::of(lines.values()).percent()
        )?;
    }
    writeln!(
        out,
        "{:5.1}%  of {} lines of {} files",
        total.percent(),
        total.all,
        covered.len()
    )
}

/// Lines as people write them: `3-5`, `8`.
fn runs(lines: impl Iterator<Item = u32>) -> Vec<String> {
    let lines: Vec<u32> = lines.collect();
    let follow = |one: &u32, other: &u32| one.checked_add(1) == Some(*other);
    let text = |run: &[u32]| match run {
        [first, .., last] => Some(format!("{first}-{last}")),
        [only] => Some(only.to_string()),
        [] => None,
    };
    lines.chunk_by(follow).filter_map(text).collect()
}

fn json(out: &mut dyn Write, covered: &[Coverage], total: Share) -> std::io::Result<()> {
    let files = covered.iter().map(|Coverage { file, lines }| {
        let of = |wanted: bool| -> Vec<u32> {
            let lines = lines.iter().filter(|(_, reached)| **reached == wanted);
            lines.map(|(line, _)| *line).collect()
        };
        json!({
            "file": file,
            "percent": Share::of(lines.values()).percent(),
            "covered": of(true),
            "notCovered": of(false),
        })
    });
    let report = json!({
        "percent": total.percent(),
        "coveredLines": total.reached,
        "lines": total.all,
        "files": files.collect::<Vec<_>>(),
    });
    writeln!(out, "{report:#}")
}

fn lcov(out: &mut dyn Write, covered: &[Coverage]) -> std::io::Result<()> {
    for Coverage { file, lines } in covered {
        writeln!(out, "SF:{file}")?;
        for (line, reached) in lines {
            writeln!(out, "DA:{line},{}", u8::from(*reached))?;
        }
        let share = Share::of(lines.values());
        writeln!(out, "LF:{}\nLH:{}\nend_of_record", share.all, share.reached)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_rounded_down_and_of_nothing_it_is_all() {
        for (reached, all, percent) in [
            (2, 3, 66.6),
            (1999, 2000, 99.9),
            (2000, 2000, 100.0),
            (0, 2, 0.0),
            (0, 0, 100.0),
        ] {
            assert_eq!(Share { reached, all }.percent(), percent, "{reached} of {all}");
        }
    }
}
