//! Reading the body of a review, limited in bytes and in time.
//!
//! What is too large is not kept, but its beginning is, so that the review can still be answered with its uid; and it
//! is read to its end up to a second limit, because most clients look at an answer only when they have sent all.

use std::time::Instant;

use actix_web::web;
use bytes::{Bytes, BytesMut};
use futures_util::StreamExt;

use super::reply::Refusal;
use super::settings::Limits;
use crate::gate::Gate;

/// How much of a body is looked at for what identifies a review; the API server writes these parts first.
const PREFIX: usize = 64 << 10;

/// A body that was read to its end.
pub(super) enum Body {
    /// All of it.
    Complete(Bytes),
    /// More than the gate decides about: its beginning.
    TooLarge(Bytes),
}

impl Body {
    /// The part that identifies the review.
    pub(super) fn prefix(&self) -> &[u8] {
        match self {
            Body::Complete(bytes) => bytes.get(..PREFIX).unwrap_or(bytes),
            Body::TooLarge(prefix) => prefix,
        }
    }
}

/// Reads `payload` for a review of `gate`; `announced` is what the request says of its length.
pub(super) async fn read(
    payload: &mut web::Payload,
    announced: Option<usize>,
    gate: Gate,
    limits: &Limits,
) -> Result<Body, Refusal> {
    if announced.is_some_and(|length| length > limits.drained_body) {
        return Err(Refusal::BodyTooLarge);
    }
    let end = tokio::time::Instant::from_std(Instant::now() + limits.body);
    let read = collect(
        payload,
        announced.unwrap_or(0),
        limits.body_of(gate),
        limits.drained_body,
    );
    tokio::time::timeout_at(end, read)
        .await
        .unwrap_or(Err(Refusal::BodyLate))
}

async fn collect(
    payload: &mut web::Payload,
    announced: usize,
    limit: usize,
    drained: usize,
) -> Result<Body, Refusal> {
    // Only what arrives is paid for: an announcement of 32 MiB alone costs nothing.
    let mut kept = BytesMut::with_capacity(announced.min(PREFIX));
    let mut length = 0;
    while let Some(chunk) = payload.next().await {
        let chunk = chunk.map_err(|_| Refusal::BodyBroken)?;
        length += chunk.len();
        if length > drained {
            return Err(Refusal::BodyTooLarge);
        }
        if length <= limit {
            kept.extend_from_slice(&chunk);
        } else if kept.len() > PREFIX {
            // Frees the memory of what was kept so far.
            kept = kept.get(..PREFIX).map_or_else(BytesMut::new, BytesMut::from);
        } else {
            let missing = PREFIX - kept.len();
            kept.extend_from_slice(chunk.get(..missing).unwrap_or(&chunk));
        }
    }
    Ok(if length > limit {
        Body::TooLarge(kept.freeze())
    } else {
        Body::Complete(kept.freeze())
    })
}
