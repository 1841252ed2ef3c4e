//! TLS of a client: whose certificates are believed, and which one is shown.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

use super::{Error, StartError, Tls};
use crate::watch;

/// The longest file of authorities; those of whole systems have a quarter of a megabyte.
const MAX_AUTHORITIES: u64 = 16 * 1024 * 1024;

/// Where systems keep the certificates of the authorities that they trust.
const SYSTEM: [&str; 4] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
];

/// What requests are trusted by, if they say nothing else.
#[derive(Debug)]
pub(super) struct Trust {
    provider: Arc<CryptoProvider>,
    roots: Arc<RootCertStore>,
    default: Arc<ClientConfig>,
}

impl Trust {
    /// Trusts the authorities of a file, or those of the system. On a system that has none nobody is trusted.
    pub(super) fn new(file: Option<&Path>) -> Result<Self, StartError> {
        let system = || SYSTEM.iter().map(PathBuf::from).find(|file| file.exists());
        let mut roots = RootCertStore::empty();
        if let Some(named) = file.map(Path::to_owned).or_else(system) {
            let text = watch::read(&named, MAX_AUTHORITIES)
                .map_err(|problem| StartError::authorities(&named, problem))?;
            // Systems keep certificates, too, that no program reads any more.
            let (added, problem) = add(&mut roots, &text);
            if file.is_some()
                && let Some(problem) = problem
            {
                return Err(StartError::authorities(&named, problem));
            }
            if added == 0 && file.is_some() {
                return Err(StartError::authorities(&named, "no certificate in it"));
            }
        }
        let provider = Arc::new(aws_lc_rs::default_provider());
        let roots = Arc::new(roots);
        let default = config(&provider, Arc::clone(&roots), None)
            .map_err(|error| StartError::System(std::io::Error::other(error.to_string())))?;
        Ok(Self {
            provider,
            roots,
            default: Arc::new(default),
        })
    }

    /// The TLS of one request.
    pub(super) fn of(&self, tls: &Tls) -> Result<Arc<ClientConfig>, Error> {
        if tls.authorities.is_none() && tls.identity.is_none() {
            return Ok(Arc::clone(&self.default));
        }
        let roots = match &tls.authorities {
            None => Arc::clone(&self.roots),
            Some(text) => {
                let mut roots = match tls.and_default {
                    true => RootCertStore::clone(&self.roots),
                    false => RootCertStore::empty(),
                };
                match add(&mut roots, text.as_bytes()) {
                    (0, _) | (_, Some(_)) => {
                        return Err(Error::Trust(
                            "the authorities are not certificates in PEM".to_owned(),
                        ));
                    }
                    _ => Arc::new(roots),
                }
            }
        };
        config(&self.provider, roots, tls.identity.as_ref()).map(Arc::new)
    }
}

/// Adds all certificates of a text: how many, and what is wrong with the first that is none.
fn add(roots: &mut RootCertStore, text: &[u8]) -> (usize, Option<String>) {
    let (mut added, mut problem) = (0, None);
    for certificate in CertificateDer::pem_slice_iter(text) {
        match certificate
            .map_err(|_| "is no valid PEM".to_owned())
            .and_then(|certificate| roots.add(certificate).map_err(|error| error.to_string()))
        {
            Ok(()) => added += 1,
            Err(error) => problem = problem.or(Some(error)),
        }
    }
    (added, problem)
}

fn config(
    provider: &Arc<CryptoProvider>,
    roots: Arc<RootCertStore>,
    identity: Option<&(String, String)>,
) -> Result<ClientConfig, Error> {
    let trust = |problem: &str| Error::Trust(problem.to_owned());
    let builder = ClientConfig::builder_with_provider(Arc::clone(provider))
        .with_safe_default_protocol_versions()
        .map_err(|error| Error::Trust(error.to_string()))?
        .with_root_certificates(roots);
    let mut config = match identity {
        None => builder.with_no_client_auth(),
        Some((certificates, key)) => {
            let chain = CertificateDer::pem_slice_iter(certificates.as_bytes())
                .collect::<Result<Vec<_>, _>>()
                .ok()
                .filter(|chain| !chain.is_empty())
                .ok_or_else(|| trust("the client's certificate is not one in PEM"))?;
            let key = PrivateKeyDer::from_pem_slice(key.as_bytes())
                .map_err(|_| trust("the client's key is not one in PEM"))?;
            builder
                .with_client_auth_cert(chain, key)
                .map_err(|_| trust("the client's certificate and key do not belong together"))?
        }
    };
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}
