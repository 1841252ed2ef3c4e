//! Reading a suite, with a finding for everything that means nothing.

use std::path::{Path, PathBuf};

use serde_json::Value;

use super::super::Named;
use super::super::case::Place;
use super::MAX_BYTES;
use crate::gate::Gate;
use crate::policy::finding::{Finding, Id};
use crate::policy::metadata::Node;
use crate::policy::trials::Trials;
use crate::watch;

/// Reads one suite.
pub(super) struct Reader<'a> {
    file: String,
    directory: PathBuf,
    pub(super) trials: &'a Trials,
    findings: Vec<Finding>,
    /// The files that the suite names.
    pub(super) named: Named,
}

impl<'a> Reader<'a> {
    pub(super) fn new(path: &Path, trials: &'a Trials) -> Self {
        Self {
            file: path.display().to_string(),
            directory: path.parent().map(Path::to_owned).unwrap_or_default(),
            trials,
            findings: Vec::new(),
            named: Named::new(),
        }
    }

    /// The suite as the author named it.
    pub(super) fn file(&self) -> &str {
        &self.file
    }

    pub(super) fn into_findings(self) -> Vec<Finding> {
        self.findings
    }

    /// Where a part of the suite stands.
    pub(super) fn place(&self, node: &Node) -> Place {
        Place {
            file: self.file.clone(),
            line: node.at.map_or(1, |at| at.line),
        }
    }

    /// Notes what is wrong with a part.
    pub(super) fn wrong(&mut self, node: &Node, message: impl Into<String>) {
        let finding = Finding::new(Id::Suite, message).in_file(self.file.as_str());
        self.findings.push(match node.at {
            Some(at) => finding.at(at),
            None => finding,
        });
    }

    /// Notes keys of a map that are none of these, and what is no map.
    pub(super) fn keys(&mut self, node: &Node, what: &str, known: &[&str]) {
        let Some(members) = node.members() else {
            return self.wrong(node, format!("{what} is a map, not {}", node.kind()));
        };
        for (key, _) in members {
            let name = key.as_text().unwrap_or_default();
            if !known.contains(&name) {
                let near = nearest(name, known.iter().copied());
                self.wrong(key, format!("{what} has no key `{name}`{near}"));
            }
        }
    }

    /// A string.
    pub(super) fn text(&mut self, node: &Node, what: &str) -> Option<String> {
        let text = node.as_text().map(str::to_owned);
        if text.is_none() {
            self.wrong(node, format!("`{what}` is a string, not {}", node.kind()));
        }
        text
    }

    /// Strings: a list of them, or one.
    pub(super) fn texts(&mut self, node: &Node, what: &str) -> Option<Vec<String>> {
        let texts = match node.items() {
            Some(items) => items
                .iter()
                .map(|item| item.as_text().map(str::to_owned))
                .collect(),
            None => node.as_text().map(|text| vec![text.to_owned()]),
        };
        if texts.is_none() {
            self.wrong(node, format!("`{what}` is a list of strings"));
        }
        texts
    }

    /// A map as JSON.
    pub(super) fn object(&mut self, node: &Node, what: &str) -> Option<Value> {
        let json = node.members().and_then(|_| node.to_json());
        if json.is_none() {
            self.wrong(node, format!("`{what}` is a map whose keys are strings"));
        }
        json
    }

    /// The text of a file that the suite names, from where the suite is.
    pub(super) fn file_text(&mut self, node: &Node, name: &str) -> Option<(PathBuf, String)> {
        let path = self.directory.join(name);
        let content = watch::read(&path, MAX_BYTES);
        self.named.insert(path.clone(), content.clone());
        let text = content.and_then(|bytes| String::from_utf8(bytes).map_err(|_| "is not UTF-8".to_owned()));
        match text {
            Ok(text) => Some((path, text)),
            Err(problem) => {
                self.wrong(node, format!("{}: {problem}", path.display()));
                None
            }
        }
    }

    /// Notes names that no policy of these gates has.
    pub(super) fn policies(&mut self, node: &Node, names: &[String], gates: &[Gate]) {
        let trials = self.trials;
        let known: Vec<&str> = gates
            .iter()
            .flat_map(|gate| trials.set.of(*gate))
            .map(|policy| policy.name.as_str())
            .collect();
        let gates: Vec<&str> = gates.iter().map(|gate| gate.as_str()).collect();
        for name in names {
            if !known.contains(&name.as_str()) {
                let near = nearest(name, known.iter().copied());
                self.wrong(
                    node,
                    format!("there is no policy `{name}` at {}{near}", gates.join(" or ")),
                );
            }
        }
    }
}

/// `: did you mean …?`, where something has nearly that name; of short ones almost all others do.
pub(super) fn nearest<'n>(name: &str, known: impl Iterator<Item = &'n str>) -> String {
    let nearest = known
        .map(|known| (strsim::levenshtein(known, name), known))
        .min()
        .filter(|(distance, _)| *distance <= (name.len() / 3).min(2));
    nearest.map_or_else(String::new, |(_, near)| format!(": did you mean `{near}`?"))
}
