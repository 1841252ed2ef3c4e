//! Policies on a bench: evaluated as a server would, with other data or parameters, and looked at meanwhile.
//!
//! Made for one review of `regate test`, which hands it to [`crate::policy::Evaluate`]'s callers in the place of the set.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::sync::Arc;

use super::{Reached, Trials};
use crate::policy::engine::group::Group;
use crate::policy::engine::observe::Look;
use crate::policy::{Document, Evaluate, Fault, Limits, Outcome, Policy};

/// Evaluates the policies of a set.
pub struct Bench<'a> {
    trials: &'a Trials,
    /// `data`, if it is another than that of the files.
    data: Option<Document>,
    /// `input.parameters`, of policies that get others than their own.
    parameters: &'a [(String, Document)],
    lines: bool,
    /// Groups over the other data, as far as they were needed.
    over: RefCell<BTreeMap<usize, Arc<Group>>>,
    prints: RefCell<Vec<String>>,
    reached: RefCell<Reached>,
}

impl<'a> Bench<'a> {
    /// A bench; `lines`: whether it is noted which lines policies come to.
    pub fn new(
        trials: &'a Trials,
        data: Option<Document>,
        parameters: &'a [(String, Document)],
        lines: bool,
    ) -> Self {
        Self {
            trials,
            data,
            parameters,
            lines,
            over: RefCell::default(),
            prints: RefCell::default(),
            reached: RefCell::default(),
        }
    }

    /// What policies printed, and the lines that they came to.
    pub fn seen(self) -> (Vec<String>, Reached) {
        (self.prints.into_inner(), self.reached.into_inner())
    }

    fn look(
        &self,
        group: &Group,
        policy: &Policy,
        input: &Document,
        limits: &Limits,
    ) -> Result<Outcome, Fault> {
        let look = Look {
            errors: policy.builtin_errors,
            lines: self.lines,
        };
        let observed = group.observe(&policy.entry, input, limits, look);
        self.prints.borrow_mut().extend(observed.prints);
        self.reached.borrow_mut().add(Reached(observed.reached));
        Ok(Outcome {
            passed_over: observed.passed_over,
            ..Outcome::read(&observed.value?)?
        })
    }
}

impl Evaluate for Bench<'_> {
    fn evaluate(&self, policy: &Policy, input: &Document, limits: &Limits) -> Result<Outcome, Fault> {
        let group = self.trials.set.groups.get(policy.group).ok_or(Fault::Panic)?;
        let own = self.parameters.iter().find(|(name, _)| *name == policy.name);
        let with;
        let input = match own {
            Some((_, parameters)) => {
                with = input.with("parameters", parameters.clone());
                &with
            }
            None => input,
        };
        let Some(data) = &self.data else {
            return self.look(group, policy, input, limits);
        };
        let have = self.over.borrow().get(&policy.group).cloned();
        let over = match have {
            Some(over) => over,
            None => {
                let over = Arc::new(group.with_data(data).map_err(|_| Fault::Panic)?);
                self.over.borrow_mut().insert(policy.group, Arc::clone(&over));
                over
            }
        };
        self.look(&over, policy, input, limits)
    }
}

impl Trials {
    /// The data of the files with `given` over it: objects are merged, what else is given replaces what is there.
    ///
    /// # Errors
    /// The path of a rule that the data would hide.
    pub fn with_data(&self, given: &Document) -> Result<Document, String> {
        for source in &self.sources {
            for rule in &source.rules {
                let path: Vec<String> = source.package.iter().chain([&rule.name]).cloned().collect();
                if crate::policy::load::lies_over(given, &path) {
                    return Err(path.join("."));
                }
            }
        }
        Ok(over(&self.data, given))
    }
}

fn over(base: &Document, given: &Document) -> Document {
    match (base.kind(), given.members()) {
        ("object", Some(members)) => members.into_iter().fold(base.clone(), |base, (key, member)| {
            let member = match base.get(&key) {
                Some(have) => over(&have, &member),
                None => member,
            };
            base.with(&key, member)
        }),
        _ => given.clone(),
    }
}
