//! Evaluations that do not end: what becomes of their threads, their policies and their gate.

use std::io;
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Mutex, PoisonError};

use super::*;
use crate::policy::evaluating::Slot;
use crate::policy::files::{Files, RegoFile};
use crate::policy::load::load;
use crate::policy::{Document, Evaluate, Limits, PolicySet, context_of_now};

const PATIENCE: Duration = Duration::from_secs(20);

/// Says when a decision begins, and lets it end on a word.
struct Held {
    begun: Mutex<Sender<()>>,
    release: Mutex<Receiver<()>>,
}

impl Decide for Held {
    fn decide(&self, gate: Gate, _: &[u8], _: &EnvelopeHint, _: Instant) -> (Answer, Record) {
        self.begun
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .send(())
            .unwrap();
        self.release
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .recv_timeout(PATIENCE)
            .unwrap();
        nothing(gate)
    }

    fn refuse(&self, gate: Gate, _: &EnvelopeHint, _: &Failure) -> (Answer, Record) {
        nothing(gate)
    }

    fn checks(&self) -> Vec<(&'static str, bool)> {
        Vec::new()
    }
}

fn nothing(gate: Gate) -> (Answer, Record) {
    let answer = Answer {
        status: 200,
        content_type: "text/plain",
        body: Bytes::new(),
    };
    (answer, Record::new(gate, ""))
}

/// A crew with a thread, tended by hand.
struct Stage {
    crew: Crew,
    metrics: Arc<Metrics>,
    callers: Vec<oneshot::Receiver<(Answer, Record)>>,
}

impl Stage {
    fn new(decide: Arc<dyn Decide>) -> Self {
        let metrics = Arc::new(Metrics::default());
        let workers = Workers {
            threads: 1,
            ..Workers::default()
        };
        let cores = Arc::new(Cores::new());
        let crew = Crew::new(Gate::Validate, workers, &decide, &metrics, &cores);
        crew.tend(Instant::now()).unwrap();
        Self {
            crew,
            metrics,
            callers: Vec::new(),
        }
    }

    /// A review of this uid joins the line; when it has to be answered, if it got in.
    fn join(&mut self, uid: &str) -> Option<Instant> {
        let (reply, caller) = oneshot::channel();
        self.callers.push(caller);
        let now = Instant::now();
        let deadline = now + PATIENCE;
        let job = Job {
            body: Bytes::new(),
            hint: EnvelopeHint {
                uid: Some(uid.to_owned()),
                ..EnvelopeHint::default()
            },
            deadline,
            reply,
            waits: self.metrics.queued(),
        };
        self.crew.line().join(job, now).then_some(deadline)
    }

    fn has(&self, line: &str) -> bool {
        self.metrics.encode().unwrap().lines().any(|one| one == line)
    }

    /// Tends the crew until the metrics have a line.
    #[track_caller]
    fn soon(&self, line: &str) {
        let begin = Instant::now();
        while !self.has(line) {
            assert!(begin.elapsed() < PATIENCE, "{}", self.metrics.encode().unwrap());
            thread::park_timeout(Duration::from_millis(5));
            self.crew.tend(Instant::now()).unwrap();
        }
    }
}

/// A crew whose decisions are held, the end of which each begins and the word that ends one.
fn held() -> (Stage, Receiver<()>, Sender<()>) {
    let ((begun, begins), (release, released)) = (mpsc::channel(), mpsc::channel());
    let decide = Held {
        begun: Mutex::new(begun),
        release: Mutex::new(released),
    };
    (Stage::new(Arc::new(decide)), begins, release)
}

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn a_thread_that_does_not_come_back_is_replaced_and_ends_when_it_does() {
    let (mut stage, begins, release) = held();
    let deadline = stage.join("u-1").unwrap();
    begins.recv_timeout(PATIENCE).unwrap();
    stage.crew.tend(deadline + SECOND).unwrap();
    assert!(stage.has("regate_stuck_threads{gate=\"validate\"} 0"));
    stage
        .crew
        .tend(deadline + SECOND + Duration::from_millis(1))
        .unwrap();
    assert!(stage.has("regate_stuck_threads{gate=\"validate\"} 1"));
    assert!(stage.has("regate_stuck_evaluations_total{gate=\"validate\"} 1"));
    // It is counted once.
    stage.crew.tend(deadline + 2 * SECOND).unwrap();
    assert!(stage.has("regate_stuck_evaluations_total{gate=\"validate\"} 1"));
    // A new thread decides the next review.
    stage.join("u-2").unwrap();
    begins.recv_timeout(PATIENCE).unwrap();
    release.send(()).unwrap();
    release.send(()).unwrap();
    stage.soon("regate_stuck_threads{gate=\"validate\"} 0");
    assert!(stage.has("regate_stuck_evaluations_total{gate=\"validate\"} 1"));
}

#[test]
fn a_gate_has_at_most_twice_its_threads_and_refuses_reviews_until_one_comes_back() {
    let (mut stage, begins, release) = held();
    for _ in 0..2 {
        let deadline = stage.join("u").unwrap();
        begins.recv_timeout(PATIENCE).unwrap();
        stage.crew.tend(deadline + 2 * SECOND).unwrap();
    }
    assert!(stage.has("regate_stuck_threads{gate=\"validate\"} 2"));
    assert_eq!(stage.join("u"), None);
    // The clock of the gate's death began when its last thread was given up.
    let given_up = Instant::now() + PATIENCE + 2 * SECOND;
    assert!(!stage.crew.is_lifeless(given_up));
    assert!(!stage.crew.is_lifeless(given_up + 28 * SECOND));
    assert!(stage.crew.is_lifeless(given_up + 30 * SECOND));
    release.send(()).unwrap();
    stage.soon("regate_stuck_threads{gate=\"validate\"} 1");
    assert!(!stage.crew.is_lifeless(given_up + 30 * SECOND));
    stage.join("u").unwrap();
    begins.recv_timeout(PATIENCE).unwrap();
    release.send(()).unwrap();
    release.send(()).unwrap();
    stage.soon("regate_stuck_threads{gate=\"validate\"} 0");
}

/// Evaluates the policy `slow` for longer than anybody waits.
struct Overdue {
    set: PolicySet,
    begun: Mutex<Sender<Slot>>,
}

impl Decide for Overdue {
    fn decide(&self, gate: Gate, _: &[u8], _: &EnvelopeHint, _: Instant) -> (Answer, Record) {
        let slot = Slot::of_this_thread();
        self.begun.lock().unwrap().send(slot).unwrap();
        let policy = self.set.policies().first().unwrap();
        let limits = Limits {
            deadline: Instant::now() + 2 * SECOND,
            context: context_of_now(gate),
        };
        let outcome = self.set.evaluate(policy, &Document::empty(), &limits);
        let (answer, record) = nothing(gate);
        let problem = outcome.err().map(|fault| fault.to_string());
        (answer, Record { problem, ..record })
    }

    fn refuse(&self, gate: Gate, _: &EnvelopeHint, _: &Failure) -> (Answer, Record) {
        nothing(gate)
    }

    fn checks(&self) -> Vec<(&'static str, bool)> {
        Vec::new()
    }
}

fn overdue() -> (Overdue, Receiver<Slot>) {
    let text = "package kubernetes.admission.slow
deny contains \"much\" if count([1 | some a in numbers.range(1, 9999); some b in numbers.range(1, 9999); a + b == 0]) > 0
";
    let files = Files {
        modules: vec![RegoFile {
            path: "slow.rego".into(),
            text: text.into(),
            is_test: false,
            v0: false,
        }],
        ..Files::default()
    };
    let (begun, begins) = mpsc::channel();
    let set = load(&files).unwrap();
    let begun = Mutex::new(begun);
    (Overdue { set, begun }, begins)
}

/// What is logged while `work` runs on this thread.
fn logged(work: impl FnOnce()) -> String {
    #[derive(Clone, Default)]
    struct Log(Arc<Mutex<Vec<u8>>>);
    impl io::Write for Log {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .json()
        .with_writer(move || writer.clone())
        .finish();
    tracing::subscriber::with_default(subscriber, work);
    let bytes = log.0.lock().unwrap().clone();
    String::from_utf8(bytes).unwrap()
}

#[test]
fn a_policy_whose_evaluations_do_not_end_is_told_by_name_and_given_up_after_three() {
    let (overdue, begins) = overdue();
    let mut stage = Stage::new(Arc::new(overdue));
    for _ in 0..3 {
        let deadline = stage.join("7f-uid").unwrap();
        let slot = begins.recv_timeout(PATIENCE).unwrap();
        let begin = Instant::now();
        while slot.evaluating().is_none() {
            assert!(begin.elapsed() < PATIENCE, "no policy is evaluated");
            thread::yield_now();
        }
        let log = logged(|| stage.crew.tend(deadline + 2 * SECOND).unwrap());
        let line: serde_json::Value = serde_json::from_str(&log).unwrap();
        let fields = &line["fields"];
        assert_eq!(line["level"], "ERROR", "{log}");
        assert_eq!(fields["event"], "stuck");
        assert_eq!(fields["gate"], "validate");
        assert_eq!(fields["policy"], "slow");
        assert_eq!(fields["uid"], "7f-uid");
        stage.soon("regate_stuck_threads{gate=\"validate\"} 0");
    }
    stage.join("7f-uid").unwrap();
    let (_, record) = stage.callers.pop().unwrap().blocking_recv().unwrap();
    assert_eq!(
        record.problem.as_deref(),
        Some("not evaluated any more: three evaluations did not end")
    );
}
