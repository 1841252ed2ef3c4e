//! `regate review --explain`: why a review was decided as it was.
//!
//! A [`Witness`] stands between the review and its policies and takes notes; when the review is decided, each policy that
//! was asked is asked again for what fired and what did not ([`PolicySet::explain`]). Only ever at the terminal of
//! whoever runs the command: what is told quotes the review.

mod diff;
mod document;
mod text;

use std::cell::RefCell;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::patch_of;
use crate::gate::Gate;
use crate::policy::explain::{Definition, Misfit};
use crate::policy::matching::Facts;
use crate::policy::select::NamespaceOf;
use crate::policy::{Document, Enforcement, Evaluate, Fault, Limits, Outcome, Policy, PolicySet};
use crate::review::{Answer, Excepted, Record};
pub(super) use document::document;
pub(super) use text::write;

/// The time in which one policy is explained.
const TIME: Duration = Duration::from_secs(10);

/// Why a review was decided as it was.
pub(super) struct Why {
    asked: Vec<Asked>,
    excepted: Vec<Excepted>,
    /// Policies of the gate that are about other reviews.
    not_asked: Vec<(String, Misfit)>,
    /// What the patch changes of the object.
    diff: Option<String>,
}

/// A policy that was asked.
struct Asked {
    policy: String,
    enforcement: Enforcement,
    took: Duration,
    fault: Option<Fault>,
    rules: Vec<(String, Vec<Definition>)>,
    prints: Vec<String>,
}

/// Evaluates for a review, and notes what is asked.
pub(super) struct Witness<'s> {
    set: &'s PolicySet,
    gate: Gate,
    notes: RefCell<Vec<Note>>,
    misfits: RefCell<Vec<(String, Misfit)>>,
}

/// One evaluation of a policy.
struct Note {
    policy: Policy,
    input: Document,
    limits: Limits,
    took: Duration,
    fault: Option<Fault>,
}

impl<'s> Witness<'s> {
    pub(super) fn new(set: &'s PolicySet, gate: Gate) -> Self {
        Self {
            set,
            gate,
            notes: RefCell::default(),
            misfits: RefCell::default(),
        }
    }

    /// What was noted, explained.
    pub(super) fn explain(self, body: &[u8], answer: &Answer, record: &Record) -> anyhow::Result<Why> {
        let asked = self.notes.into_inner().into_iter();
        Ok(Why {
            asked: asked.map(|note| explained(self.set, note)).collect(),
            excepted: record.excepted.clone(),
            not_asked: self.misfits.into_inner(),
            diff: changed(body, answer)?,
        })
    }
}

impl Evaluate for Witness<'_> {
    fn begins(&self, facts: &Facts, namespace: NamespaceOf<'_>) {
        let misfits = self.set.misfits(self.gate, facts, namespace).into_iter();
        *self.misfits.borrow_mut() = misfits
            .map(|(policy, misfit)| (policy.name.clone(), misfit))
            .collect();
    }

    fn evaluate(&self, policy: &Policy, input: &Document, limits: &Limits) -> Result<Outcome, Fault> {
        let started = Instant::now();
        let outcome = self.set.evaluate(policy, input, limits);
        let note = Note {
            policy: policy.clone(),
            input: input.clone(),
            limits: *limits,
            took: started.elapsed(),
            fault: outcome.as_ref().err().cloned(),
        };
        // A chain that changed something is run once more on what it made; that says nothing of the review itself.
        let mut notes = self.notes.borrow_mut();
        if notes.iter().all(|have| have.policy.name != note.policy.name) {
            notes.push(note);
        }
        outcome
    }
}

fn explained(set: &PolicySet, note: Note) -> Asked {
    let limits = Limits {
        deadline: Instant::now() + TIME,
        ..note.limits
    };
    let rules = note.policy.entry_rules.iter();
    Asked {
        rules: rules
            .map(|rule| {
                (
                    rule.clone(),
                    set.explain(&note.policy, rule, &note.input, &limits),
                )
            })
            .collect(),
        prints: set.prints(&note.policy, &note.input, &limits),
        policy: note.policy.name,
        enforcement: note.policy.enforcement,
        took: note.took,
        fault: note.fault,
    }
}

/// What the answer's patch changes of the review's object.
fn changed(body: &[u8], answer: &Answer) -> anyhow::Result<Option<String>> {
    let Some(patch) = patch_of(answer)? else {
        return Ok(None);
    };
    let review: Value = serde_json::from_slice(body)?;
    let before = review.pointer("/request/object").cloned().unwrap_or_default();
    let mut after = before.clone();
    json_patch::patch(&mut after, &serde_json::from_value::<json_patch::Patch>(patch)?)?;
    Ok(Some(diff::of(&before, &after)?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::context_of_now;
    use crate::policy::explain::Verdict;
    use crate::policy::files::{Files, RegoFile};
    use crate::policy::load::load;

    #[test]
    fn a_review_that_took_all_of_its_time_is_explained_all_the_same() {
        let files = Files {
            modules: vec![RegoFile {
                path: "a.rego".to_owned(),
                text: "package kubernetes.admission.a\ndeny contains \"no\" if input.a == 1\n".to_owned(),
                is_test: false,
                v0: false,
            }],
            ..Files::default()
        };
        let set = load(&files).unwrap();
        let policy = set.policies()[0].clone();
        let input = Document::from_json(&serde_json::json!({"a": 1}));
        let limits = Limits {
            deadline: Instant::now(),
            context: context_of_now(Gate::Validate),
        };
        let witness = Witness::new(&set, Gate::Validate);
        let late = witness.evaluate(&policy, &input, &limits).unwrap_err();
        assert!(matches!(late, Fault::Deadline), "{late}");

        let asked = explained(&set, witness.notes.into_inner().remove(0));
        let [(rule, definitions)] = asked.rules.as_slice() else {
            panic!("one rule is explained");
        };
        assert_eq!((rule.as_str(), definitions.len()), ("deny", 1));
        let verdict = &definitions[0].verdict;
        assert!(matches!(verdict, Verdict::Fired { .. }), "{verdict:?}");
    }
}
