//! `--watch`: the tests once more whenever something that they are made of is another.

use std::collections::BTreeSet;
use std::path::PathBuf;

use super::suite::MAX_BYTES;
use super::{Args, Unable, told};
use crate::config::Config;
use crate::policy::Finding;
use crate::policy::files::{Files, Sources};
use crate::policy::watch::places;
use crate::watch::{self, Content, Pace, Places, Subject};

/// What tests are made of: policies with their tests, suites, and what those name.
type Read = (Result<Files, Vec<Finding>>, Vec<(PathBuf, Content)>);

struct Tests {
    args: Args,
    sources: Sources,
    config: Config,
    /// Files that the suites named when they were last read.
    named: BTreeSet<PathBuf>,
}

/// Runs tests until the process is ended.
///
/// # Errors
/// When nothing can be watched.
pub(super) fn run(args: Args, sources: Sources, config: Config) -> anyhow::Result<()> {
    let named = BTreeSet::new();
    let mut tests = Tests {
        args,
        sources,
        config,
        named,
    };
    let (files, suites) = tests.read();
    tests.changed((files.clone(), suites.clone()));
    // With the files that are known to be named now, unless something has changed meanwhile: that is to be noticed.
    let (files_now, suites_now) = tests.read();
    let last = if files_now == files && suites_now.starts_with(&suites) {
        (files_now, suites_now)
    } else {
        (files, suites)
    };
    let _watcher = watch::watch(tests, last, Pace::default())?;
    loop {
        std::thread::park();
    }
}

impl Subject for Tests {
    type Read = Read;
    type Seen = Read;

    const NAME: &'static str = "tests";

    fn places(&self) -> Places {
        let mut places = places(&self.sources);
        let named = Places::of_files(self.named.iter().map(PathBuf::as_path));
        places.searched.extend(named.searched);
        places.parents.extend(named.parents);
        places
    }

    fn read(&self) -> Read {
        let files = Files::read(&self.sources);
        let suites = files.iter().flat_map(|files| &files.suites);
        let contents = suites
            .chain(&self.named)
            .map(|path| (path.clone(), watch::read(path, MAX_BYTES)));
        let contents = contents.collect();
        (files, contents)
    }

    fn seen(read: &Read) -> Read {
        read.clone()
    }

    fn changed(&mut self, (files, _): Read) {
        let ran = files
            .map_err(Unable::from)
            .and_then(|files| super::once(&self.args, &files, &self.config, &mut self.named));
        // Nobody is left to be told that the terminal is gone.
        let _ = told(ran);
    }
}
