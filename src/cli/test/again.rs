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
    let read = tests.read();
    tests.changed(read.clone());
    let last = tests.with_named(read);
    let _watcher = watch::watch(tests, last, Pace::default())?;
    loop {
        std::thread::park();
    }
}

impl Tests {
    /// What was read, with the files that are known to be named now, as they were then: what has changed since is to be
    /// noticed.
    fn with_named(&self, (files, mut contents): Read) -> Read {
        let named = self.named.iter();
        contents.extend(named.map(|(path, content)| (path.clone(), content.clone())));
        (files, contents)
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

#[cfg(test)]
mod tests {
    use std::path::Path;

    use clap::Parser;

    use super::*;
    use crate::cli::{Action, Cli};
    use crate::config;

    const SUITE: &str = "apiVersion: regate.dev/v1alpha1\nkind: Suite\ncases:\n\
        - {name: a, review: ../reviews/a.json, expect: {decision: no opinion}}\n";
    const REVIEW: &str =
        r#"{"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "spec": {"token": "t"}}"#;
    const POLICY: &str = "package kubernetes.authentication.tokens\nuser := input.nobody\n";

    /// The tests of a folder, as they are before they are first run.
    fn tests_of(folder: &Path) -> Tests {
        let report = format!("json={}", folder.join("report.json").display());
        let line = ["regate", "test", "-o", report.as_str()];
        let Action::Test(args) = Cli::try_parse_from(line).unwrap().command else {
            panic!("another command")
        };
        let nothing = config::Sources {
            flags: &[],
            environment: &|_| None,
            file: None,
        };
        Tests {
            args,
            sources: Sources {
                policies: vec![folder.join("policies")],
                ..Sources::default()
            },
            config: Config::resolve(&nothing).unwrap().config,
            named: Named::new(),
        }
    }

    #[test]
    fn what_a_suite_names_is_watched_and_compared_with_what_the_tests_met() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path().canonicalize().unwrap();
        for (name, text) in [
            ("policies/a.rego", POLICY),
            ("policies/a_suite.yaml", SUITE),
            ("reviews/a.json", REVIEW),
        ] {
            std::fs::create_dir_all(folder.join(name).parent().unwrap()).unwrap();
            std::fs::write(folder.join(name), text).unwrap();
        }
        let reviews = folder.join("reviews");
        let mut tests = tests_of(&folder);
        assert!(!tests.places().searched.contains(&reviews));
        let read = tests.read();
        tests.changed(read.clone());
        assert!(
            folder.join("report.json").exists(),
            "the tests were run and reported"
        );
        assert!(tests.places().searched.contains(&reviews));
        assert!(
            tests.with_named(read.clone()) == tests.read(),
            "nothing is another since"
        );
        std::fs::write(reviews.join("a.json"), REVIEW.replace("\"t\"", "\"u\"")).unwrap();
        assert!(tests.with_named(read) != tests.read(), "the change since is seen");
    }
}
