//! Why a configuration is refused. All of these are the operator's to mend; each says with which flag.

use std::fmt::{self, Display};
use std::net::SocketAddr;

use super::{API_VERSION, KIND, Setting};
use crate::gate::Gate;

/// Where a text that cannot be read was given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// A flag, without its dashes.
    Flag(&'static str),
    /// An environment variable.
    Variable(&'static str),
}

impl Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place::Flag(flag) => write!(f, "--{flag}"),
            Place::Variable(name) => f.write_str(name),
        }
    }
}

/// A configuration that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// `--tls-cert` alone.
    #[error("--tls-cert without --tls-key: a certificate is served with its private key")]
    CertWithoutKey,
    /// `--client-ca` alone: it is signed by the cluster's authority that every kubelet's certificate is, too.
    #[error(
        "--client-ca without --allow-client: name the clients that may ask, like --allow-client kube-apiserver"
    )]
    ClientCaWithoutClient,
    /// `--allow-client` alone.
    #[error(
        "--allow-client without --client-ca: a name means nothing without the authority that vouches for it"
    )]
    ClientWithoutClientCa,
    /// The file is no YAML, or has a key or a value that means nothing.
    #[error("{file}: {source}")]
    File {
        /// The file.
        file: String,
        /// What is wrong, with its line.
        source: Box<serde_saphyr::Error>,
    },
    /// `--tls-key` alone.
    #[error("--tls-key without --tls-cert: a private key is served with its certificate")]
    KeyWithoutCert,
    /// One gate is both for named clients and for anyone.
    #[error(
        "--allow-client {gate}=... and --insecure-allow-anonymous {gate}: a gate that anyone may ask needs no name"
    )]
    NamedAndAnonymous {
        /// The gate.
        gate: Gate,
    },
    /// Nobody could ask a gate that is served.
    #[error(
        "nobody may ask {gate}: give --client-ca and --allow-client, or --insecure-allow-anonymous {gate}, \
         or leave the gate out with --gate"
    )]
    NoCaller {
        /// The gate.
        gate: Gate,
    },
    /// All gates are switched off.
    #[error("no gate is served: name one with --gate")]
    NoGate,
    /// The file is of another kind or version.
    #[error("{file}: not a configuration: it must say `apiVersion: {API_VERSION}` and `kind: {KIND}`")]
    NotAConfiguration {
        /// The file.
        file: String,
    },
    /// Reviews and probes on one port.
    #[error("--listen and --probe-listen are both {address}: each needs a port of its own")]
    OneAddress {
        /// The address.
        address: SocketAddr,
    },
    /// A duration that is zero or too long.
    #[error("--{}: {value} is out of range: more than 0s and at most {max}", setting.row().flag)]
    OutOfRange {
        /// The setting.
        setting: Setting,
        /// What it was set to.
        value: String,
        /// The largest value.
        max: String,
    },
    /// A duration that may be zero, and is too long.
    #[error("--{}: {value} is out of range: at most {max}", setting.row().flag)]
    TooLong {
        /// The setting.
        setting: Setting,
        /// What it was set to.
        value: String,
        /// The largest value.
        max: String,
    },
    /// One name for two sets of keys.
    #[error("--jwks {name}=...: two sets of keys have this name")]
    TwoKeySets {
        /// The name.
        name: String,
    },
    /// A text that cannot be read.
    #[error("{place}: `{value}`: {reason}")]
    Value {
        /// Where it was given.
        place: Place,
        /// The text.
        value: String,
        /// What is wrong with it.
        reason: String,
    },
}
