//! Section `keys`: the sets of keys that policies verify tokens with.

use std::collections::BTreeMap;
use std::fmt::{self, Display};
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use serde::Deserialize;

use super::layers::Layers;
use super::limits::within;
use super::text::{FilePath, Span};
use super::{Error, Setting, text};

/// A key that was taken back is known for this long at most; who never asks again would believe in it for ever.
const MAX_REFRESH: Span = Span::seconds(24 * 3600);

/// The section as it is written.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct Written {
    #[serde(deserialize_with = "text::many")]
    pub(super) sets: Option<Vec<NamedKeys>>,
    #[serde(rename = "issuerCA", deserialize_with = "text::one")]
    pub(super) issuer_ca: Option<FilePath>,
    #[serde(deserialize_with = "text::one")]
    pub(super) refresh: Option<Span>,
}

/// Sets of keys, and how they are fetched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Keys {
    /// The sets by name.
    pub sets: BTreeMap<String, KeySource>,
    /// Certificates of the authorities that sign for the issuers; without it the system's.
    pub issuer_ca: Option<PathBuf>,
    /// The longest time between two fetches of a set.
    pub refresh: Duration,
}

/// Where a set of keys is from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeySource {
    /// A file.
    File(PathBuf),
    /// `https://…`
    Url(String),
}

/// `NAME=FILE` or `NAME=https://…`
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct NamedKeys {
    name: String,
    source: KeySource,
}

impl FromStr for NamedKeys {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (name, source) = text
            .split_once('=')
            .ok_or("expected NAME=FILE or NAME=https://...")?;
        let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
        if name.is_empty() || name.len() > 63 || !name.chars().all(is_plain) {
            return Err("a name has 1 to 63 letters, digits, `-`, `_` and `.`");
        }
        let source = match source {
            "" => return Err("a path cannot be empty"),
            url if url.starts_with("https://") => KeySource::Url(url.to_owned()),
            url if url.contains("://") => return Err("keys are fetched over https:// only"),
            path => KeySource::File(path.into()),
        };
        Ok(Self {
            name: name.to_owned(),
            source,
        })
    }
}

impl Display for NamedKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.source {
            KeySource::File(path) => write!(f, "{}={}", self.name, path.display()),
            KeySource::Url(url) => write!(f, "{}={url}", self.name),
        }
    }
}

pub(super) fn resolve(layers: &mut Layers) -> Result<Keys, Error> {
    let mut sets = BTreeMap::new();
    for NamedKeys { name, source } in layers.list("keys.sets", Setting::Jwks, |w| &w.keys.sets) {
        if sets.insert(name.clone(), source).is_some() {
            return Err(Error::TwoKeySets { name });
        }
    }
    let issuer_ca = layers.optional("keys.issuerCA", Setting::JwksCa, |w| &w.keys.issuer_ca);
    let refresh = layers.one(
        "keys.refresh",
        Setting::JwksRefresh,
        |w| &w.keys.refresh,
        Span::seconds(300),
    );
    Ok(Keys {
        sets,
        issuer_ca: issuer_ca.map(FilePath::into_path),
        refresh: within(Setting::JwksRefresh, refresh, MAX_REFRESH)?,
    })
}
