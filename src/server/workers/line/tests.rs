//! Who gets in, in a time of our own: nothing here waits.

use bytes::Bytes;
use tokio::sync::oneshot;

use super::*;
use crate::metrics::Metrics;
use crate::review::{Answer, EnvelopeHint, Record};

const MS: Duration = Duration::from_millis(1);
const DEADLINE: Duration = Duration::from_secs(3);

/// A line before `threads` threads, and whoever waits for the answers.
struct Try {
    line: Line,
    callers: Vec<oneshot::Receiver<(Answer, Record)>>,
    metrics: Metrics,
}

impl Try {
    fn new(length: usize, threads: usize) -> Self {
        let line = Line::new(length);
        line.staff(threads);
        Self {
            line,
            callers: Vec::new(),
            metrics: Metrics::default(),
        }
    }

    fn join(&mut self, now: Instant) -> bool {
        let (reply, caller) = oneshot::channel();
        self.callers.push(caller);
        let job = Job {
            body: Bytes::new(),
            hint: EnvelopeHint::default(),
            deadline: now + DEADLINE,
            reply,
            waits: self.metrics.queued(),
        };
        self.line.join(job, now)
    }

    /// When the review arrived that a thread takes now.
    fn take(&self, now: Instant) -> Option<Instant> {
        Some(self.line.lock().next(now)?.deadline - DEADLINE)
    }

    fn length(&self) -> usize {
        self.line.lock().jobs.len()
    }
}

/// Reviews arrive `every` so often, and each holds one of two threads for `work`. Gives how long each waited that got in,
/// with its arrival, and how many were refused.
fn overload(every: Duration, work: Duration, lasting: Duration) -> (Vec<(Duration, Duration)>, usize) {
    let mut line = Try::new(256, 2);
    let begin = Instant::now();
    let mut free = [begin; 2];
    let mut waits = Vec::new();
    let mut refused = 0;
    let mut now = begin;
    while now < begin + lasting {
        for thread in &mut free {
            while *thread <= now
                && let Some(arrived) = line.take((*thread).max(begin))
            {
                let start = (*thread).max(arrived);
                waits.push((arrived - begin, start - arrived));
                *thread = start + work;
            }
        }
        line.line.lock().free = free.iter().filter(|thread| **thread <= now).count();
        refused += usize::from(!line.join(now));
        now += every;
    }
    (waits, refused)
}

#[test]
fn a_burst_gets_in_up_to_the_length_of_the_line() {
    let mut line = Try::new(256, 2);
    let now = Instant::now();
    for _ in 0..256 {
        assert!(line.join(now));
    }
    assert!(!line.join(now));
}

#[test]
fn what_gets_in_during_an_overload_waits_for_a_moment_only_and_no_thread_is_ever_without_work() {
    // 200 reviews a second can be answered; five and fifty times as many arrive.
    for every in [MS, MS / 10] {
        let (waits, refused) = overload(every, 10 * MS, Duration::from_secs(20));
        assert!((3_900..=4_100).contains(&waits.len()), "{}", waits.len());
        assert!(refused > 10_000, "{refused}");
        let longest = waits.iter().map(|(_, wait)| *wait).max().unwrap();
        assert!(longest < DEADLINE / 3, "{longest:?}");
        // Once the burst that it began as is over.
        let later = waits
            .iter()
            .filter(|(arrived, _)| *arrived > Duration::from_secs(2));
        let longest = later.map(|(_, wait)| *wait).max().unwrap();
        assert!(longest <= 2 * SOON, "{longest:?}");
    }
}

#[test]
fn nobody_is_refused_while_the_threads_keep_up() {
    let (waits, refused) = overload(6 * MS, 10 * MS, Duration::from_secs(20));
    assert_eq!(refused, 0);
    assert!(waits.iter().all(|(_, wait)| *wait <= 10 * MS));
}

#[test]
fn a_line_that_does_not_move_refuses_after_a_few_and_goes_on_refusing() {
    let mut line = Try::new(256, 2);
    let begin = Instant::now();
    let mut arrive = |from: u32, to: u32| -> usize {
        (from..to)
            .map(|at| usize::from(line.join(begin + 5 * at * MS)))
            .sum()
    };
    let first = arrive(0, 400);
    assert!((2..=20).contains(&first), "{first}");
    // The deadlines of those pass, and the line is empty; the threads have not come back.
    let later = arrive(400, 4_000);
    assert!((5..=10).contains(&later), "{later}");
}

#[test]
fn where_a_thread_is_free_everybody_gets_in_whatever_happened_before() {
    let mut line = Try::new(256, 2);
    let begin = Instant::now();
    for _ in 0..3 {
        assert!(line.join(begin));
    }
    let now = begin + Duration::from_secs(1);
    assert!(!line.join(now));
    while line.take(now).is_some() {}
    assert!(line.join(now));
    assert!(!line.join(now));
    assert!(line.take(now).is_some());
    line.line.lock().free = 2;
    for at in 0..10 {
        assert!(line.join(now + at * MS / 10), "{at}");
    }
}

#[test]
fn who_is_not_waited_for_any_more_leaves_the_line() {
    let mut line = Try::new(3, 1);
    let now = Instant::now();
    for _ in 0..3 {
        assert!(line.join(now));
    }
    assert_eq!(
        line.metrics
            .encode()
            .unwrap()
            .matches("\nregate_queue_depth 3\n")
            .count(),
        1
    );
    line.callers.remove(0);
    line.line.forget(now);
    assert_eq!(line.length(), 2);
    assert!(
        line.metrics
            .encode()
            .unwrap()
            .contains("\nregate_queue_depth 2\n")
    );
    assert!(line.take(now + DEADLINE).is_none());
    assert_eq!(line.length(), 0);
}

#[test]
fn without_threads_or_after_the_end_nobody_gets_in() {
    let mut line = Try::new(8, 0);
    let now = Instant::now();
    assert!(!line.join(now));
    line.line.staff(1);
    assert!(line.join(now));
    line.line.close();
    assert!(!line.join(now));
    assert!(line.line.take().is_none());
}
