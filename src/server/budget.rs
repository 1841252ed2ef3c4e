//! How much memory the bodies of reviews may take, over all gates: as text, and decoded while they are evaluated.
//!
//! `body` takes a share of the text before it reads on beyond a body's beginning, and one of the decoded form before a
//! thread gets it; both are held until the evaluation is over, so that neither the queues nor the threads hold more than
//! there is room for. Small bodies need no share, and those between have room of their own: no review waits behind a
//! larger kind. Who holds a share of the one never waits for another of it, so that nobody waits for himself.

use std::sync::Arc;
use std::time::Instant;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, SemaphorePermit};

use crate::gate::Gate;

/// What a semaphore counts, in bytes: its permits are fewer than the bytes of a large machine.
const UNIT: usize = 1 << 10;

/// How many bodies are read at once only to be dropped: each takes a buffer of the HTTP library.
const DRAINS: usize = 8;

/// The memory of all bodies.
pub(super) struct Budget {
    text: Room,
    decoded: Room,
    /// Bodies that are read only to be dropped.
    drains: Semaphore,
}

/// How much of one kind of memory there is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Memory {
    /// Bytes up to which nothing is counted.
    pub small: usize,
    /// Bytes up to which a share is taken of `all_medium` and not of `all_large`.
    pub medium: usize,
    /// Bytes that all medium shares may have together.
    pub all_medium: usize,
    /// Bytes that all larger shares may have together; one that wants more gets them all, and is alone.
    pub all_large: usize,
}

impl Budget {
    pub(super) fn new(text: Memory, decoded: Memory) -> Self {
        Self {
            text: Room::new(text),
            decoded: Room::new(decoded),
            drains: Semaphore::new(DRAINS),
        }
    }

    /// Waits for its turn to be read and dropped, at the longest until `end`.
    pub(super) async fn drain(&self, end: Instant) -> Option<SemaphorePermit<'_>> {
        let turn = tokio::time::timeout_at(tokio::time::Instant::from_std(end), self.drains.acquire());
        // Late, or closed, which it never is.
        turn.await.ok()?.ok()
    }

    /// Waits until there is room for a text of so many bytes, at the longest until `end`.
    pub(super) async fn text(&self, bytes: usize, end: Instant) -> Option<Share> {
        self.text.share(bytes, end).await
    }

    /// Waits until there is room for what becomes of a text, at the longest until `end`.
    pub(super) async fn decoded(&self, bytes: usize, end: Instant) -> Option<Share> {
        self.decoded.share(bytes, end).await
    }
}

/// Memory that was set aside; given back when it is dropped.
#[derive(Debug, Default)]
pub(super) struct Share {
    _permit: Option<OwnedSemaphorePermit>,
}

struct Room {
    memory: Memory,
    medium: Arc<Semaphore>,
    large: Arc<Semaphore>,
}

impl Room {
    fn new(memory: Memory) -> Self {
        let semaphore = |bytes: usize| Arc::new(Semaphore::new((bytes / UNIT).min(Semaphore::MAX_PERMITS)));
        Self {
            memory,
            medium: semaphore(memory.all_medium),
            large: semaphore(memory.all_large),
        }
    }

    async fn share(&self, bytes: usize, end: Instant) -> Option<Share> {
        if bytes <= self.memory.small {
            return Some(Share::default());
        }
        let (semaphore, all) = if bytes <= self.memory.medium {
            (&self.medium, self.memory.all_medium)
        } else {
            (&self.large, self.memory.all_large)
        };
        let units = u32::try_from(bytes.div_ceil(UNIT).min(all / UNIT)).unwrap_or(u32::MAX);
        let permit = Arc::clone(semaphore).acquire_many_owned(units);
        let permit = tokio::time::timeout_at(tokio::time::Instant::from_std(end), permit).await;
        // Late, or closed, which it never is.
        let permit = permit.ok()?.ok()?;
        Some(Share {
            _permit: Some(permit),
        })
    }
}

/// Estimates what a JSON text takes when it is decoded, chunk by chunk as it arrives.
#[derive(Debug, Default)]
pub(super) struct Weight {
    bytes: usize,
    objects: usize,
    arrays: usize,
    values: usize,
    keys: usize,
    in_string: bool,
    escaped: bool,
}

impl Weight {
    /// Takes the next bytes of the text into account.
    pub(super) fn add(&mut self, chunk: &[u8]) {
        self.bytes += chunk.len();
        for byte in chunk {
            match byte {
                _ if self.escaped => self.escaped = false,
                b'\\' => self.escaped = self.in_string,
                b'"' => self.in_string = !self.in_string,
                _ if self.in_string => {}
                b'{' => self.objects += 1,
                b'[' => self.arrays += 1,
                b',' => self.values += 1,
                b':' => self.keys += 1,
                _ => {}
            }
        }
    }

    /// Bytes that the decoded text takes at a gate, as far as can be told without decoding it.
    ///
    /// Measured: what an object, an array, a further member or element, and the key of a member add to the memory of the
    /// process. A gate that changes objects holds each of them up to five times.
    pub(super) fn decoded(&self, gate: Gate) -> usize {
        let (object, array, value, key) = match gate {
            Gate::Mutate => (3_400, 450, 250, 250),
            Gate::Authn | Gate::Authz | Gate::Image | Gate::Validate => (100, 130, 60, 60),
        };
        let parts = [
            (self.objects, object),
            (self.arrays, array),
            (self.values, value),
            (self.keys, key),
        ];
        parts.into_iter().fold(self.bytes, |sum, (count, each)| {
            sum.saturating_add(count.saturating_mul(each))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decoded(text: &str, gate: Gate) -> usize {
        let mut weight = Weight::default();
        weight.add(text.as_bytes());
        weight.decoded(gate) - text.len()
    }

    #[test]
    fn a_member_weighs_more_than_an_element_and_what_a_text_says_nothing() {
        let elements = decoded("[1,1,1]", Gate::Validate);
        let members = decoded(r#"{"a":1,"b":1,"c":1}"#, Gate::Validate);
        assert_eq!((elements, members), (130 + 2 * 60, 100 + 2 * 60 + 3 * 60));
        assert_eq!(decoded(r#""{[,:\",:""#, Gate::Mutate), 0);
    }
}
