//! Tests that authors write in Rego: the rules `test_*` of `*_test.rego`, loaded, run and judged.
//!
//! Used by `regate test`, never by a server. A test passes when its rule is true, and in no other case. What a policy's
//! code does in a test it does as at its gate: errors of builtins are faults unless the policy wants them otherwise.

mod bench;

use std::collections::{BTreeMap, BTreeSet};

use super::engine::ast::Source;
use super::engine::group::Group;
use super::engine::observe::{Lines, Look};
use super::engine::{Document, Limits};
use super::explain::Definition;
use super::{Fault, Finding, PolicySet};
pub use bench::Bench;

/// A policy set with its tests.
pub struct Trials {
    /// What a server would serve.
    pub set: PolicySet,
    /// Tests that do less than they seem to.
    pub warnings: Vec<Finding>,
    pub(super) data: Document,
    /// The files of policies and libraries.
    pub(super) sources: Vec<Source>,
    pub(super) groups: Vec<Group>,
    pub(super) trials: Vec<Trial>,
}

/// One test.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trial {
    /// Its package, as in `a.b_test`.
    pub package: String,
    /// The rule.
    pub name: String,
    /// The file that it is in, as the author named it.
    pub file: String,
    /// The line that it begins at.
    pub line: u32,
    /// Whether it is still to be written, and not to be run.
    pub is_todo: bool,
    /// The rule's path, as the engine is asked for it.
    pub(super) entry: String,
    /// Whether what decodes is undefined on bad input, as at authn.
    pub(super) lenient_decoding: bool,
    pub(super) group: usize,
}

/// What became of a test.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is true.
    Passed,
    /// It has another value.
    Not(Document),
    /// It could not be evaluated.
    Fault(Fault),
}

/// A test that was run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tried {
    /// What became of it.
    pub verdict: Verdict,
    /// What `print` wrote, each with its file and line.
    pub prints: Vec<String>,
    /// The lines that it came to.
    pub reached: Reached,
}

/// Lines of files that evaluations came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reached(BTreeMap<String, BTreeSet<u32>>);

impl Reached {
    /// Adds what another evaluation came to.
    pub fn add(&mut self, other: Reached) {
        for (file, lines) in other.0 {
            self.0.entry(file).or_default().extend(lines);
        }
    }
}

/// The lines of a file that an evaluation can come to, and whether one did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Coverage {
    /// The file as the author named it.
    pub file: String,
    /// By line.
    pub lines: BTreeMap<u32, bool>,
}

/// Whether a rule of this name is a test.
pub(super) fn is_test(name: &str) -> bool {
    name.starts_with("test_")
}

/// Whether a rule of this name is a test that is still to be written.
pub(super) fn is_todo(name: &str) -> bool {
    name.starts_with("todo_")
}

impl std::fmt::Debug for Trials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Trials")
            .field("set", &self.set)
            .field("trials", &self.trials)
            .finish_non_exhaustive()
    }
}

impl Trials {
    /// The tests, in the order of files and lines.
    pub fn trials(&self) -> &[Trial] {
        &self.trials
    }

    /// Runs a test. What it may take is in `limits`; `lines`: whether it is noted which lines it came to.
    pub fn run(&self, trial: &Trial, mut limits: Limits, lines: bool) -> Tried {
        limits.context.lenient_decoding = trial.lenient_decoding;
        let Some(group) = self.groups.get(trial.group) else {
            return Tried {
                verdict: Verdict::Fault(Fault::Panic),
                prints: Vec::new(),
                reached: Reached::default(),
            };
        };
        let errors = group.errors();
        let observed = group.observe(
            &trial.entry,
            &Document::undefined(),
            &limits,
            Look { errors, lines },
        );
        Tried {
            verdict: match observed.value {
                Ok(value) if value.as_bool() == Some(true) => Verdict::Passed,
                Ok(value) => Verdict::Not(value),
                Err(fault) => Verdict::Fault(fault),
            },
            prints: observed.prints,
            reached: Reached(observed.reached),
        }
    }

    /// What came of each definition of a test's rule. Slow: for one that failed only.
    pub fn explain(&self, trial: &Trial, mut limits: Limits) -> Vec<Definition> {
        limits.context.lenient_decoding = trial.lenient_decoding;
        let Some(group) = self.groups.get(trial.group) else {
            return Vec::new();
        };
        let package = std::slice::from_ref(&trial.package);
        group.explain(
            package,
            &trial.name,
            &Document::undefined(),
            group.errors(),
            &limits,
        )
    }

    /// For each file of policies and libraries, which of its lines were reached.
    pub fn coverage(&self, reached: &Reached) -> Vec<Coverage> {
        let none = BTreeSet::new();
        let of = |source: &Source| Coverage {
            file: source.path.clone(),
            lines: Lines::of(source).reached(reached.0.get(&source.path).unwrap_or(&none)),
        };
        self.sources.iter().map(of).collect()
    }
}
