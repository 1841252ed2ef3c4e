//! Regate answers the Kubernetes API server's review webhooks from Rego policies.
//!
//! ```text
//! TLS listener   server     handshake, certificate, optional client certificate
//! route, guards  server     path, method, media type, caller, size, time, deadline
//! decode         review     kind, apiVersion, uid; the content, strictly
//! build input    review     the review as received, and what Regate adds
//! evaluate       policy     every policy of the gate, under limits
//! combine        review     outcomes of all policies -> one decision
//! encode         review     same apiVersion, same uid
//! record         server     one log line and the metrics of a decision
//! ```
//!
//! `docs/ARCHITECTURE.md` walks one review of each kind through these modules.
//!
//! Three kinds of errors. What stops a command is an `anyhow::Error` with its context, printed once ([`cli`]). What a
//! module refuses is an enum of its own whose variants say who has to act. What keeps a review from being decided is a
//! [`review::Failure`], answered by the one table in `review/failure.rs`.

pub mod certs;
pub mod cli;
pub mod cluster;
pub mod config;
pub mod fetch;
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub mod fuzzing;
pub mod gate;
pub mod json;
pub mod keys;
pub mod metrics;
pub mod patch;
pub mod policy;
pub mod review;
pub mod server;
pub mod telemetry;
pub mod watch;
