//! `--watch`: the tests once more whenever something that they are made of is another.

use std::path::PathBuf;

use super::suite::MAX_BYTES;
use super::{Args, Named, Unable, told};
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
    /// Files that the suites have named, as they were when those were last read.
    named: Named,
}

/// Runs tests until the process is ended.
///
/// # Errors
/// When nothing can be watched.
pub(super) fn run(args: Args, sources: Sources, config: Config) -> anyhow::Result<()> {
    let named = Named::new();
    let mut tests = Tests {
        args,
        sources,
        config,
        named,
    };
    let (files, mut contents) = tests.read();
    tests.changed((files.clone(), contents.clone()));
    // With the files that are known to be named now, as they were then: what has changed since is to be noticed.
    let named = tests.named.iter();
    contents.extend(named.map(|(path, content)| (path.clone(), content.clone())));
    let _watcher = watch::watch(tests, (files, contents), Pace::default())?;
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
        let named = Places::of_files(self.named.keys().map(PathBuf::as_path));
        places.searched.extend(named.searched);
        places.parents.extend(named.parents);
        places
    }

    fn read(&self) -> Read {
        let files = Files::read(&self.sources);
        let suites = files
            .iter()
            .flat_map(|files| files.suites.iter().chain(&files.gatekeeper_suites));
        let contents = suites
            .chain(self.named.keys())
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
