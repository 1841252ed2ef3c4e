//! Rego tests as cases.

use std::sync::Arc;
use std::time::Instant;

use super::case::{Case, Failure, Place, Tried};
use crate::gate::Gate;
use crate::policy::trials::{Trial, Trials, Verdict};
use crate::policy::{Limits, context_of_now};

/// A case for each test of a set; `lines`: whether it is noted which lines they come to.
pub(super) fn cases(trials: &Arc<Trials>, lines: bool) -> impl Iterator<Item = Case> {
    trials.trials().iter().map(move |trial| {
        let place = Place {
            file: trial.file.clone(),
            line: trial.line,
        };
        let (trials, tested) = (Arc::clone(trials), trial.clone());
        Case {
            group: format!("data.{}", trial.package),
            name: trial.name.clone(),
            work: (!trial.is_todo).then(|| -> super::case::Work {
                Box::new(move |deadline| run(&trials, &tested, deadline, lines))
            }),
            place,
        }
    })
}

fn run(trials: &Trials, trial: &Trial, deadline: Instant, lines: bool) -> Tried {
    let limits = Limits {
        deadline,
        // Of the gate it is only taken whether what decodes is lenient, and that the test knows itself.
        context: context_of_now(Gate::Validate),
    };
    let tried = trials.run(trial, limits, lines);
    Tried {
        failure: failure(trial, tried.verdict),
        prints: tried.prints,
        reached: tried.reached,
    }
}

fn failure(trial: &Trial, verdict: Verdict) -> Option<Failure> {
    let place = Place {
        file: trial.file.clone(),
        line: trial.line,
    };
    match verdict {
        Verdict::Passed => None,
        Verdict::Fault(fault) => Some(Failure::error(&place, fault.to_string())),
        Verdict::Not(value) => {
            let text = match value.kind() {
                "undefined" => "no body of it is true".to_owned(),
                "boolean" => "it is false".to_owned(),
                kind => format!("it has a value of type {kind}; a test passes when it is true"),
            };
            Some(Failure {
                is_error: false,
                place,
                text,
            })
        }
    }
}
