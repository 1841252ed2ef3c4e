//! More reviews than a gate can answer: refused at once, the others answered as ever.

use std::thread;
use std::time::Duration;

use crate::either;
use crate::isolation::{OTHERS, POLICIES, others};
use crate::pace::{self, Load, Seen, percentile};
use crate::process::Process;

crate::cases![
    five_times_what_a_gate_can_answer_is_refused_at_once_and_forgotten_after,
    without_policies_every_review_is_refused_at_once,
];

/// Some tens of milliseconds of work, and no uid of a `bad` review may pass.
const WORK: &str = r#"
package kubernetes.admission.work
deny contains "bad" if startswith(input.request.uid, "bad")
deny contains "much" if count([1 | some a in numbers.range(1, 150); some b in numbers.range(1, 150); a + b == 0]) > 0
"#;

fn five_times_what_a_gate_can_answer_is_refused_at_once_and_forgotten_after() {
    let mut policies = POLICIES.to_vec();
    policies.push(("policies/work.rego", WORK));
    let process = Process::start(&policies, &["--policy", "policies"]);
    let capacity = capacity(&process);
    let load = Load {
        connections: 100,
        rate: capacity * 5,
    };
    let lasting = Duration::from_secs(either(4, 60));
    let (seen, others) = thread::scope(|scope| {
        let others = scope.spawn(|| others(&process, lasting));
        let seen = pace::send(&process, "/v1/validate", load, lasting, review);
        (seen, others.join().unwrap())
    });
    let (refused, answered): (Vec<_>, Vec<_>) = seen.iter().partition(|one| one.code() == 429);
    for one in &answered {
        assert_eq!(one.code(), if is_bad(one) { 403 } else { 200 }, "{one:?}");
    }
    let took = |seen: &[&Seen], share| percentile(seen.iter().map(|one| one.answered_in), share);
    eprintln!(
        "{capacity} a second: {} answered, p50 {:?}, p99 {:?}; {} refused, p50 {:?}, p99 {:?}; others p99 {:?}",
        answered.len(),
        took(&answered, 500),
        took(&answered, 990),
        refused.len(),
        took(&refused, 500),
        took(&refused, 990),
        percentile(others.iter().map(|one| one.took), 990),
    );
    // In a short run the machine may have become so much faster meanwhile that little is refused.
    let least = either(1, answered.len());
    assert!(refused.len() >= least, "{} of {}", refused.len(), seen.len());
    // Of what the gate can answer it goes on answering most.
    assert!(answered.len() as u64 >= u64::from(capacity) * lasting.as_secs() / 4);
    // Well within the deadline, though the machine has five times too much to do.
    assert!(took(&answered, 990) < Duration::from_millis(either(2_500, 1_000)));
    assert!(took(&refused, 500) < Duration::from_millis(50));
    assert!(took(&refused, 990) < Duration::from_millis(either(1_000, 50)));
    let beside = percentile(others.iter().map(|one| one.took), 990);
    assert!(beside < Duration::from_millis(either(1_000, 50)), "{beside:?}");
    // The overload is over, and the next reviews are answered.
    let calm = Load {
        connections: 2,
        rate: (capacity / 4).max(2),
    };
    let after = pace::send(&process, "/v1/validate", calm, Duration::from_secs(1), review);
    assert!(after.iter().all(|one| one.code() != 429), "{after:?}");
}

fn without_policies_every_review_is_refused_at_once() {
    let process = Process::start(&[("policies/empty/README", "")], &["--policy", "policies/empty"]);
    let load = Load {
        connections: 4,
        rate: 200,
    };
    let lasting = Duration::from_secs(either(1, 10));
    for (target, review, _) in OTHERS {
        let seen = pace::send(&process, target, load, lasting, |_| review.to_owned());
        for one in &seen {
            match target {
                "/v1/mutate" => assert_eq!(one.code(), 503, "{one:?}"),
                _ => assert_eq!((one.status, one.body.as_str()), (503, "no policies are loaded\n")),
            }
        }
        let slowest = percentile(seen.iter().map(|one| one.answered_in), 990);
        eprintln!("{target}: {} refused, p99 {slowest:?}", seen.len());
        assert!(
            slowest < Duration::from_millis(either(1_000, 50)),
            "{target}: {slowest:?}"
        );
    }
}

/// Every second review is a bad one.
fn review(number: usize) -> String {
    pace::admission(if number.is_multiple_of(2) { "bad" } else { "good" })
}

fn is_bad(one: &Seen) -> bool {
    one.answer()["uid"] == "bad"
}

/// How many reviews a second the gate answers when each of its threads always has one.
fn capacity(process: &Process) -> u32 {
    let all = Load {
        connections: 2,
        rate: 100_000,
    };
    let lasting = Duration::from_secs(1);
    let seen = pace::send(process, "/v1/validate", all, lasting, review);
    u32::try_from(seen.len()).unwrap()
}
