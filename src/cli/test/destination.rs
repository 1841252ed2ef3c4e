//! What is printed in which form, and where: `junit=report.xml`.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::PathBuf;
use std::str::FromStr;

use anyhow::{Context, bail};

use super::Args;
use super::{coverage, report};

/// A form, and the file to write it to; without one standard output.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Destination<F> {
    pub(super) form: F,
    file: Option<PathBuf>,
}

impl<F: FromStr<Err = anyhow::Error>> FromStr for Destination<F> {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> anyhow::Result<Self> {
        let (form, file) = match text.split_once('=') {
            Some((_, "")) => bail!("a file is wanted behind `=`"),
            Some((form, file)) => (form, Some(PathBuf::from(file))),
            None => (text, None),
        };
        let form = form.parse()?;
        Ok(Self { form, file })
    }
}

impl<F> Destination<F> {
    /// A form on standard output.
    pub(super) fn standard(form: F) -> Self {
        Self { form, file: None }
    }

    /// Writes there.
    pub(super) fn write(
        &self,
        write: impl FnOnce(&mut dyn Write) -> std::io::Result<()>,
    ) -> anyhow::Result<()> {
        let Some(path) = &self.file else {
            return Ok(write(&mut std::io::stdout().lock())?);
        };
        let written = File::create(path).and_then(|file| {
            let mut out = BufWriter::new(file);
            write(&mut out)?;
            out.flush()
        });
        written.with_context(|| path.display().to_string())
    }
}

/// Standard output takes one report, and beside it only what people read.
pub(super) fn check(args: &Args) -> anyhow::Result<()> {
    let report = args.output.iter().filter(|to| to.file.is_none());
    let reports = report
        .clone()
        .filter(|to| to.form != report::Form::Pretty)
        .count();
    let coverage = args.coverage.as_ref().filter(|to| to.file.is_none());
    let coverages = coverage.filter(|to| to.form != coverage::Form::Text).is_some();
    if report.count() > 1 || reports + usize::from(coverages) > 1 {
        bail!("standard output takes one report: name a file for the others, as in `-o junit=FILE`");
    }
    Ok(())
}
