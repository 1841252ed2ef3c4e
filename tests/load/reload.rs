//! Policies that change again and again, in every way that files are written, while reviews go on.
//!
//! Each generation is a number in four files: three libraries and a data file. The policies deny everything with the
//! numbers they see and the revision they belong to, so that an answer tells which set it came from. Always holds: no
//! call fails, the numbers of an answer are one, it is that of a good generation, and a revision has one number.
//! A generation whose writer stood still between two files for longer than the server waits may have been read half
//! done: only there may numbers differ.

mod writer;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use self::writer::{Writer, files};
use crate::either;
use crate::process::{Process, soon};
use crate::serving::Client;

crate::cases![every_review_is_decided_by_one_good_set_while_policies_change];

/// Reviews per second, of all connections together, and how many connections there are at each gate.
const RATE: u32 = 200;
const CONNECTIONS: u32 = 2;

/// What one answer told: the numbers, and the revision.
type Told = (Vec<u64>, String);

fn every_review_is_decided_by_one_good_set_while_policies_change() {
    let first = files(0);
    let first: Vec<_> = first
        .iter()
        .map(|(name, text)| (name.as_str(), text.as_str()))
        .collect();
    let process = Process::start_logging("info", &first, &["--policy", "policies"]);
    let over = AtomicBool::new(false);
    let (told, writer) = thread::scope(|scope| {
        let asking: Vec<_> = (0..2 * CONNECTIONS)
            .map(|number| {
                let (client, over) = (process.client(), &over);
                scope.spawn(move || ask(client, number % 2 == 0, over))
            })
            .collect();
        let mut writer = Writer::new(process.path("policies"));
        let writing = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| write(&process, &mut writer)));
        over.store(true, Ordering::Relaxed);
        let told: Vec<Told> = asking
            .into_iter()
            .flat_map(|thread| thread.join().unwrap())
            .collect();
        writing.unwrap();
        (told, writer)
    });
    check(&told, &writer);
    let loads = process.events("policy_loaded").len();
    let refusals = process.events("policy_rejected").len();
    eprintln!(
        "{} changes, {loads} sets taken over, {refusals} findings, {} reviews, effective after at most {:?}, {} half done",
        writer.generation,
        told.len(),
        writer.slowest,
        writer.torn.len()
    );
    assert!(loads > 3 && refusals > 0, "{loads} {refusals}");
}

/// Writes all generations; every tenth is waited for, the others come as they come.
fn write(process: &Process, writer: &mut Writer) {
    let changes = either(60, 1_000);
    while writer.generation < changes {
        let is_good = writer.change();
        if writer.generation.is_multiple_of(10) {
            settle(process, writer, is_good);
        } else {
            thread::park_timeout(Duration::from_millis(writer.pause()));
        }
    }
    writer.good();
    settle(process, writer, true);
}

/// Waits until the generation that was written last is served, or has been refused and the one before still is.
fn settle(process: &Process, writer: &mut Writer, is_good: bool) {
    let begin = Instant::now();
    if !is_good {
        let is_refused = || {
            process.metrics("regate_policy_last_reload_successful")
                == ["regate_policy_last_reload_successful 0"]
        };
        soon("the bad set is refused", || is_refused().then_some(()));
        return;
    }
    let mut client = process.client();
    let wanted = u64::try_from(writer.generation).unwrap();
    soon("the new set is served", || {
        let (numbers, _) = told(&mut client, true);
        numbers.iter().all(|number| *number == wanted).then_some(())
    });
    writer.slowest = writer.slowest.max(begin.elapsed());
}

/// Asks at its share of the rate until all is over.
fn ask(mut client: Client, validate: bool, over: &AtomicBool) -> Vec<Told> {
    let begin = Instant::now();
    let mut all = Vec::new();
    while !over.load(Ordering::Relaxed) {
        all.push(told(&mut client, validate));
        let due = begin + Duration::from_secs(1) * u32::try_from(all.len()).unwrap() * 2 * CONNECTIONS / RATE;
        thread::park_timeout(due.saturating_duration_since(Instant::now()));
    }
    all
}

/// Asks once: the numbers and the revision of the set that answered.
fn told(client: &mut Client, validate: bool) -> Told {
    let (target, review) = if validate {
        ("/v1/validate", admission())
    } else {
        ("/v1/authz", access())
    };
    let response = client.post(target, review.to_string());
    assert_eq!(response.status, 200, "{}", response.body);
    let said: Value = serde_json::from_str(&response.body).unwrap();
    let text = if validate {
        assert_eq!(said["response"]["allowed"], false, "{said}");
        said["response"]["status"]["message"].as_str().unwrap().to_owned()
    } else {
        assert_eq!(said["status"]["denied"], true, "{said}");
        said["status"]["reason"].as_str().unwrap().to_owned()
    };
    let words = text
        .strip_prefix("[guard] ")
        .unwrap_or_else(|| panic!("a fault: {said}"));
    let (numbers, revision) = words.split_once(" of ").unwrap();
    (
        numbers.split(' ').map(|number| number.parse().unwrap()).collect(),
        revision.to_owned(),
    )
}

fn check(told: &[Told], writer: &Writer) {
    let mut numbers_of: BTreeMap<&str, &[u64]> = BTreeMap::new();
    for (numbers, revision) in told {
        assert_eq!(numbers.len(), 4);
        assert_eq!(
            numbers_of.entry(revision).or_insert(numbers),
            &numbers,
            "two sets of one revision"
        );
        let (Some(lowest), Some(highest)) = (numbers.iter().min(), numbers.iter().max()) else {
            unreachable!()
        };
        if lowest == highest {
            assert!(!writer.bad.contains(lowest), "{numbers:?} was bad");
        } else {
            let torn = writer.torn.iter().any(|torn| (lowest..=highest).contains(&torn));
            assert!(torn, "{numbers:?}: a set of several generations");
        }
    }
    assert!(numbers_of.len() > 3, "{numbers_of:?}");
}

fn admission() -> Value {
    json!({"kind": "AdmissionReview", "apiVersion": "admission.k8s.io/v1", "request": {
        "uid": "u", "kind": {"group": "", "version": "v1", "kind": "ConfigMap"},
        "resource": {"group": "", "version": "v1", "resource": "configmaps"}, "operation": "CREATE",
        "userInfo": {"username": "jane"}, "object": {"apiVersion": "v1", "kind": "ConfigMap"}}})
}

fn access() -> Value {
    json!({"kind": "SubjectAccessReview", "apiVersion": "authorization.k8s.io/v1", "spec": {
        "user": "jane", "resourceAttributes": {"verb": "get", "resource": "pods"}}})
}
