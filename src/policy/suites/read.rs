//! From the YAML of a suite to its tests, with a finding for everything that means nothing.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::Suite;
use crate::policy::engine::ast::Position;
use crate::policy::finding::{Finding, Id};
use crate::policy::metadata::{Node, Tree};

/// One template with one constraint, and what is put to them.
#[derive(Debug)]
pub(super) struct Test {
    /// Empty where it has none.
    pub(super) name: String,
    pub(super) template: String,
    pub(super) constraint: String,
    /// The constraint is expected not to fit the template's schema.
    pub(super) invalid: bool,
    pub(super) skip: bool,
    pub(super) cases: Vec<Case>,
    pub(super) at: Option<Position>,
}

/// One object, and what is expected of it.
#[derive(Debug)]
pub(super) struct Case {
    /// Empty where it has none.
    pub(super) name: String,
    pub(super) object: String,
    pub(super) inventory: Vec<String>,
    pub(super) skip: bool,
    pub(super) assertions: Vec<Assertion>,
    pub(super) at: Option<Position>,
}

/// How many violations there are with such a message.
#[derive(Debug)]
pub(super) struct Assertion {
    pub(super) violations: Count,
    /// A regular expression.
    pub(super) message: Option<String>,
}

/// How many.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Count {
    /// `yes`
    Some,
    /// `no`
    None,
    /// That many.
    Exactly(u64),
}

/// Reads a suite, and notes the files that it names.
pub(super) fn suite(
    path: &Path,
    node: &Node,
    named: &mut BTreeSet<PathBuf>,
    findings: &mut Vec<Finding>,
) -> Suite {
    let mut reader = Reader {
        file: path.display().to_string(),
        directory: path.parent().unwrap_or(Path::new("")),
        skips: skips(node),
        named,
        findings,
    };
    let mut suite = Suite {
        path: path.to_owned(),
        skip: false,
        tests: Vec::new(),
    };
    let keys = ["apiVersion", "kind", "metadata", "skip", "tests"];
    for (key, value) in reader.strict("a Suite", node, &keys) {
        match key {
            "apiVersion" if value.as_text() != Some("test.gatekeeper.sh/v1alpha1") => {
                reader.finding(value, "suites have the version test.gatekeeper.sh/v1alpha1");
            }
            "kind" if value.as_text() != Some("Suite") => reader.finding(value, "the kind is Suite"),
            "skip" => suite.skip = reader.boolean(value),
            "tests" => {
                let tests = reader.list(value).iter();
                suite.tests = tests.map(|test| reader.part(test, Reader::test)).collect();
            }
            _ => {}
        }
    }
    suite
}

/// Whether a suite, a test or a case is not to be run.
fn skips(node: &Node) -> bool {
    node.get("skip")
        .is_some_and(|skip| skip.value == Tree::Bool(true))
}

struct Reader<'a> {
    file: String,
    /// What files are named from.
    directory: &'a Path,
    /// What is read is not to be run: it may name what is not there.
    skips: bool,
    /// The files that it names.
    named: &'a mut BTreeSet<PathBuf>,
    findings: &'a mut Vec<Finding>,
}

impl Reader<'_> {
    fn finding(&mut self, node: &Node, message: impl Into<String>) {
        let finding = Finding::new(Id::Gatekeeper, message).in_file(&self.file);
        self.findings.push(match node.at {
            Some(at) => finding.at(at),
            None => finding,
        });
    }

    /// The members of a map that has no other keys than these. One without a value is as good as none.
    fn strict<'n>(
        &mut self,
        what: &str,
        node: &'n Node,
        keys: &[&'static str],
    ) -> Vec<(&'static str, &'n Node)> {
        if node.members().is_none() {
            self.finding(node, format!("{what} is a map, this is {}", node.kind()));
        }
        let mut members = node.only(what, keys, |key, message| self.finding(key, message));
        members.retain(|(_, value)| value.value != Tree::Null);
        members
    }

    fn list<'n>(&mut self, node: &'n Node) -> &'n [Node] {
        node.items().unwrap_or_else(|| {
            self.finding(node, format!("this must be a list, it is {}", node.kind()));
            &[]
        })
    }

    fn boolean(&mut self, node: &Node) -> bool {
        match node.value {
            Tree::Bool(value) => value,
            _ => {
                self.finding(node, format!("this must be a boolean, it is {}", node.kind()));
                false
            }
        }
    }

    fn text(&mut self, node: &Node) -> String {
        node.as_text().map(str::to_owned).unwrap_or_else(|| {
            self.finding(node, format!("this must be a string, it is {}", node.kind()));
            String::new()
        })
    }

    /// The name of a file that is there.
    fn named(&mut self, node: &Node) -> String {
        let name = self.text(node);
        if node.as_text().is_some() {
            let path = self.directory.join(&name);
            if !self.skips && !path.is_file() {
                self.finding(node, format!("there is no file `{name}`"));
            }
            self.named.insert(path);
        }
        name
    }

    /// Reads a part of the suite, in which nothing has to be there if it is skipped.
    fn part<T>(&mut self, node: &Node, read: fn(&mut Self, &Node) -> T) -> T {
        let before = self.skips;
        self.skips |= skips(node);
        let part = read(self, node);
        self.skips = before;
        part
    }

    fn test(&mut self, node: &Node) -> Test {
        let mut test = Test {
            name: String::new(),
            template: String::new(),
            constraint: String::new(),
            invalid: false,
            skip: false,
            cases: Vec::new(),
            at: node.at,
        };
        let keys = [
            "name",
            "template",
            "constraint",
            "cases",
            "expansion",
            "invalid",
            "skip",
        ];
        for (key, value) in self.strict("a test", node, &keys) {
            match key {
                "name" => test.name = self.text(value),
                "template" => test.template = self.named(value),
                "constraint" => test.constraint = self.named(value),
                "invalid" => test.invalid = self.boolean(value),
                "skip" => test.skip = self.boolean(value),
                "cases" => {
                    let cases = self.list(value).iter();
                    test.cases = cases.map(|case| self.part(case, Self::case)).collect();
                }
                _ => self.finding(
                    value,
                    "expansion is not done here: give the cases the expanded object",
                ),
            }
        }
        for (what, given) in [("template", &test.template), ("constraint", &test.constraint)] {
            if given.is_empty() {
                self.finding(node, format!("a test needs a `{what}`"));
            }
        }
        test
    }

    fn case(&mut self, node: &Node) -> Case {
        let mut case = Case {
            name: String::new(),
            object: String::new(),
            inventory: Vec::new(),
            skip: false,
            assertions: Vec::new(),
            at: node.at,
        };
        let keys = ["name", "object", "inventory", "assertions", "skip"];
        for (key, value) in self.strict("a case", node, &keys) {
            match key {
                "name" => case.name = self.text(value),
                "object" => case.object = self.named(value),
                "skip" => case.skip = self.boolean(value),
                "inventory" => {
                    case.inventory = self.list(value).iter().map(|file| self.named(file)).collect()
                }
                _ => {
                    case.assertions = self
                        .list(value)
                        .iter()
                        .filter_map(|one| self.assertion(one))
                        .collect()
                }
            }
        }
        if case.object.is_empty() {
            self.finding(node, "a case needs an `object`");
        }
        if node
            .get("assertions")
            .and_then(Node::items)
            .is_none_or(<[Node]>::is_empty)
        {
            self.finding(node, "a case needs `assertions`");
        }
        case
    }

    fn assertion(&mut self, node: &Node) -> Option<Assertion> {
        let mut assertion = Assertion {
            violations: Count::Some,
            message: None,
        };
        for (key, value) in self.strict("an assertion", node, &["violations", "message"]) {
            match (key, &value.value) {
                ("message", _) => assertion.message = Some(self.text(value)),
                (_, Tree::Text(text)) if text == "yes" => {}
                (_, Tree::Text(text)) if text == "no" => assertion.violations = Count::None,
                (_, Tree::Number(number)) if number.as_u64().is_some() => {
                    assertion.violations = Count::Exactly(number.as_u64()?);
                }
                _ => self.finding(value, "`violations` is yes, no or how many"),
            }
        }
        Some(assertion)
    }
}
