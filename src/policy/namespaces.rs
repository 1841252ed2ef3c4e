//! The cluster's Namespaces, as far as policies see them: names, labels and annotations.
//!
//! Whoever knows the cluster fills one [`Namespaces`]: the watch of a server, or a file offline. Every thread of every
//! gate reads it, for `input.regate.namespace` and `namespaceSelector`. What was known stays known whatever becomes of
//! the source, and nothing is answered before the first complete list: a policy must not take a Namespace that was not
//! seen yet for one without labels.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Condvar, Mutex, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::{Duration, Instant};

use super::engine::Document;

/// The longest time that a review waits for a Namespace. A watch tells of a new one within milliseconds; one that is
/// not there must not hold up a thread of its gate for longer than this.
const LONGEST_WAIT: Duration = Duration::from_millis(500);

/// One Namespace as far as policies see it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Namespace {
    /// `metadata.name`
    pub name: String,
    /// `metadata.labels`
    pub labels: BTreeMap<String, String>,
    /// `metadata.annotations`
    pub annotations: BTreeMap<String, String>,
}

impl Namespace {
    /// Its name, labels and annotations, as policies read them.
    pub(crate) fn to_document(&self) -> Document {
        let texts = |map: &BTreeMap<String, String>| {
            Document::object(
                map.iter()
                    .map(|(key, value)| (key.as_str(), Document::text(value))),
            )
        };
        Document::object([
            ("name", Document::text(&self.name)),
            ("labels", texts(&self.labels)),
            ("annotations", texts(&self.annotations)),
        ])
    }
}

/// Why a Namespace cannot be given. All of these are faults of the policy that asked, and the operator's to mend.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unknown {
    /// Nothing was given to know Namespaces from.
    #[error(
        "no Namespace is known: start the server in the cluster or with --kubeconfig FILE, or give a command \
         --namespace-file FILE"
    )]
    NoSource,
    /// The watch has not had its first complete list.
    #[error(
        "the cluster's Namespaces have not been listed yet: the server's log says what keeps it from the API server"
    )]
    NotSynced,
    /// There is no such Namespace.
    #[error("its Namespace is not there: neither in the cluster nor, for a command, in --namespace-file")]
    NotThere,
}

/// What is known of the cluster's Namespaces; shared by all threads, changed by the watch. The default one has no source.
#[derive(Debug, Default)]
pub struct Namespaces {
    has_source: bool,
    known: RwLock<Known>,
    /// Taken by whoever waits from before it looks until it sleeps, and by whoever changed something before it wakes
    /// them: so none goes to sleep over a change. Reading a Namespace that is there does not touch it.
    waiting: Mutex<()>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Known {
    synced: bool,
    by_name: HashMap<String, Arc<Namespace>>,
}

impl Namespaces {
    /// None yet: a watch will fill it.
    pub fn unsynced() -> Self {
        Self {
            has_source: true,
            ..Self::default()
        }
    }

    /// These and no others, complete from the start.
    pub fn fixed(namespaces: impl IntoIterator<Item = Namespace>) -> Self {
        let fixed = Self::unsynced();
        fixed.replace_all(namespaces);
        fixed
    }

    /// Whether there is anything to know Namespaces from.
    pub fn has_source(&self) -> bool {
        self.has_source
    }

    /// Whether there has been a complete list.
    pub fn is_synced(&self) -> bool {
        self.read().synced
    }

    /// How many are known.
    pub fn count(&self) -> usize {
        self.read().by_name.len()
    }

    /// Takes over a complete list: what is not in it is gone.
    pub fn replace_all(&self, namespaces: impl IntoIterator<Item = Namespace>) {
        let by_name = namespaces
            .into_iter()
            .map(|namespace| (namespace.name.clone(), Arc::new(namespace)))
            .collect();
        // The old ones are dropped when the lock is free again.
        let old = std::mem::replace(
            &mut *self.write(),
            Known {
                synced: true,
                by_name,
            },
        );
        self.wake();
        drop(old);
    }

    /// Takes over one that is new or has changed.
    pub fn put(&self, namespace: Namespace) {
        self.write()
            .by_name
            .insert(namespace.name.clone(), Arc::new(namespace));
        self.wake();
    }

    /// Forgets one.
    pub fn remove(&self, name: &str) {
        self.write().by_name.remove(name);
    }

    /// The Namespace of this name. An object can be reviewed a moment before the watch tells of its Namespace: one that
    /// is not there is waited for, briefly and never past `until`.
    ///
    /// # Errors
    /// When it cannot be known, is not known yet, or is not there.
    pub fn get(&self, name: &str, until: Instant) -> Result<Arc<Namespace>, Unknown> {
        self.look_up(name).or_else(|unknown| match unknown {
            Unknown::NotThere => self.wait_for(name, until),
            Unknown::NoSource | Unknown::NotSynced => Err(unknown),
        })
    }

    fn look_up(&self, name: &str) -> Result<Arc<Namespace>, Unknown> {
        if !self.has_source {
            return Err(Unknown::NoSource);
        }
        let known = self.read();
        if !known.synced {
            return Err(Unknown::NotSynced);
        }
        known.by_name.get(name).map(Arc::clone).ok_or(Unknown::NotThere)
    }

    fn wait_for(&self, name: &str, until: Instant) -> Result<Arc<Namespace>, Unknown> {
        let until = until.min(Instant::now() + LONGEST_WAIT);
        let mut guard = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            let found = self.look_up(name);
            let left = until.saturating_duration_since(Instant::now());
            if found.is_ok() || left.is_zero() {
                return found;
            }
            guard = match self.changed.wait_timeout(guard, left) {
                Ok((guard, _)) => guard,
                Err(poisoned) => poisoned.into_inner().0,
            };
        }
    }

    fn wake(&self) {
        drop(self.waiting.lock().unwrap_or_else(PoisonError::into_inner));
        self.changed.notify_all();
    }

    // No code of ours runs under the locks: what a panic could leave behind is whole.
    fn read(&self) -> RwLockReadGuard<'_, Known> {
        self.known.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Known> {
        self.known.write().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
