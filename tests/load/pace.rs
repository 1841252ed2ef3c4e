//! Clients that keep their pace whatever the server does, and what they saw.
//!
//! A client that waits for its answer before it sends the next review sends less when the server is slow, and hides just
//! what a load test looks for. So every review has its time, and what it took counts from that time on.

use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::process::Process;

/// One answered review.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    /// From then to its answer.
    pub(crate) took: Duration,
    /// From when it was sent to its answer: less, if the answer before it came late.
    pub(crate) answered_in: Duration,
    /// The HTTP status.
    pub(crate) status: u16,
    /// The body, which is JSON if the status is 200.
    pub(crate) body: String,
}

impl Seen {
    /// What the review is answered: its `response`.
    pub(crate) fn answer(&self) -> Value {
        assert_eq!(self.status, 200, "{}", self.body);
        serde_json::from_str::<Value>(&self.body).unwrap()["response"].take()
    }

    /// 200 if an admission review is allowed, else the code of its refusal.
    pub(crate) fn code(&self) -> u64 {
        let answer = self.answer();
        match answer["allowed"].as_bool().unwrap() {
            true => 200,
            false => answer["status"]["code"].as_u64().unwrap(),
        }
    }
}

/// How many reviews a second, over how many connections.
#[derive(Clone, Copy)]
pub(crate) struct Load {
    pub(crate) connections: u32,
    pub(crate) rate: u32,
}

/// An admission review of this uid.
pub(crate) fn admission(uid: &str) -> String {
    format!(
        r#"{{"kind":"AdmissionReview","apiVersion":"admission.k8s.io/v1","request":{{"uid":"{uid}",
        "kind":{{"group":"","version":"v1","kind":"ConfigMap"}},
        "resource":{{"group":"","version":"v1","resource":"configmaps"}},"operation":"CREATE",
        "userInfo":{{"username":"jane"}},"object":{{"apiVersion":"v1","kind":"ConfigMap"}}}}}}"#
    )
}

/// Sends `review(number)` to `target` for some time. A connection that is behind sends at once what it owes.
pub(crate) fn send(
    process: &Process,
    target: &str,
    Load { connections, rate }: Load,
    lasting: Duration,
    review: impl Fn(usize) -> String + Sync,
) -> Vec<Seen> {
    send_from(None, process, target, Load { connections, rate }, lasting, review)
}

/// The same with a time for the first review; without one it is when all connections are there.
pub(crate) fn send_from(
    begin: Option<Instant>,
    process: &Process,
    target: &str,
    Load { connections, rate }: Load,
    lasting: Duration,
    review: impl Fn(usize) -> String + Sync,
) -> Vec<Seen> {
    let every = Duration::from_secs(1) * connections / rate;
    let clients: Vec<_> = (0..connections).map(|_| process.client()).collect();
    let begin = begin.unwrap_or_else(Instant::now);
    thread::scope(|scope| {
        let threads: Vec<_> = (0..connections)
            .zip(clients)
            .map(|(number, mut client)| {
                let review = &review;
                let offset = every * number / connections;
                scope.spawn(move || {
                    let mut seen = Vec::new();
                    let mut at = offset;
                    // A client that fell behind does not go on when the others have ended.
                    while at.max(begin.elapsed()) < lasting {
                        wait_until(begin + at);
                        let sent = Instant::now();
                        let response = client.post(target, review(seen.len()));
                        seen.push(Seen {
                            took: begin.elapsed() - at,
                            answered_in: sent.elapsed(),
                            status: response.status,
                            body: response.body,
                        });
                        at += every;
                    }
                    seen
                })
            })
            .collect();
        let all = threads.into_iter().flat_map(|thread| thread.join().unwrap());
        all.collect()
    })
}

fn wait_until(then: Instant) {
    loop {
        let left = then.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return;
        }
        thread::park_timeout(left);
    }
}

/// What `share` (in thousandths) of these took at most.
pub(crate) fn percentile(took: impl IntoIterator<Item = Duration>, share: usize) -> Duration {
    let mut took: Vec<_> = took.into_iter().collect();
    took.sort();
    took[((took.len() * share).div_ceil(1_000)).clamp(1, took.len()) - 1]
}
