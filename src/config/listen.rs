//! Section `listen`: the two addresses of the server.

use std::net::{Ipv4Addr, SocketAddr};

use serde::Deserialize;

use super::layers::Layers;
use super::{Error, Setting, text};

/// The section as it is written.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct Written {
    #[serde(deserialize_with = "text::one")]
    pub(super) reviews: Option<SocketAddr>,
    #[serde(deserialize_with = "text::one")]
    pub(super) probes: Option<SocketAddr>,
}

/// Where the server listens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Listen {
    /// For reviews, over TLS.
    pub reviews: SocketAddr,
    /// For probes and metrics, without TLS.
    pub probes: SocketAddr,
}

pub(super) fn resolve(layers: &mut Layers) -> Result<Listen, Error> {
    let loopback = |port| SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let reviews = layers.one(
        "listen.reviews",
        Setting::Listen,
        |w| &w.listen.reviews,
        loopback(8443),
    );
    let probes = layers.one(
        "listen.probes",
        Setting::ProbeListen,
        |w| &w.listen.probes,
        loopback(8080),
    );
    // Port 0 is a free port, another one for each.
    if reviews == probes && reviews.port() != 0 {
        return Err(Error::OneAddress { address: reviews });
    }
    Ok(Listen { reviews, probes })
}
