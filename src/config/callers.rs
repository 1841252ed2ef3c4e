//! Section `callers`: who may ask at which gate.
//!
//! A gate without a rule for its callers is not served: the API server presents a certificate, and what a gate may be
//! asked without one has to be said by name. The one exception is development, where nothing but this machine can ask.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::{self, Display};
use std::path::PathBuf;
use std::str::FromStr;

use serde::Deserialize;

use super::layers::Layers;
use super::text::FilePath;
use super::{Error, Gates, Listen, Setting, Tls, text};
use crate::gate::Gate;

/// The section as it is written.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct Written {
    #[serde(rename = "clientCA", deserialize_with = "text::one")]
    pub(super) client_ca: Option<FilePath>,
    #[serde(deserialize_with = "text::many")]
    pub(super) allow_clients: Option<Vec<AllowedClient>>,
    #[serde(deserialize_with = "text::many")]
    pub(super) insecure_allow_anonymous: Option<Vec<Gate>>,
}

/// Who may ask.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Callers {
    /// File of the authorities that sign clients' certificates; there is one wherever a caller is named.
    pub client_ca: Option<PathBuf>,
    /// The rule of every gate that is served, and of no other.
    pub rules: BTreeMap<Gate, Caller>,
}

/// Who may ask at one gate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Caller {
    /// Anyone who reaches the port.
    Anyone,
    /// Clients whose certificate has one of these names, at least one.
    Named(BTreeSet<String>),
}

/// A client that may ask, at one gate or at all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct AllowedClient {
    gate: Option<Gate>,
    name: String,
}

impl FromStr for AllowedClient {
    type Err = String;

    /// A word before the first `=` must name a gate: a misspelt one would allow a name that nobody has.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let is_word = |prefix: &str| prefix.bytes().all(|byte| byte.is_ascii_lowercase());
        let (gate, name) = match text.split_once('=') {
            Some((prefix, name)) if is_word(prefix) => (
                Some(prefix.parse::<Gate>().map_err(|error| error.to_string())?),
                name,
            ),
            _ => (None, text),
        };
        if name.is_empty() {
            return Err("the client's name is missing".to_owned());
        }
        Ok(Self {
            gate,
            name: name.to_owned(),
        })
    }
}

impl Display for AllowedClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(gate) = self.gate {
            write!(f, "{gate}=")?;
        }
        f.write_str(&self.name)
    }
}

pub(super) fn resolve(
    layers: &mut Layers,
    listen: &Listen,
    tls: &Tls,
    gates: &Gates,
) -> Result<Callers, Error> {
    let client_ca = layers.optional("callers.clientCA", Setting::ClientCa, |w| &w.callers.client_ca);
    let allowed = layers.list("callers.allowClients", Setting::AllowClient, |w| {
        &w.callers.allow_clients
    });
    let anonymous = layers.list(
        "callers.insecureAllowAnonymous",
        Setting::InsecureAllowAnonymous,
        |w| &w.callers.insecure_allow_anonymous,
    );
    match (&client_ca, allowed.is_empty()) {
        (Some(_), true) => return Err(Error::ClientCaWithoutClient),
        (None, false) => return Err(Error::ClientWithoutClientCa),
        (Some(_), false) | (None, true) => {}
    }
    let development = client_ca.is_none() && *tls == Tls::Ephemeral && listen.reviews.ip().is_loopback();
    let rule = |gate: Gate| -> Result<(Gate, Caller), Error> {
        let caller = if anonymous.contains(&gate) {
            if allowed.iter().any(|client| client.gate == Some(gate)) {
                return Err(Error::NamedAndAnonymous { gate });
            }
            Caller::Anyone
        } else if development {
            Caller::Anyone
        } else {
            let here = allowed
                .iter()
                .filter(|client| client.gate.is_none_or(|of| of == gate));
            let names: BTreeSet<_> = here.map(|client| client.name.clone()).collect();
            if names.is_empty() {
                return Err(Error::NoCaller { gate });
            }
            Caller::Named(names)
        };
        Ok((gate, caller))
    };
    let rules = gates.served.iter().copied().map(rule).collect::<Result<_, _>>()?;
    Ok(Callers {
        client_ca: client_ca.map(FilePath::into_path),
        rules,
    })
}
