//! One gate's policy runs away; the other gates must not notice.
//!
//! What the others take is compared with what they take while the same gate is asked as often about what is decided at
//! once: so only the evaluations make the difference, not the connections of the load.

use std::fs;
use std::thread;
use std::time::{Duration, Instant};

use crate::either;
use crate::pace::{self, Load, Seen, percentile};
use crate::process::Process;

crate::cases![a_policy_that_runs_away_leaves_the_other_gates_alone];

/// Runs until its deadline for a review whose uid says so.
pub(crate) const RUNAWAY: &str = r#"
package kubernetes.admission.runaway
deny contains "much" if {
	startswith(input.request.uid, "run")
	count([1 | some a in numbers.range(1, 9999); some b in numbers.range(1, 9999); a + b == 0]) > 0
}
"#;

const AUTHN: &str = r#"
package kubernetes.authentication.tokens
user := {"username": "jane"} if input.spec.token == "t-1"
"#;

const AUTHZ: &str = r#"
package kubernetes.authorization.reads
allow if input.spec.resourceAttributes.verb == "get"
"#;

const IMAGE: &str = r#"
package kubernetes.image.ours
allow if every container in input.spec.containers { startswith(container.image, "ours/") }
"#;

const MUTATE: &str = r#"
package kubernetes.mutation.labels
patch contains {"op": "add", "path": "/metadata/labels", "value": {"a": "b"}} if not input.request.object.metadata.labels
"#;

pub(crate) const POLICIES: [(&str, &str); 5] = [
    ("policies/runaway.rego", RUNAWAY),
    ("policies/authn.rego", AUTHN),
    ("policies/authz.rego", AUTHZ),
    ("policies/image.rego", IMAGE),
    ("policies/mutate.rego", MUTATE),
];

/// A review for each of the other gates, and what its answer must say.
pub(crate) const OTHERS: [(&str, &str, &str); 4] = [
    (
        "/v1/authn",
        r#"{"kind":"TokenReview","apiVersion":"authentication.k8s.io/v1","spec":{"token":"t-1"}}"#,
        r#""authenticated":true"#,
    ),
    (
        "/v1/authz",
        r#"{"kind":"SubjectAccessReview","apiVersion":"authorization.k8s.io/v1",
        "spec":{"user":"jane","resourceAttributes":{"verb":"get","resource":"pods","namespace":"default"}}}"#,
        r#""allowed":true"#,
    ),
    (
        "/v1/image",
        r#"{"kind":"ImageReview","apiVersion":"imagepolicy.k8s.io/v1alpha1",
        "spec":{"namespace":"default","containers":[{"image":"ours/a:1"}]}}"#,
        r#""allowed":true"#,
    ),
    (
        "/v1/mutate",
        r#"{"kind":"AdmissionReview","apiVersion":"admission.k8s.io/v1","request":{"uid":"m-1",
        "kind":{"group":"","version":"v1","kind":"ConfigMap"},
        "resource":{"group":"","version":"v1","resource":"configmaps"},"operation":"CREATE",
        "userInfo":{"username":"jane"},"object":{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"a"}}}}"#,
        r#""patchType":"JSONPatch""#,
    ),
];

/// Twenty reviews a second at each of the other gates.
const PACE: Load = Load {
    connections: 2,
    rate: 20,
};

/// Asks the other gates, and gives all answers, each of which was right.
pub(crate) fn others(process: &Process, lasting: Duration) -> Vec<Seen> {
    others_from(Instant::now() + CONNECTED, process, lasting)
}

/// Until then all clients have their connections.
const CONNECTED: Duration = Duration::from_millis(500);

/// The gates are asked one after the other, a millisecond apart: what is measured is not how they wait for each other.
fn others_from(begin: Instant, process: &Process, lasting: Duration) -> Vec<Seen> {
    thread::scope(|scope| {
        let mut begin = begin;
        let asking = OTHERS.map(|(target, review, expected)| {
            begin += Duration::from_millis(1);
            scope.spawn(move || {
                let review = |_| review.to_owned();
                let seen = pace::send_from(Some(begin), process, target, PACE, lasting, review);
                for one in &seen {
                    assert!(one.body.contains(expected), "{target}: {one:?}");
                }
                seen
            })
        });
        asking.into_iter().flat_map(|one| one.join().unwrap()).collect()
    })
}

/// Asks the other gates while the validating one is asked 200 times a second about reviews of such a uid.
fn beside(process: &Process, uid: &str, lasting: Duration) -> (Vec<Seen>, Vec<Seen>) {
    // So many connections that those which wait for an evaluation do not slow the pace.
    let load = Load {
        connections: 60,
        rate: 200,
    };
    let begin = Instant::now() + CONNECTED;
    thread::scope(|scope| {
        let beside = scope.spawn(move || {
            pace::send_from(Some(begin), process, "/v1/validate", load, lasting, |n| {
                pace::admission(&format!("{uid}-{n}"))
            })
        });
        let seen = others_from(begin, process, lasting);
        (seen, beside.join().unwrap())
    })
}

fn a_policy_that_runs_away_leaves_the_other_gates_alone() {
    let process = Process::start(&POLICIES, &["--policy", "policies"]);
    let lasting = Duration::from_secs(either(3, 60));
    let (alone, quick) = beside(&process, "quick", lasting);
    assert!(quick.iter().all(|one| one.code() == 200), "{quick:?}");
    let (disturbed, runaways) = beside(&process, "run", lasting);
    let mut late = 0;
    for one in &runaways {
        match one.code() {
            429 => {}
            504 => late += 1,
            _ => panic!("neither overload nor deadline: {one:?}"),
        }
    }
    // Each thread of the gate is at one all the time.
    assert!(late >= 2, "{late}");
    // Each core has a thread that wakes some thousand times a second, so that the scheduler looks who waits for it.
    let beats = pulse(&process);
    assert!(!beats.is_empty(), "no core has a pulse");
    assert!(
        beats.iter().all(|beats| *beats >= 100 * lasting.as_secs()),
        "{beats:?}"
    );
    let p99 = |seen: &[Seen]| percentile(seen.iter().map(|one| one.took), 990);
    let (before, now) = (p99(&alone), p99(&disturbed));
    eprintln!(
        "p99 of the others {before:?}, beside runaways {now:?}; {} runaways refused, {late} at their deadline",
        runaways.len() - late
    );
    // In a short run, on a machine that does other things, a hundredth of the answers is a few; what the runaways would
    // do to gates that shared their threads is seconds.
    let slack = Duration::from_millis(either(250, 0));
    assert!(now <= before * 2 + slack, "{before:?} became {now:?}");
}

/// How often each thread of the server's pulse has slept.
fn pulse(process: &Process) -> Vec<u64> {
    let threads = fs::read_dir(format!("/proc/{}/task", process.id())).unwrap();
    let statuses = threads.map(|thread| fs::read_to_string(thread.unwrap().path().join("status")).unwrap());
    let pulse = statuses.filter(|status| status.starts_with("Name:\tpulse-"));
    let sleeps = pulse.map(|status| {
        let sleeps = status
            .lines()
            .find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"));
        sleeps.unwrap().trim().parse().unwrap()
    });
    sleeps.collect()
}
