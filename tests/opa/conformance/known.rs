//! The cases that are known to come to something else, by reason: `known.txt`, and docs/differences.md, which tells
//! people of them.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context as _, Result, bail, ensure};

const LIST: &str = include_str!("known.txt");

const PAGE: &str = include_str!("../../../docs/differences.md");

/// Why cases come to something else.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Reason {
    /// They call a builtin that is not there.
    Builtin,
    /// They are written in a syntax that the engine does not know yet.
    Syntax,
    /// The engine, or a check of Regate's, has another answer.
    Engine,
}

/// Cases of one reason.
#[derive(Debug)]
pub(super) struct Section {
    pub(super) reason: Reason,
    /// The builtin, the syntax, or what is different.
    pub(super) name: String,
    /// Their names.
    pub(super) cases: BTreeSet<String>,
}

/// What is listed.
pub(super) fn sections() -> Result<Vec<Section>> {
    let mut sections: Vec<Section> = Vec::new();
    let lines = LIST.lines().enumerate();
    for (number, line) in lines.filter(|(_, line)| !line.is_empty() && !line.starts_with('#')) {
        let place = || format!("known.txt:{}: {line}", number + 1);
        if let Some(head) = line.strip_prefix('[').and_then(|line| line.strip_suffix(']')) {
            let (reason, name) = head.split_once(' ').with_context(place)?;
            let reason = match reason {
                "builtin" => Reason::Builtin,
                "syntax" => Reason::Syntax,
                "engine" => Reason::Engine,
                _ => bail!(place()),
            };
            sections.push(Section {
                reason,
                name: name.to_owned(),
                cases: BTreeSet::new(),
            });
            continue;
        }
        let (versions, note) = line.split_once(' ').with_context(place)?;
        let section = sections.last_mut().with_context(place)?;
        for version in versions.split('+') {
            ensure!(section.cases.insert(format!("{version}/{note}")), place());
        }
    }
    Ok(sections)
}

/// How many cases are listed for a reason.
pub(super) fn count(sections: &[Section], reason: Reason) -> usize {
    let sections = sections.iter().filter(|section| section.reason == reason);
    sections.map(|section| section.cases.len()).sum()
}

/// That the page tells of all of them, with their numbers.
pub(super) fn page_tells(sections: &[Section], cases: usize) -> Result<()> {
    let mut missing = Vec::new();
    let mut wants = |row: String| {
        if !PAGE.contains(&row) {
            missing.push(row);
        }
    };
    let [builtin, syntax, engine] =
        [Reason::Builtin, Reason::Syntax, Reason::Engine].map(|reason| count(sections, reason));
    let rest = cases - builtin - syntax;
    for (words, number) in [
        ("all", cases),
        ("a builtin that is not there", builtin),
        ("newer syntax", syntax),
        ("what is left", rest),
        ("of these the same as in OPA", rest - engine),
        ("of these different", engine),
    ] {
        wants(format!("| {words} | {number} |"));
    }
    for section in sections {
        wants(format!("| `{}` | {} |", section.name, section.cases.len()).replace("| `engine", "| engine"));
        if section.reason == Reason::Engine {
            let notes = section.cases.iter().filter_map(|name| name.split_once('/'));
            notes.for_each(|(_, note)| wants(format!("`{note}`")));
        }
    }
    ensure!(
        missing.is_empty(),
        "docs/differences.md does not say:\n{}",
        missing.join("\n")
    );
    Ok(())
}

/// Cases that are listed twice.
pub(super) fn twice(sections: &[Section]) -> Vec<&str> {
    let mut times: BTreeMap<&str, usize> = BTreeMap::new();
    for name in sections.iter().flat_map(|section| &section.cases) {
        *times.entry(name).or_default() += 1;
    }
    let twice = times.into_iter().filter(|(_, times)| *times > 1);
    twice.map(|(name, _)| name).collect()
}
