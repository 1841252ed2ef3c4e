//! Named sets of public keys that tokens are verified with, from files and from issuers, kept up to date beside reviews.
//!
//! `serve` and `review` start them; the builtin `regate.jwks` asks for their texts on evaluation threads. Always holds:
//! what is given out has passed the check that its user made for it; a set that could be read once is given out until a
//! newer one can; nobody waits for an issuer but for a key that no set has, never longer than [`LONGEST_WAIT`], and all
//! who wait take no more than about a tenth of the time, whatever tokens come and however slow the issuer is.

mod file;
mod issuer;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use arc_swap::ArcSwapOption;

use crate::watch::{Pace, Watcher};

/// The longest text of a set.
pub const MAX_BYTES: u64 = 1 << 20;

/// The longest that a token waits for the key that it names.
pub const LONGEST_WAIT: Duration = Duration::from_secs(1);

/// Between two times that tokens make an issuer be asked, at the least.
const LEAST_PAUSE: Duration = Duration::from_secs(1);

/// The pause is so many times as long as tokens waited for the issuer.
const PAUSE_PER_WAIT: u32 = 10;

/// What a set holds, as its user reads it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Content {
    /// What is given out of its text.
    pub text: String,
    /// The names of its keys, as far as they have one.
    pub ids: BTreeSet<String>,
    /// How many keys there are.
    pub keys: usize,
}

/// Reads a set for its user, or says why it is none.
pub type Check = fn(&str) -> Result<Content, String>;

/// What an issuer answered.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fetched {
    /// The body.
    pub body: Vec<u8>,
    /// For how long the issuer says that it holds.
    pub max_age: Option<Duration>,
}

/// Asks an issuer, until a deadline at most.
pub type Fetch = Box<dyn Fn(Instant) -> Result<Fetched, String> + Send>;

/// Where a set is from.
pub enum Source {
    /// A file, watched.
    File(PathBuf),
    /// An issuer, asked again and again.
    Issuer(Fetch),
}

/// How patient all sets are.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// An issuer is asked again after so long, if it does not say that its keys hold for a shorter time.
    pub refresh: Duration,
    /// How files are watched.
    pub watch: Pace,
}

/// Why there is no set.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Missing {
    /// Nobody has named it. For the policy's author, or the operator.
    #[error("there is no set of keys `{0}`: name it with --jwks")]
    Unknown(String),
    /// It could never be read. For the operator.
    #[error("the set of keys `{0}` could not be loaded yet")]
    NeverLoaded(String),
}

/// How a set is doing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    /// Its name.
    pub name: String,
    /// When it was last read or fetched in a usable form.
    pub loaded: Option<SystemTime>,
    /// How many keys it has.
    pub keys: usize,
    /// How often it was read or fetched in a usable form.
    pub successes: u64,
    /// How often it could not be.
    pub failures: u64,
}

/// All sets by name.
#[derive(Debug, Default)]
pub struct KeySets {
    sets: BTreeMap<String, Arc<KeySet>>,
    /// Of files; they end with this.
    _watchers: Vec<Watcher>,
}

impl KeySets {
    /// Reads the files, begins to ask the issuers, and goes on with both. A set that cannot be had is no error: it may come.
    ///
    /// # Errors
    /// When no thread can be started.
    pub fn start(
        sources: impl IntoIterator<Item = (String, Source)>,
        check: Check,
        patience: Patience,
    ) -> std::io::Result<Self> {
        let mut started = Self::default();
        for (name, source) in sources {
            let set = Arc::new(KeySet::new(&name, check, matches!(source, Source::Issuer(_))));
            match source {
                Source::File(path) => {
                    let watcher = file::watch(Arc::clone(&set), path, patience.watch)?;
                    started._watchers.push(watcher);
                }
                Source::Issuer(fetch) => issuer::start(Arc::clone(&set), fetch, patience.refresh)?,
            }
            started.sets.insert(name, set);
        }
        Ok(started)
    }

    /// Whether there is a set of this name.
    pub fn has(&self, name: &str) -> bool {
        self.sets.contains_key(name)
    }

    /// The text of a set, in which the key of this name is looked for. If it has none of that name its issuer is asked at
    /// once, and waited for a part of the time until the deadline, unless that was done for another token just now.
    ///
    /// # Errors
    /// When there is no such set, or none yet.
    pub fn get(&self, name: &str, id: Option<&str>, deadline: Instant) -> Result<Arc<str>, Missing> {
        let set = self.sets.get(name);
        let set = set.ok_or_else(|| Missing::Unknown(name.to_owned()))?;
        if !set.knows(id) && set.has_issuer {
            set.refreshed(id, deadline);
        }
        let held = set.held.load();
        let held = held
            .as_ref()
            .ok_or_else(|| Missing::NeverLoaded(name.to_owned()))?;
        Ok(Arc::clone(&held.text))
    }

    /// How all sets are doing.
    pub fn status(&self) -> Vec<Status> {
        self.sets.values().map(|set| set.status()).collect()
    }
}

impl Drop for KeySets {
    fn drop(&mut self) {
        for set in self.sets.values() {
            set.lock().ended = true;
            set.changed.notify_all();
        }
    }
}

/// A set as it was last usable.
struct Held {
    text: Arc<str>,
    ids: BTreeSet<String>,
    keys: usize,
    loaded: SystemTime,
}

/// One set, shared by those who ask for it and the one thread that keeps it up to date.
struct KeySet {
    name: String,
    check: Check,
    has_issuer: bool,
    held: ArcSwapOption<Held>,
    successes: AtomicU64,
    failures: AtomicU64,
    rounds: Mutex<Rounds>,
    /// Told when a round is asked for, and when one has ended.
    changed: Condvar,
}

/// The times that an issuer is asked, counted.
#[derive(Debug)]
struct Rounds {
    begun: u64,
    done: u64,
    /// The round that tokens wait for, and since when.
    asked: Option<(u64, Instant)>,
    /// Before it no token makes the issuer be asked again.
    not_before: Instant,
    /// Nobody will ask any more.
    ended: bool,
}

impl KeySet {
    fn new(name: &str, check: Check, has_issuer: bool) -> Self {
        Self {
            name: name.to_owned(),
            check,
            has_issuer,
            held: ArcSwapOption::empty(),
            successes: AtomicU64::new(0),
            failures: AtomicU64::new(0),
            rounds: Mutex::new(Rounds {
                begun: 0,
                done: 0,
                asked: None,
                not_before: Instant::now(),
                ended: false,
            }),
            changed: Condvar::new(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Rounds> {
        self.rounds.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether a newer set could not help a token that names this key: in a set without names no key is looked for.
    fn knows(&self, id: Option<&str>) -> bool {
        self.held.load().as_ref().is_some_and(|held| {
            let ids = &held.ids;
            id.is_none_or(|id| ids.is_empty() || ids.contains(id))
        })
    }

    /// Has the issuer asked for a key that is not known, and waits for it.
    fn refreshed(&self, id: Option<&str>, deadline: Instant) {
        let now = Instant::now();
        let mut rounds = self.lock();
        let (round, since) = match rounds.asked {
            Some(asked) => asked,
            None if now < rounds.not_before => return,
            None => {
                // One that is under way may have been answered before the key was there.
                let asked = (rounds.begun + 1, now);
                rounds.asked = Some(asked);
                self.changed.notify_all();
                asked
            }
        };
        let patience = waiting_time(now, since, deadline);
        let waited = self.changed.wait_timeout_while(rounds, patience, |rounds| {
            rounds.done < round && !rounds.ended && !self.knows(id)
        });
        drop(waited);
    }

    /// Takes what was read or fetched, if it is a set; the one before it stays if it is not.
    ///
    /// # Errors
    /// What is wrong with it.
    fn take(&self, body: Result<Vec<u8>, String>) -> Result<(), String> {
        let checked = body.and_then(|body| {
            let text = String::from_utf8(body).map_err(|_| "is not UTF-8".to_owned())?;
            let content = (self.check)(&text)?;
            match content.keys {
                0 => Err("has no key that a token can be verified with".to_owned()),
                _ => Ok(content),
            }
        });
        match checked {
            Ok(content) => {
                self.successes.fetch_add(1, Ordering::Relaxed);
                self.hold(content);
                Ok(())
            }
            Err(problem) => {
                self.failures.fetch_add(1, Ordering::Relaxed);
                Err(problem)
            }
        }
    }

    fn hold(&self, content: Content) {
        let before = self.held.load();
        let same = before.as_ref().filter(|held| *held.text == *content.text);
        if same.is_none() {
            let (set, keys) = (&self.name, content.keys);
            tracing::info!(target: "regate::keys", event = "jwks_loaded", set, keys, "a set of keys is used");
        }
        let text = same.map_or_else(|| content.text.into(), |held| Arc::clone(&held.text));
        self.held.store(Some(Arc::new(Held {
            text,
            ids: content.ids,
            keys: content.keys,
            loaded: SystemTime::now(),
        })));
    }

    /// Tells that the set cannot be had as it is now.
    fn tell(&self, problem: &str) {
        let set = &self.name;
        let rest = match self.held.load().is_some() {
            true => "the keys known before stay",
            false => "tokens that need its keys are faults",
        };
        tracing::error!(target: "regate::keys", event = "jwks_rejected", set, problem, "{rest}");
    }

    fn status(&self) -> Status {
        let held = self.held.load();
        Status {
            name: self.name.clone(),
            loaded: held.as_ref().map(|held| held.loaded),
            keys: held.as_ref().map_or(0, |held| held.keys),
            successes: self.successes.load(Ordering::Relaxed),
            failures: self.failures.load(Ordering::Relaxed),
        }
    }
}

/// How long a token waits for a round that the first one has waited for since `since`: those who come later do not wait
/// for as long again. Half of its time is left to decide in.
fn waiting_time(now: Instant, since: Instant, deadline: Instant) -> Duration {
    let longest = (since + LONGEST_WAIT).saturating_duration_since(now);
    longest.min(deadline.saturating_duration_since(now) / 2)
}

impl fmt::Debug for KeySet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("KeySet").field(&self.status()).finish()
    }
}
