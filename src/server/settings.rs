//! What the operator sets about serving.
//!
//! The configuration hands plain values over and has refused what contradicts itself: a gate is served with a rule of
//! who may call it, or not at all. Every field is read by the server: the place where it is built takes the struct apart.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

pub use super::budget::Memory;
use crate::certs::Development;
use crate::config::Caller;
use crate::gate::Gate;
use crate::watch::Pace;

/// All settings of the server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Where reviews are answered; port 0 takes a free one.
    pub listen: SocketAddr,
    /// Where probes and metrics are answered, without TLS; port 0 takes a free one.
    pub probe_listen: SocketAddr,
    /// The gates that are served, and who may call each; the others are 404.
    pub gates: BTreeMap<Gate, Caller>,
    /// Certificate and key; without them the server makes its own for as long as it runs.
    pub certificate: Option<CertificateFiles>,
    /// File of certificates (PEM) that sign callers' certificates; without it no caller can prove a name.
    pub client_ca: Option<PathBuf>,
    /// How changes of these files are noticed.
    pub certificate_pace: Pace,
    /// The longest time that a review may take.
    pub deadline: Duration,
    /// How long everything is still answered after the server was told to stop.
    pub shutdown_delay: Duration,
    /// How long requests in flight may take after that.
    pub shutdown_timeout: Duration,
    /// Evaluation threads and queue of each gate.
    pub workers: Workers,
    /// Limits of connections and requests.
    pub limits: Limits,
}

/// Where the serving certificate is read from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificateFiles {
    /// The certificate, followed by those of intermediate authorities (PEM).
    pub certificate: PathBuf,
    /// Its private key (PEM).
    pub key: PathBuf,
}

impl From<&Development> for CertificateFiles {
    fn from(made: &Development) -> Self {
        Self {
            certificate: made.paths().certificate,
            key: made.paths().key,
        }
    }
}

/// Evaluation threads of each gate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Workers {
    /// Threads; each gate has its own, so that one gate cannot use up those of another.
    pub threads: usize,
    /// Reviews that may wait for a thread; one more, like one that would wait for too long, is answered as overload.
    pub queue: usize,
    /// How long after its deadline an evaluation is taken for one that does not end, and its thread replaced.
    pub stuck_after: Duration,
    /// How long a gate has no thread left until the process says that it is not alive.
    pub lifeless_after: Duration,
}

impl Default for Workers {
    /// As many threads as there are cores. 256 reviews are at most 1.3 s of work for two threads when an evaluation
    /// takes 10 ms, a hundred times the usual: what is taken in can still be answered within the deadline of 3 s.
    fn default() -> Self {
        Self {
            threads: std::thread::available_parallelism().map_or(2, usize::from),
            queue: 256,
            stuck_after: Duration::from_secs(1),
            lifeless_after: Duration::from_secs(30),
        }
    }
}

/// Limits of connections and requests; the defaults are not configurable yet, tests shorten them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Connections at once, if so many files can be open; the last quarter is for authentication and authorization.
    pub connections: usize,
    /// TLS handshake, and each head, of a connection of that quarter.
    pub hurried: Duration,
    /// TLS handshake.
    pub handshake: Duration,
    /// From the first byte of a request head to its last, and from the handshake to the first byte.
    pub head: Duration,
    /// From the end of the head to the end of the body.
    pub body: Duration,
    /// An idle connection between two requests, and before the first one if the client may call a gate.
    pub keep_alive: Duration,
    /// A client that does not take all of its answer at once.
    pub write: Duration,
    /// From a refusal to the end of its connection, whatever is still sent.
    pub linger: Duration,
    /// Bytes of an admission review.
    pub admission_body: usize,
    /// Bytes of any other review.
    pub review_body: usize,
    /// Bytes of a body over its limit that are read and dropped so that the review can still be answered.
    pub drained_body: usize,
    /// Bytes that a body may take when it is decoded; one that would take more is too large.
    pub decoded_body: usize,
    /// What the texts of all bodies may take beyond their beginnings.
    pub text: Memory,
    /// What all bodies may take that are decoded or wait for it.
    pub decoded: Memory,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            // An API server opens one for each call that is under way, 600 at the most by its own defaults.
            connections: 2_048,
            hurried: Duration::from_secs(1),
            handshake: Duration::from_secs(3),
            head: Duration::from_secs(10),
            body: Duration::from_secs(10),
            // The API server closes idle connections after 90 s; who closes first must not be the server.
            keep_alive: Duration::from_secs(120),
            write: Duration::from_secs(10),
            linger: Duration::from_secs(1),
            // The API server takes objects of 3 MiB and escapes `<`, `>` and `&` to six bytes each, in the object and
            // in the old one.
            admission_body: 32 << 20,
            review_body: 1 << 20,
            drained_body: 64 << 20,
            decoded_body: 512 << 20,
            text: Memory {
                small: 64 << 10,
                medium: 1 << 20,
                all_medium: 16 << 20,
                all_large: 8 << 20,
            },
            decoded: Memory {
                small: 1 << 20,
                medium: 8 << 20,
                all_medium: 32 << 20,
                all_large: 48 << 20,
            },
        }
    }
}

impl Limits {
    /// The largest body that a gate decides about.
    pub(super) fn body_of(&self, gate: Gate) -> usize {
        match gate {
            Gate::Mutate | Gate::Validate => self.admission_body,
            Gate::Authn | Gate::Authz | Gate::Image => self.review_body,
        }
    }
}
