//! A set of keys at an issuer: the thread that asks for it, in time, and at once when a token names a key that is new.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use super::{Fetch, Fetched, KeySet, LEAST_PAUSE, LONGEST_WAIT, PAUSE_PER_WAIT};

/// How long an issuer may take.
const LIMIT: Duration = Duration::from_secs(5);

/// However short a time an issuer says that its keys hold, it is not asked more often.
const SHORTEST: Duration = Duration::from_secs(30);

/// After a failure it is asked again after so long, after each further one twice as long, up to the longest.
const FIRST_RETRY: Duration = Duration::from_secs(1);
const LAST_RETRY: Duration = Duration::from_secs(30);

pub(super) struct Issuer {
    set: Arc<KeySet>,
    fetch: Fetch,
    refresh: Duration,
    /// In a row.
    failures: u32,
    /// What was told last: the same trouble is told once.
    told: String,
}

/// Begins to ask.
///
/// # Errors
/// When no thread can be started.
pub(super) fn start(set: Arc<KeySet>, fetch: Fetch, refresh: Duration) -> std::io::Result<()> {
    let issuer = Issuer::new(set, fetch, refresh);
    // Not joined: it may be waiting for the issuer, and nothing depends on its end.
    std::thread::Builder::new()
        .name("jwks".to_owned())
        .spawn(move || issuer.run())
        .map(drop)
}

impl Issuer {
    pub(super) const fn new(set: Arc<KeySet>, fetch: Fetch, refresh: Duration) -> Self {
        Self {
            set,
            fetch,
            refresh,
            failures: 0,
            told: String::new(),
        }
    }

    fn run(mut self) {
        loop {
            self.set.lock().begun += 1;
            let begin = Instant::now();
            let fetched = catch_unwind(AssertUnwindSafe(|| (self.fetch)(begin + LIMIT)));
            let fetched = fetched.unwrap_or_else(|_| Err("asking for it panicked".to_owned()));
            let rest = self.take(fetched);
            if self.wait(rest) {
                return;
            }
        }
    }

    /// Takes what the issuer answered; for how long it can be left alone.
    pub(super) fn take(&mut self, fetched: Result<Fetched, String>) -> Duration {
        let max_age = fetched.as_ref().ok().and_then(|fetched| fetched.max_age);
        match self.set.take(fetched.map(|fetched| fetched.body)) {
            Ok(()) => {
                self.failures = 0;
                self.told.clear();
                max_age.map_or(self.refresh, |age| age.max(SHORTEST).min(self.refresh))
            }
            Err(problem) => {
                if problem != self.told {
                    self.set.tell(&problem);
                    self.told = problem;
                }
                let factor = 1u32.checked_shl(self.failures).unwrap_or(u32::MAX);
                self.failures = self.failures.saturating_add(1);
                FIRST_RETRY
                    .saturating_mul(factor)
                    .min(LAST_RETRY)
                    .min(self.refresh)
            }
        }
    }

    /// Ends a round and waits for the next one; true if there is none.
    fn wait(&self, rest: Duration) -> bool {
        let mut rounds = self.set.lock();
        rounds.done = rounds.begun;
        if let Some((_, since)) = rounds.asked.filter(|(round, _)| *round <= rounds.done) {
            rounds.asked = None;
            let now = Instant::now();
            // Nobody has waited for longer.
            let took = now.saturating_duration_since(since).min(LONGEST_WAIT);
            rounds.not_before = now + took.saturating_mul(PAUSE_PER_WAIT).max(LEAST_PAUSE);
        }
        self.set.changed.notify_all();
        let waited = self
            .set
            .changed
            .wait_timeout_while(rounds, rest, |rounds| !rounds.ended && rounds.asked.is_none());
        let (rounds, _) = waited.unwrap_or_else(PoisonError::into_inner);
        rounds.ended
    }
}
