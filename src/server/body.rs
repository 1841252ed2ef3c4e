//! Reading the body of a review, limited in bytes and in time.
//!
//! What is too large is not kept, but its beginning is, so that the review can still be answered with its uid; and it
//! is read to its end up to a second limit, because most clients look at an answer only when they have sent all. Beyond
//! its beginning a body is read only with a share of the memory for all bodies: until it has that, its client waits.

use std::time::Instant;

use actix_web::web;
use bytes::{Bytes, BytesMut};
use futures_util::StreamExt;

use super::budget::{Budget, Share, Weight};
use super::connection::Connection;
use super::reply::Refusal;
use super::settings::Limits;
use crate::gate::Gate;
use crate::review::Failure;

/// How much of a body is looked at for what identifies a review; the API server writes these parts first.
const PREFIX: usize = 64 << 10;

/// What became of a body that was read.
pub(super) enum Body {
    /// All of it was read. It holds its share of the memory for as long as it lives.
    Complete(Bytes),
    /// It is not decided about: its beginning, why, and whether it was read to its end.
    Undecided {
        prefix: Bytes,
        failure: Failure,
        drained: bool,
    },
}

impl Body {
    /// The part that identifies the review.
    pub(super) fn prefix(&self) -> &[u8] {
        match self {
            Body::Complete(bytes) => bytes.get(..PREFIX).unwrap_or(bytes),
            Body::Undecided { prefix, .. } => prefix,
        }
    }
}

/// What a body is read for, and under which rules.
pub(super) struct Intake<'a> {
    pub(super) gate: Gate,
    /// What the request says of its length.
    pub(super) announced: Option<usize>,
    /// The connection is needed for others: only the beginning is read.
    pub(super) crowded: bool,
    /// When an answer is of no use any more.
    pub(super) deadline: Instant,
    pub(super) connection: Option<&'a Connection>,
    pub(super) limits: &'a Limits,
    pub(super) budget: &'a Budget,
}

impl Intake<'_> {
    /// Reads the body of a request.
    pub(super) async fn read(self, payload: &mut web::Payload) -> Result<Body, Refusal> {
        let announced = self.announced.unwrap_or(0);
        if announced > self.limits.drained_body {
            return Err(Refusal::BodyTooLarge);
        }
        let end = tokio::time::Instant::from_std(Instant::now() + self.limits.body);
        let reading = Reading {
            payload,
            length: 0,
            // Only what arrives is paid for: an announcement alone costs nothing. The last part of a beginning fits, too.
            kept: BytesMut::with_capacity(announced.min(PREFIX + PREFIX / 2)),
            weight: Weight::default(),
            intake: self,
        };
        tokio::time::timeout_at(end, reading.read())
            .await
            .unwrap_or(Err(Refusal::BodyLate))
    }

    /// How much of a body is decided about.
    fn limit(&self) -> usize {
        self.limits.body_of(self.gate)
    }

    /// Waits for room for so much text. Half of the time is left for what comes then.
    async fn share_of_text(&self, bytes: usize) -> Option<Share> {
        let left = self.deadline.saturating_duration_since(Instant::now());
        self.paused(self.budget.text(bytes, self.deadline - left / 2))
            .await
    }

    /// Waits for something, and reads nothing meanwhile: the client's system is what holds it back.
    async fn paused<T>(&self, waiting: impl Future<Output = T>) -> T {
        let paused = self.connection.map(Connection::pause);
        let come = waiting.await;
        drop(paused);
        // The connection is read by the same task, before it comes back to this.
        tokio::task::yield_now().await;
        come
    }
}

/// A body on its way in.
struct Reading<'a, 'b> {
    payload: &'a mut web::Payload,
    length: usize,
    kept: BytesMut,
    weight: Weight,
    intake: Intake<'b>,
}

impl Reading<'_, '_> {
    async fn read(mut self) -> Result<Body, Refusal> {
        let ended = self.read_until(PREFIX).await?;
        if self.intake.crowded {
            return Ok(self.undecided(Failure::Overload, false));
        }
        if ended {
            return Ok(self.finish(Share::default()).await);
        }
        let limit = self.intake.limit();
        // Who does not say how long a body is may send all that is allowed.
        let expected = self.intake.announced.unwrap_or(limit);
        if expected > limit {
            return self.too_large().await;
        }
        let Some(share) = self.intake.share_of_text(expected).await else {
            return self.turn_away().await;
        };
        if self.intake.announced.is_some() {
            // Paid for, and in one piece: a buffer that grows is there twice while it is copied.
            self.kept.reserve(expected.saturating_sub(self.kept.len()));
        }
        let deadline = tokio::time::Instant::from_std(self.intake.deadline);
        match tokio::time::timeout_at(deadline, self.read_until(limit)).await {
            // Nobody keeps room for a body that comes too late for an answer.
            Err(_) => Ok(self.undecided(Failure::Deadline, false)),
            Ok(Err(refusal)) => Err(refusal),
            Ok(Ok(true)) => Ok(self.finish(share).await),
            Ok(Ok(false)) => {
                self.forget();
                drop(share);
                self.too_large().await
            }
        }
    }

    /// There is no room. The rest is read all the same, and dropped: a client whose connection breaks while it sends may
    /// not look at the answer, and what is registered to ignore failures would let the request pass.
    async fn turn_away(mut self) -> Result<Body, Refusal> {
        let (end, budget) = (self.intake.deadline, self.intake.budget);
        let Some(_turn) = self.intake.paused(budget.drain(end)).await else {
            return Ok(self.undecided(Failure::Overload, false));
        };
        let drained = tokio::time::timeout_at(tokio::time::Instant::from_std(end), self.drain()).await;
        let drained = drained.map_or(Ok(false), |read| read.map(|()| true))?;
        Ok(self.undecided(Failure::Overload, drained))
    }

    async fn too_large(mut self) -> Result<Body, Refusal> {
        self.drain().await?;
        Ok(self.undecided(Failure::BodyTooLarge, true))
    }

    /// Reads the rest and drops it.
    async fn drain(&mut self) -> Result<(), Refusal> {
        while self.next().await?.is_some() {}
        Ok(())
    }

    /// Reads until more than `most` bytes are there, or to the end: whether that was reached.
    async fn read_until(&mut self, most: usize) -> Result<bool, Refusal> {
        while self.length <= most {
            let Some(chunk) = self.next().await? else {
                return Ok(true);
            };
            self.kept.extend_from_slice(&chunk);
            self.weight.add(&chunk);
        }
        Ok(false)
    }

    async fn next(&mut self) -> Result<Option<Bytes>, Refusal> {
        let Some(chunk) = self.payload.next().await else {
            return Ok(None);
        };
        let chunk = chunk.map_err(|_| Refusal::BodyBroken)?;
        self.length += chunk.len();
        if self.length > self.intake.limits.drained_body {
            return Err(Refusal::BodyTooLarge);
        }
        Ok(Some(chunk))
    }

    /// Gives the memory of all but the beginning back.
    fn forget(&mut self) {
        self.kept = self.kept.get(..PREFIX).map_or_else(BytesMut::new, BytesMut::from);
    }

    fn undecided(mut self, failure: Failure, drained: bool) -> Body {
        if self.kept.len() > PREFIX {
            self.forget();
        }
        Body::Undecided {
            prefix: self.kept.freeze(),
            failure,
            drained,
        }
    }

    /// The body was read to its end with a share of the text; it is complete if there is room for what it decodes to.
    async fn finish(self, text: Share) -> Body {
        let decoded = self.weight.decoded(self.intake.gate);
        if self.length > self.intake.limit() || decoded > self.intake.limits.decoded_body {
            return self.undecided(Failure::BodyTooLarge, true);
        }
        let Some(decoded) = self.intake.budget.decoded(decoded, self.intake.deadline).await else {
            return self.undecided(Failure::Overload, true);
        };
        Body::Complete(Bytes::from_owner(Kept {
            text: self.kept.freeze(),
            _shares: [text, decoded],
        }))
    }
}

/// A body and the memory that was set aside for it.
struct Kept {
    text: Bytes,
    _shares: [Share; 2],
}

impl AsRef<[u8]> for Kept {
    fn as_ref(&self) -> &[u8] {
        &self.text
    }
}
