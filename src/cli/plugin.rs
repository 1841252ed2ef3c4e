//! The names under which the binary is a kubectl plugin.
//!
//! kubectl runs `kubectl-regate` for `kubectl regate`, and asks `kubectl_complete-regate` what could come next when
//! somebody presses the tabulator; both are this binary under another name. As the plugin it asks the cluster that kubectl
//! would ask. What completion prints is what kubectl reads: a candidate on each line, then a number that says what the
//! shell may add.

use std::ffi::OsStr;
use std::io::Write;
use std::path::Path;

use clap::{Arg, Command};

/// What the binary is to whoever runs it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Name {
    /// `regate`, and any other name.
    Regate,
    /// `kubectl-regate`
    Plugin,
    /// `kubectl_complete-regate`
    Completion,
}

impl Name {
    /// By the name that it was started as.
    pub(super) fn of(program: Option<&OsStr>) -> Self {
        let stem = program.and_then(|program| Path::new(program).file_stem()?.to_str());
        match stem {
            Some("kubectl-regate") => Name::Plugin,
            Some("kubectl_complete-regate") => Name::Completion,
            _ => Name::Regate,
        }
    }

    /// What it is called in its own help.
    pub(super) fn shown(self) -> &'static str {
        match self {
            Name::Plugin | Name::Completion => "kubectl regate",
            Name::Regate => "regate",
        }
    }
}

/// What the shell may add: nothing, or names of files.
const NO_FILES: u8 = 4;
const FILES: u8 = 0;

/// Prints what could stand for the last word.
pub(super) fn complete(mut root: Command, words: &[String], out: &mut impl Write) -> std::io::Result<()> {
    root.build();
    let (candidates, directive) = candidates(&root, words);
    for candidate in candidates {
        writeln!(out, "{candidate}")?;
    }
    writeln!(out, ":{directive}")
}

fn candidates(root: &Command, words: &[String]) -> (Vec<String>, u8) {
    let (word, before) = match words.split_last() {
        Some((word, before)) => (word.as_str(), before),
        None => ("", [].as_slice()),
    };
    let mut command = root;
    let mut value_of: Option<&Arg> = None;
    for earlier in before {
        if value_of.take().is_some() {
            continue;
        }
        if let Some(found) = flag(command, earlier) {
            value_of = (found.get_action().takes_values() && !earlier.contains('=')).then_some(found);
        } else if let Some(found) = command.find_subcommand(earlier) {
            command = found;
        }
    }
    let matching = |all: Vec<String>| all.into_iter().filter(|one| one.starts_with(word)).collect();
    if let Some(argument) = value_of {
        let values = values(argument);
        let directive = if values.is_empty() { FILES } else { NO_FILES };
        return (matching(values), directive);
    }
    if word.starts_with('-') {
        let longs = command.get_arguments().filter_map(|argument| {
            Some(described(
                &format!("--{}", argument.get_long()?),
                argument.get_help(),
            ))
        });
        return (matching(longs.collect()), NO_FILES);
    }
    let subcommands: Vec<String> = command
        .get_subcommands()
        .map(|command| described(command.get_name(), command.get_about()))
        .collect();
    let directive = if subcommands.is_empty() { FILES } else { NO_FILES };
    (matching(subcommands), directive)
}

/// A candidate with what it is for, as kubectl hands it to the shell.
fn described(name: &str, about: Option<&clap::builder::StyledStr>) -> String {
    let about = about.map(ToString::to_string).unwrap_or_default();
    match about.lines().next() {
        Some(line) => format!("{name}\t{line}"),
        None => name.to_owned(),
    }
}

/// The flag that a word names.
fn flag<'c>(command: &'c Command, word: &str) -> Option<&'c Arg> {
    let name = word.split('=').next().unwrap_or(word);
    command.get_arguments().find(|argument| {
        let long = argument.get_long().map(|long| format!("--{long}"));
        let short = argument.get_short().map(|short| format!("-{short}"));
        long.as_deref() == Some(name) || short.as_deref() == Some(name)
    })
}

/// The values that an argument may have, where they are few.
fn values(argument: &Arg) -> Vec<String> {
    // `mutate|validate` names its values, `FILE` does not.
    let names = argument.get_value_names().and_then(|names| names.first());
    match names.map(|name| name.split('|').collect::<Vec<_>>()) {
        Some(values) if values.len() > 1 => values.into_iter().map(str::to_owned).collect(),
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use clap::CommandFactory;

    use super::*;
    use crate::cli::Cli;

    /// What is printed for these words, without what the candidates are for.
    fn complete(words: &[&str]) -> Vec<String> {
        let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
        let mut out = Vec::new();
        super::complete(Cli::command(), &words, &mut out).unwrap();
        let lines = String::from_utf8(out).unwrap();
        lines
            .lines()
            .map(|line| line.split('\t').next().unwrap().to_owned())
            .collect()
    }

    #[test]
    fn the_name_says_what_it_is() {
        for (program, name, shown) in [
            ("/usr/bin/kubectl-regate", Name::Plugin, "kubectl regate"),
            ("kubectl_complete-regate", Name::Completion, "kubectl regate"),
            ("kubectl-regate.exe", Name::Plugin, "kubectl regate"),
            ("/opt/regate", Name::Regate, "regate"),
        ] {
            let found = Name::of(Some(OsStr::new(program)));
            assert_eq!((found, found.shown()), (name, shown), "{program}");
        }
        assert_eq!(Name::of(None), Name::Regate);
    }

    #[test]
    fn commands_flags_and_values_are_completed() {
        assert_eq!(complete(&["rev"]), ["review", ":4"]);
        assert!(complete(&[""]).contains(&"serve".to_owned()));
        assert_eq!(complete(&["review", "--expl"]), ["--explain", ":4"]);
        assert_eq!(complete(&["review", "--as-"]), ["--as-group", ":4"]);
        assert_eq!(complete(&["review", "-o", ""]), ["text", "json", ":4"]);
        assert_eq!(complete(&["review", "--gate", "v"]), ["validate", ":4"]);
        // A value is no command, and files are the shell's.
        assert_eq!(
            complete(&["review", "--as", "serve", "--expl"]),
            ["--explain", ":4"]
        );
        assert_eq!(
            complete(&["review", "--gate=mutate", "--expl"]),
            ["--explain", ":4"]
        );
        assert_eq!(complete(&["review", "-f", ""]), [":0"]);
        assert_eq!(complete(&["review", ""]), [":0"]);
        assert_eq!(complete(&["--policy", "review", "rev"]), ["review", ":4"]);
        assert_eq!(complete(&["nothing-like-it"]), [":4"]);
    }

    #[test]
    fn the_name_of_a_value_lists_all_that_it_may_be() {
        let mut root = Cli::command();
        root.build();
        let arguments = root.get_subcommands().flat_map(Command::get_arguments);
        let mut seen = 0;
        for argument in arguments.filter(|argument| argument.get_action().takes_values()) {
            let possible = argument.get_possible_values();
            let possible: BTreeSet<_> = possible.iter().map(|value| value.get_name().to_owned()).collect();
            if !possible.is_empty() {
                assert_eq!(BTreeSet::from_iter(values(argument)), possible, "{argument}");
                seen += 1;
            }
        }
        assert!(seen > 3, "only {seen} arguments have few values");
    }

    #[test]
    fn a_candidate_says_what_it_is_for() {
        let mut out = Vec::new();
        super::complete(Cli::command(), &["rev".to_owned()], &mut out).unwrap();
        let text = String::from_utf8(out).unwrap();
        assert_eq!(text, "review\tDecides reviews from files, without a server\n:4\n");
    }
}
