//! The configuration: every setting, resolved from flags, environment, file and defaults.
//!
//! [`Config::resolve`] is the only way to one and is pure: the caller reads the file and the environment. Each section
//! has two types: what is written (private, all optional) and what is used (public: no value that still means
//! "default"). An impossible combination is an [`Error`] here, so that what is resolved can be served.

mod callers;
mod cluster;
mod error;
mod gates;
mod http;
mod keys;
mod layers;
mod limits;
mod listen;
mod log;
mod policies;
mod setting;
mod text;
mod tls;
mod written;

#[cfg(test)]
mod tests;

pub use callers::{Caller, Callers};
pub use cluster::Cluster;
pub use error::{Error, Place};
pub use gates::{AdmissionFault, AllowedIdentity, AuthzFault, Gates, ImageDefault};
pub use http::{HttpHost, HttpName};
pub use keys::{KeySource, Keys};
pub use layers::{Entry, Origin};
pub use limits::{Limits, Shutdown};
pub use listen::Listen;
pub use log::{Log, LogFormat};
pub use policies::{Policies, PolicySource};
pub use setting::{Row, Setting};
pub use tls::Tls;

use layers::Layers;
use written::Written;

/// `apiVersion` of the configuration file.
pub const API_VERSION: &str = "regate.dev/v1alpha1";
/// `kind` of the configuration file.
pub const KIND: &str = "ServerConfiguration";

/// Everything that an operator can set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// Where the server listens.
    pub listen: Listen,
    /// The server's certificate.
    pub tls: Tls,
    /// Who may ask.
    pub callers: Callers,
    /// What is loaded.
    pub policies: Policies,
    /// What tokens are verified with.
    pub keys: Keys,
    /// How the API server is asked.
    pub cluster: Cluster,
    /// Which gates are served, and how.
    pub gates: Gates,
    /// What bounds a review.
    pub limits: Limits,
    /// How the server stops.
    pub shutdown: Shutdown,
    /// How the log is written.
    pub log: Log,
}

/// What is resolved, read by the caller.
pub struct Sources<'a> {
    /// The flags that were given, each with all its words.
    pub flags: &'a [(Setting, Vec<String>)],
    /// The environment.
    pub environment: &'a dyn Fn(&str) -> Option<String>,
    /// The configuration file: its name for messages, and its text.
    pub file: Option<(&'a str, &'a str)>,
}

/// A configuration, and where each of its values comes from.
#[derive(Clone, Debug, PartialEq)]
pub struct Resolved {
    /// The configuration.
    pub config: Config,
    /// Its values, in the order of the file's keys.
    pub entries: Vec<Entry>,
}

impl Config {
    /// Resolves every setting: flag before environment before file before default.
    pub fn resolve(sources: &Sources<'_>) -> Result<Resolved, Error> {
        let mut layers = Layers {
            flags: Written::from_flags(sources.flags)?,
            environment: Written::from_environment(sources.environment)?,
            file: sources.file.map_or_else(
                || Ok(Written::default()),
                |(name, text)| Written::from_file(name, text),
            )?,
            entries: Vec::new(),
        };
        let listen = listen::resolve(&mut layers)?;
        let tls = tls::resolve(&mut layers)?;
        let policies = policies::resolve(&mut layers);
        let keys = keys::resolve(&mut layers)?;
        let cluster = cluster::resolve(&mut layers);
        let gates = gates::resolve(&mut layers)?;
        let callers = callers::resolve(&mut layers, &listen, &tls, &gates)?;
        let limits = limits::limits(&mut layers)?;
        let shutdown = limits::shutdown(&mut layers)?;
        let log = log::resolve(&mut layers);
        let config = Config {
            listen,
            tls,
            callers,
            policies,
            keys,
            cluster,
            gates,
            limits,
            shutdown,
            log,
        };
        Ok(Resolved {
            config,
            entries: layers.entries,
        })
    }
}
