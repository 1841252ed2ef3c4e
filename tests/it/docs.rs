//! docs/policies.md and docs/migrate.md as their readers use them: each section is a folder in which its files lie and its commands are run; the
//! files before the first section lie in every folder.
//!
//! A fenced block whose info string names a file (```` ```rego policies/a.rego ````) is that file; a block `sh` holds
//! commands, each after `$ `, and what they print, where `…` stands for any run of characters; a block `text` is only
//! read. Any other block fails, so that nothing is shown that was not tried. The table over `match` is compared with the
//! code.

use std::path::Path;
use std::process::Command;

use regate::gate::Gate;
use regate::policy::glob;
use regate::policy::matching::{Key, NAMESPACE_SELECTOR, has_namespace_selector};

fn document(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs").join(name);
    std::fs::read_to_string(path).unwrap()
}

/// A fenced block: the line it begins at, what stands behind the fence, and the text.
struct Block {
    line: usize,
    info: String,
    text: String,
}

/// Heading and blocks of each section.
fn sections(document: &str) -> Vec<(String, Vec<Block>)> {
    let mut sections: Vec<(String, Vec<Block>)> = vec![(String::new(), Vec::new())];
    let mut open: Option<Block> = None;
    for (number, line) in document.lines().enumerate() {
        let blocks = &mut sections.last_mut().unwrap().1;
        match (&mut open, line.strip_prefix("```")) {
            (None, Some(info)) => {
                open = Some(Block {
                    line: number + 1,
                    info: info.to_owned(),
                    text: String::new(),
                });
            }
            (Some(_), Some("")) => blocks.extend(open.take()),
            (Some(block), _) => block.text += &format!("{line}\n"),
            (None, None) if line.starts_with("##") => {
                sections.push((line.trim_start_matches(['#', ' ']).to_owned(), Vec::new()));
            }
            (None, None) => {}
        }
    }
    assert!(open.is_none(), "a block is not closed");
    sections
}

/// Commands, and what each is said to print.
fn transcript(text: &str) -> Vec<(String, Vec<String>)> {
    let mut commands: Vec<(String, Vec<String>)> = Vec::new();
    for line in text.lines() {
        match line.strip_prefix("$ ") {
            Some(command) => commands.push((command.to_owned(), Vec::new())),
            None => commands.last_mut().unwrap().1.push(line.to_owned()),
        }
    }
    commands
}

/// What a command prints to both, and how it ends.
fn run(desk: &Path, command: &str) -> (Vec<String>, Option<i32>) {
    let binary = Path::new(env!("CARGO_BIN_EXE_regate"));
    let output = Command::new("sh")
        .args(["-ec", &format!("{command} 2>&1")])
        .current_dir(desk)
        .env_clear()
        .env(
            "PATH",
            format!("{}:/usr/bin:/bin", binary.parent().unwrap().display()),
        )
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    (text.lines().map(str::to_owned).collect(), output.status.code())
}

/// Runs the examples of a document: how many commands and policies it has.
fn try_all(name: &str) -> (usize, usize) {
    let (mut commands, mut policies, mut wrong) = (0, 0, String::new());
    let mut sections = sections(&document(name)).into_iter();
    let (_, shared) = sections.next().unwrap();
    for (heading, blocks) in sections {
        let desk = tempfile::tempdir().unwrap();
        for Block { line, info, text } in shared.iter().chain(&blocks) {
            match info.split_once(' ') {
                Some((_, name)) => {
                    policies += usize::from(name.ends_with(".rego"));
                    let path = desk.path().join(name);
                    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
                    std::fs::write(path, text).unwrap();
                }
                None if info == "sh" => {
                    for (command, expected) in transcript(text) {
                        let (printed, code) = run(desk.path(), &command);
                        let is_so = |(expected, printed): (&String, &String)| {
                            glob::matches(&expected.replace('…', "*"), printed)
                        };
                        let same =
                            printed.len() == expected.len() && expected.iter().zip(&printed).all(is_so);
                        if !same || code.is_none() {
                            wrong +=
                                &format!("{heading}, line {line}: $ {command}\n{}\n", printed.join("\n"));
                        }
                        commands += 1;
                    }
                }
                None => assert_eq!(info, "text", "line {line}: a block that nothing tries"),
            }
        }
    }
    assert!(wrong.is_empty(), "these print something else:\n{wrong}");
    (commands, policies)
}

#[test]
fn every_example_does_what_it_says() {
    let (commands, policies) = try_all("policies.md");
    assert!(
        commands >= 25 && policies >= 15,
        "only {commands} commands, {policies} policies"
    );
}

#[test]
fn what_comes_from_elsewhere_runs_as_the_migration_page_says() {
    let (commands, policies) = try_all("migrate.md");
    assert!(
        commands >= 5 && policies >= 3,
        "only {commands} commands, {policies} policies"
    );
}

#[test]
fn the_table_says_which_key_of_match_holds_where() {
    let document = document("policies.md");
    let rows: Vec<Vec<&str>> = document
        .lines()
        .skip_while(|line| !line.starts_with("| key of `match` |"))
        .take_while(|line| line.starts_with('|'))
        .map(|line| line.trim_matches('|').split('|').map(str::trim).collect())
        .collect();
    let gates: Vec<Gate> = rows[0][1..=5].iter().map(|gate| gate.parse().unwrap()).collect();
    assert_eq!(gates, Gate::ALL);
    let told: Vec<(&str, Vec<bool>)> = rows[2..]
        .iter()
        .map(|row| {
            (
                row[0].trim_matches('`'),
                row[1..=5].iter().map(|cell| *cell == "yes").collect(),
            )
        })
        .collect();
    let at_each = |holds: &dyn Fn(Gate) -> bool| Gate::ALL.into_iter().map(holds).collect::<Vec<_>>();
    let keys = Key::ALL.map(|key| (key.as_str(), at_each(&|gate| key.holds_at(gate))));
    let selector = (NAMESPACE_SELECTOR, at_each(&has_namespace_selector));
    assert_eq!(told, keys.into_iter().chain([selector]).collect::<Vec<_>>());
    let cells = rows[2..].iter().flat_map(|row| &row[1..=5]);
    assert!(cells.into_iter().all(|cell| ["yes", ""].contains(cell)));
}
