//! Sections `limits` and `shutdown`: how long things may take.

use std::time::Duration;

use serde::Deserialize;

use super::layers::Layers;
use super::text::Span;
use super::{Error, Setting, text};

/// The API server waits for no webhook longer than this, so no larger deadline has a meaning.
const MAX_DEADLINE: Span = Span::seconds(30);
/// Beyond it an operator means to wait for ever, which a stuck review would make literal.
const MAX_SHUTDOWN: Span = Span::seconds(3600);

/// Section `limits` as it is written.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct WrittenLimits {
    #[serde(deserialize_with = "text::one")]
    pub(super) deadline: Option<Span>,
}

/// Section `shutdown` as it is written.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct WrittenShutdown {
    #[serde(deserialize_with = "text::one")]
    pub(super) delay: Option<Span>,
    #[serde(deserialize_with = "text::one")]
    pub(super) timeout: Option<Span>,
}

/// What bounds a review.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Longest time for one review, from the first byte of its head.
    pub deadline: Duration,
}

/// How the server stops.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shutdown {
    /// How long everything is still answered, so that everybody learns that the server is going.
    pub delay: Duration,
    /// Longest time for finishing what is in flight.
    pub timeout: Duration,
}

pub(super) fn limits(layers: &mut Layers) -> Result<Limits, Error> {
    let setting = Setting::Deadline;
    let deadline = layers.one(
        "limits.deadline",
        setting,
        |w| &w.limits.deadline,
        Span::seconds(3),
    );
    let deadline = within(setting, deadline, MAX_DEADLINE)?;
    Ok(Limits { deadline })
}

pub(super) fn shutdown(layers: &mut Layers) -> Result<Shutdown, Error> {
    let delay = layers.one(
        "shutdown.delay",
        Setting::ShutdownDelay,
        |w| &w.shutdown.delay,
        Span::seconds(10),
    );
    let timeout = layers.one(
        "shutdown.timeout",
        Setting::ShutdownTimeout,
        |w| &w.shutdown.timeout,
        Span::seconds(15),
    );
    Ok(Shutdown {
        delay: at_most(Setting::ShutdownDelay, delay, MAX_SHUTDOWN)?,
        timeout: within(Setting::ShutdownTimeout, timeout, MAX_SHUTDOWN)?,
    })
}

/// For durations that may be nothing.
fn at_most(setting: Setting, span: Span, max: Span) -> Result<Duration, Error> {
    if span > max {
        return Err(Error::TooLong {
            setting,
            value: span.to_string(),
            max: max.to_string(),
        });
    }
    Ok(span.duration())
}

pub(super) fn within(setting: Setting, span: Span, max: Span) -> Result<Duration, Error> {
    if span.duration().is_zero() || span > max {
        return Err(Error::OutOfRange {
            setting,
            value: span.to_string(),
            max: max.to_string(),
        });
    }
    Ok(span.duration())
}
