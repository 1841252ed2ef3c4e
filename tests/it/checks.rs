//! The pages of findings in `docs/checks`: each kind has one, and its examples are run. What is shown as wrong gives just
//! the finding that is printed below it, what is shown as right gives none.
//!
//! A fenced block whose info string names a file is that file, a block `sh` is run to make files that cannot be shown,
//! and a block `text` is what `regate check` prints.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use regate::policy::files::{Files, Sources};
use regate::policy::finding::{Id, Severity};
use regate::policy::load::load;
use tempfile::TempDir;

fn pages() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/checks")
}

/// What one half of a page shows.
#[derive(Default)]
struct Example {
    files: Vec<(String, String)>,
    script: String,
    printed: String,
}

/// The example under a heading of a page.
fn example(page: &str, heading: &str) -> Option<Example> {
    let (_, from) = page.split_once(&format!("\n## {heading}\n"))?;
    let part = from.split("\n## ").next().unwrap();
    let mut example = Example::default();
    for fenced in part.split("```").skip(1).step_by(2) {
        let (info, text) = fenced.split_once('\n').unwrap();
        match info.split_once(' ') {
            Some((_, path)) => example.files.push((path.to_owned(), text.to_owned())),
            None if info == "sh" => example.script.push_str(text),
            None if info == "text" => example.printed.push_str(text),
            None => panic!("a block `{info}` is neither a file, nor a script, nor what is printed"),
        }
    }
    Some(example)
}

impl Example {
    /// A directory with these files.
    fn desk(&self) -> TempDir {
        let desk = tempfile::tempdir().unwrap();
        fs::create_dir(desk.path().join("policies")).unwrap();
        for (path, text) in &self.files {
            fs::write(desk.path().join(path), text).unwrap();
        }
        let status = Command::new("sh")
            .args(["-ec", &self.script])
            .current_dir(desk.path())
            .status();
        assert!(status.unwrap().success(), "{}", self.script);
        desk
    }

    /// How `regate check` ends here, and what it prints.
    fn check(&self, id: Id) -> (i32, String) {
        let desk = self.desk();
        let mut command = Command::new(env!("CARGO_BIN_EXE_regate"));
        command
            .current_dir(desk.path())
            .env_clear()
            .args(["check", "-o", "long"]);
        if id.severity() == Severity::Strict {
            command.arg("--strict");
        }
        if self.files.iter().any(|(path, _)| path == "regate.yaml") {
            command.args(["--config", "regate.yaml"]);
        }
        let output = command.output().unwrap();
        assert!(output.stderr.is_empty(), "{:?}", output);
        (
            output.status.code().unwrap(),
            String::from_utf8(output.stdout).unwrap(),
        )
    }

    /// How `regate test` ends here, and what it says of the files.
    fn test(&self) -> (i32, String) {
        let desk = self.desk();
        let mut command = Command::new(env!("CARGO_BIN_EXE_regate"));
        let output = command
            .current_dir(desk.path())
            .env_clear()
            .arg("test")
            .output()
            .unwrap();
        let told = String::from_utf8(output.stderr).unwrap();
        (output.status.code().unwrap(), told.replace("warning: ", ""))
    }

    /// The findings that only a server has about these files.
    fn only_served(&self) -> Vec<Id> {
        let desk = self.desk();
        let sources = Sources {
            policies: vec![desk.path().join("policies")],
            ..Sources::default()
        };
        let set = load(&Files::read(&sources).unwrap()).unwrap();
        let missing = set.missing.iter().map(|finding| finding.id);
        let namespaces = set.policies().iter().any(|policy| policy.uses_namespaces());
        let others = [
            (Id::NoNamespaces, namespaces),
            (Id::NoPolicies, set.policies().is_empty()),
        ];
        let others = others.into_iter().filter(|(_, is_so)| *is_so).map(|(id, _)| id);
        missing.chain(others).collect()
    }
}

#[test]
fn every_kind_of_finding_has_a_page_whose_wrong_example_yields_it_and_whose_right_one_is_clean() {
    for id in Id::ALL {
        let page = fs::read_to_string(pages().join(format!("{id}.md")))
            .unwrap_or_else(|_| panic!("no page for {id}"));
        let begin = format!("# {id}\n\n{}.\n\n", id.title());
        assert!(
            page.starts_with(&begin),
            "{id}: the page has to begin with\n{begin}"
        );
        let Some(wrong) = example(&page, "Wrong") else {
            assert_eq!(*id, Id::Internal, "no wrong example");
            continue;
        };
        let right = example(&page, "Right").unwrap();
        if [Id::NotRun, Id::Suite].contains(id) {
            let code = if *id == Id::Suite { 2 } else { 0 };
            assert_eq!(wrong.test(), (code, wrong.printed), "{id}");
            assert_eq!(right.test(), (0, String::new()), "{id}");
            continue;
        }
        if wrong.printed.is_empty() {
            assert_eq!(
                (wrong.only_served(), right.only_served()),
                (vec![*id], vec![]),
                "{id}"
            );
            continue;
        }
        let (code, printed) = wrong.check(*id);
        let findings: Vec<_> = printed
            .split("\n\n")
            .filter(|part| part.contains(&format!("[{id}]: ")))
            .collect();
        assert_eq!(findings, [wrong.printed.trim_end()], "{id}: {printed}");
        let refuses = id.severity() != Severity::Warning;
        assert_eq!(code != 0, refuses, "{id}: {printed}");
        let (code, printed) = right.check(*id);
        let clean = code == 0 && printed.lines().count() == 1;
        assert!(clean, "{id}: {printed}");
    }
}

#[test]
fn the_index_lists_every_kind_of_finding_and_nothing_else() {
    let index = fs::read_to_string(pages().join("README.md")).unwrap();
    let listed: Vec<_> = index.lines().filter(|line| line.starts_with("| [")).collect();
    let expected = Id::ALL.iter().map(|id| {
        let mark = match id.severity() {
            Severity::Error => "",
            Severity::Strict => " (strict)",
            Severity::Warning => " (warning)",
        };
        format!("| [{id}]({id}.md){mark} | {} |", id.title())
    });
    assert_eq!(listed, expected.collect::<Vec<_>>());
    let pages = fs::read_dir(pages()).unwrap().count();
    assert_eq!(pages, Id::ALL.len() + 1, "a page of no kind of finding");
}

#[test]
fn no_finding_is_made_without_saying_of_what_kind_it_is() {
    fn look(directory: &Path, found: &mut Vec<String>) {
        for entry in fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                look(&path, found);
            } else if !path.ends_with("policy/finding.rs") {
                let text = fs::read_to_string(&path).unwrap();
                let lines = text.lines().filter(|line| line.contains("Finding::default()"));
                found.extend(lines.map(|line| format!("{}: {line}", path.display())));
            }
        }
    }
    let mut found = Vec::new();
    look(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut found);
    assert_eq!(found, Vec::<String>::new());
}
