//! Which policy a thread evaluates at the moment, and which policies are given up.
//!
//! An evaluation cannot be ended from outside. Whoever watches a thread that does not come back learns here which policy
//! holds it, and notes it in that policy's [`Conduct`]. A policy that was noted three times is not evaluated any more,
//! so that it cannot take all threads of its gate. The conduct belongs to the set: the next one begins afresh.

use std::cell::OnceCell;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::Policy;

/// How many evaluations of a policy may not end before it is given up.
const CHANCES: u32 = 3;

/// How many evaluations of a policy did not end.
#[derive(Debug, Default)]
pub struct Conduct(AtomicU32);

impl Conduct {
    /// Notes that an evaluation does not end.
    pub fn note_stuck(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    /// Whether the policy is not to be evaluated any more.
    pub(super) fn is_given_up(&self) -> bool {
        self.0.load(Ordering::Relaxed) >= CHANCES
    }
}

/// A policy under evaluation.
#[derive(Clone, Debug)]
pub struct Evaluating {
    /// Its name.
    pub policy: String,
    /// Its conduct so far.
    pub conduct: Arc<Conduct>,
}

/// What one thread evaluates; shared with whoever watches the thread.
#[derive(Clone, Debug, Default)]
pub struct Slot(Arc<Mutex<Option<Evaluating>>>);

thread_local! {
    static SLOT: OnceCell<Slot> = const { OnceCell::new() };
}

impl Slot {
    /// The slot of the calling thread.
    pub fn of_this_thread() -> Self {
        SLOT.with(|slot| slot.get_or_init(Self::default).clone())
    }

    /// The policy that is evaluated now.
    pub fn evaluating(&self) -> Option<Evaluating> {
        self.lock().clone()
    }

    fn lock(&self) -> MutexGuard<'_, Option<Evaluating>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The calling thread evaluates `policy` until what is returned is dropped, be it by a panic.
pub(super) fn enter(policy: &Policy) -> Entered {
    let slot = Slot::of_this_thread();
    *slot.lock() = Some(Evaluating {
        policy: policy.name.clone(),
        conduct: Arc::clone(&policy.conduct),
    });
    Entered(slot)
}

/// An evaluation that goes on.
pub(super) struct Entered(Slot);

impl Drop for Entered {
    fn drop(&mut self) {
        *self.0.lock() = None;
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;
    use std::thread;
    use std::time::{Duration, Instant};

    use super::*;
    use crate::gate::Gate;
    use crate::policy::files::{Files, RegoFile};
    use crate::policy::load::load;
    use crate::policy::{Document, Evaluate, Fault, Limits, PolicySet, context_of_now};

    const PATIENCE: Duration = Duration::from_secs(20);

    /// `slow` runs until its deadline, `quick` does not.
    fn set() -> PolicySet {
        let slow = "package kubernetes.admission.slow
deny contains \"much\" if count([1 | some a in numbers.range(1, 9999); some b in numbers.range(1, 9999); a + b == 0]) > 0
";
        let quick = "package kubernetes.admission.quick\ndeny contains \"no\"\n";
        let module = |path: &str, text: &str| RegoFile {
            path: path.into(),
            text: text.into(),
            is_test: false,
            v0: false,
        };
        let files = Files {
            modules: vec![module("slow.rego", slow), module("quick.rego", quick)],
            ..Files::default()
        };
        load(&files).unwrap()
    }

    fn evaluate(set: &PolicySet, name: &str, time: Duration) -> Result<usize, Fault> {
        let limits = Limits {
            deadline: Instant::now() + time,
            context: context_of_now(Gate::Validate),
        };
        let policy = set.policies().iter().find(|policy| policy.name == name).unwrap();
        set.evaluate(policy, &Document::empty(), &limits)
            .map(|outcome| outcome.deny.len())
    }

    #[test]
    fn a_thread_tells_which_policy_it_evaluates_until_that_ends() {
        let (tell, told) = mpsc::channel();
        let thread = thread::spawn(move || {
            tell.send(Slot::of_this_thread()).unwrap();
            let fault = evaluate(&set(), "slow", Duration::from_secs(2)).unwrap_err();
            assert_eq!(fault, Fault::Deadline);
            Slot::of_this_thread()
        });
        let slot = told.recv_timeout(PATIENCE).unwrap();
        let begin = Instant::now();
        while slot.evaluating().is_none_or(|now| now.policy != "slow") {
            assert!(begin.elapsed() < PATIENCE, "nothing is said to be evaluated");
            thread::yield_now();
        }
        let own = thread.join().unwrap();
        assert!(own.evaluating().is_none());
        assert!(slot.evaluating().is_none());
    }

    #[test]
    fn a_policy_that_got_stuck_three_times_is_a_fault_until_the_next_set() {
        let served = set();
        let of = |name: &str| {
            served
                .policies()
                .iter()
                .find(|policy| policy.name == name)
                .unwrap()
        };
        for _ in 0..2 {
            of("quick").conduct.note_stuck();
            assert_eq!(evaluate(&served, "quick", PATIENCE), Ok(1));
        }
        of("quick").conduct.note_stuck();
        assert_eq!(evaluate(&served, "quick", PATIENCE), Err(Fault::Stuck));
        assert_eq!(Fault::Stuck.reason(), "stuck");
        assert_eq!(
            Fault::Stuck.place(),
            "not evaluated any more: three evaluations did not end"
        );
        // Nobody else has to answer for it.
        assert_eq!(
            evaluate(&served, "slow", Duration::from_millis(10)),
            Err(Fault::Deadline)
        );
        assert_eq!(evaluate(&set(), "quick", PATIENCE), Ok(1));
    }
}
