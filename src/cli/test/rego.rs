//! Rego tests as cases.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::case::{Case, Failure, Place, Tried};
use super::why;
use crate::gate::Gate;
use crate::policy::trials::{Trial, Trials, Verdict};
use crate::policy::{Limits, context_of_now};

/// The time in which a failed test is explained.
const EXPLAINING: Duration = Duration::from_secs(10);

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
            label: format!("data.{}.{}", trial.package, trial.name),
            work: (!trial.is_todo).then(|| -> super::case::Work {
                Box::new(move |deadline| run(&trials, &tested, deadline, lines))
            }),
            place,
        }
    })
}

fn run(trials: &Trials, trial: &Trial, deadline: Instant, lines: bool) -> Tried {
    // Of the gate it is only taken whether what decodes is lenient, and that the test knows itself.
    let context = context_of_now(Gate::Validate);
    let started = Instant::now();
    let tried = trials.run(trial, Limits { deadline, context }, lines);
    let took = started.elapsed();
    let place = Place {
        file: trial.file.clone(),
        line: trial.line,
    };
    let explained = || {
        let deadline = Instant::now() + EXPLAINING;
        why::of(&trials.explain(trial, Limits { deadline, context }))
    };
    let failure = match tried.verdict {
        Verdict::Passed => None,
        Verdict::Fault(fault) => Some(Failure::error(&place, fault.to_string())),
        Verdict::Not(value) => Some(match (value.kind(), value.kind() == "undefined") {
            (_, true) => {
                let (at, text) = explained().unwrap_or_else(|| (place, "no body of it holds".to_owned()));
                Failure {
                    is_error: false,
                    place: at,
                    text,
                }
            }
            (kind, false) => Failure {
                is_error: false,
                place,
                text: match kind {
                    "boolean" => "it is false".to_owned(),
                    kind => format!("it has a value of type {kind}; a test passes when it is true"),
                },
            },
        }),
    };
    Tried {
        failure,
        prints: tried.prints,
        reached: tried.reached,
        took,
    }
}
