//! Asking policies: those that the review matches, in their order, each for what its word is worth.
//!
//! Called once per review, on a thread of its gate. Everything that metadata says is settled here before Rego runs:
//! exceptions skip, dry runs are only rehearsed, warnings never deny.

use std::time::{Duration, Instant};

use super::namespace::NamespaceOf;
use super::{Policies, Review, Settings};
use crate::gate::Gate;
use crate::policy::dialect;
use crate::policy::select::Selected;
use crate::policy::{Document, Enforcement, Evaluate, Fault, Limits, Outcome, Policy, context_of_now};

/// What all policies of one review share.
struct Question<'a> {
    by: &'a dyn Evaluate,
    limits: Limits,
    namespace: NamespaceOf<'a>,
    /// `input.regate`, without what differs between policies.
    regate: Document,
}

/// Asks every policy that the review matches; mutating ones in their order, each about the object as patched so far.
pub(super) fn evaluate<R: Review>(
    review: &mut R,
    Policies { set, by }: &Policies<'_>,
    settings: &Settings,
    deadline: Instant,
) {
    // The answer leaves from another thread at the deadline; what was decided until shortly before shall be in it.
    let started = Instant::now();
    let margin = (deadline.saturating_duration_since(started) / 10).min(Duration::from_millis(50));
    let mut context = context_of_now(R::GATE);
    context.now_ns = settings.now_ns.unwrap_or(context.now_ns);
    let limits = Limits {
        deadline: deadline.checked_sub(margin).unwrap_or(deadline),
        context,
    };
    let facts = review.facts().clone();
    // At admission the API server has seen the Namespace; at authz anybody can ask for one that never was, and must not
    // hold up a thread with it.
    let patience = if R::GATE == Gate::Authz {
        started
    } else {
        limits.deadline
    };
    let question = Question {
        by: *by,
        limits,
        namespace: NamespaceOf::new(&settings.namespaces, &facts, patience),
        regate: Document::object([
            ("gate", Document::text(R::GATE.as_str())),
            ("revision", Document::text(&set.revision)),
        ]),
    };
    by.begins(&facts, &|| question.namespace.get());
    let selected = set.select(R::GATE, &facts, limits.context.now_ns, &|| {
        question.namespace.get()
    });
    loop {
        for one in &selected {
            ask(review, one, &question);
        }
        if !review.again() {
            return;
        }
    }
}

/// Asks one policy, unless an exception frees the review of it.
fn ask<R: Review>(review: &mut R, selected: &Selected<'_>, question: &Question<'_>) {
    let policy = selected.policy;
    let rehearses = policy.enforcement == Enforcement::Dryrun;
    if !review.asks(policy) || (review.repeats() && (rehearses || selected.exception.is_some())) {
        return;
    }
    if !rehearses {
        review.matched(policy);
    }
    if let Some(exception) = selected.exception {
        review.tally().except(policy, exception);
        return;
    }
    let outcome = match selected.unknown {
        Some(unknown) => Err(Fault::Namespace(unknown)),
        None => question.put_to(policy, review.input()),
    };
    if let Ok(Outcome {
        passed_over: Some(fault),
        ..
    }) = &outcome
    {
        review.tally().pass_over(policy, fault.clone());
    }
    if let Ok(outcome) = &outcome {
        review.tally().excuse(policy, &outcome.excused);
    }
    enforce(review, policy, outcome);
}

impl Question<'_> {
    fn put_to(&self, policy: &Policy, input: &Document) -> Result<Outcome, Fault> {
        let namespace = match policy.reads_namespace {
            true => self.namespace.get()?,
            false => None,
        };
        let asked = policy.dialect.input(dialect::Question {
            review: input,
            regate: self.regate.with("policy", Document::text(&policy.name)),
            parameters: &policy.parameters,
            namespace: namespace.as_deref(),
        });
        match asked {
            Some(input) => self.by.evaluate(policy, &input, &self.limits),
            None => Ok(Outcome::default()),
        }
    }
}

/// Takes what a policy came to for what its word is worth.
fn enforce<R: Review>(review: &mut R, policy: &Policy, outcome: Result<Outcome, Fault>) {
    match (policy.enforcement, outcome) {
        (Enforcement::Dryrun, Ok(outcome)) => match review.rehearse(&outcome) {
            Some(fault) => review
                .tally()
                .fault(&policy.name, policy.enforcement, fault, false),
            None => review.tally().rehearse(policy, outcome),
        },
        (Enforcement::Warn, Ok(mut outcome)) => {
            let denials = std::mem::take(&mut outcome.deny);
            review.tally().warn(policy, denials);
            review.take(policy, outcome);
        }
        (Enforcement::Deny, Ok(outcome)) => review.take(policy, outcome),
        (enforcement, Err(fault)) => {
            let counts = review.counts(policy);
            review.tally().fault(&policy.name, enforcement, fault, counts);
        }
    }
}
