//! Section `tls`: the server's certificate.

use std::path::PathBuf;

use serde::Deserialize;

use super::layers::Layers;
use super::text::FilePath;
use super::{Error, Setting, text};

/// The section as it is written.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct Written {
    #[serde(deserialize_with = "text::one")]
    pub(super) cert: Option<FilePath>,
    #[serde(deserialize_with = "text::one")]
    pub(super) key: Option<FilePath>,
}

/// Where the server's certificate comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Tls {
    /// Made at start by an authority that lives as long as the process.
    Ephemeral,
    /// Read from two PEM files.
    Files {
        /// The chain, the server's own certificate first.
        cert: PathBuf,
        /// Its private key.
        key: PathBuf,
    },
}

pub(super) fn resolve(layers: &mut Layers) -> Result<Tls, Error> {
    let cert = layers.optional("tls.cert", Setting::TlsCert, |w| &w.tls.cert);
    let key = layers.optional("tls.key", Setting::TlsKey, |w| &w.tls.key);
    match (cert, key) {
        (None, None) => Ok(Tls::Ephemeral),
        (Some(cert), Some(key)) => Ok(Tls::Files {
            cert: cert.into_path(),
            key: key.into_path(),
        }),
        (Some(_), None) => Err(Error::CertWithoutKey),
        (None, Some(_)) => Err(Error::KeyWithoutCert),
    }
}
