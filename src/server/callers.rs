//! Who may call which gate.
//!
//! TLS lets every certificate pass whose key the client holds; here its chain, dates, key usage and names are judged,
//! per request. So every refusal looks the same to the caller, and a connection outlives neither its certificate nor,
//! once reloading exists, a removed authority.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use arc_swap::ArcSwap;
use rustls::RootCertStore;
use rustls::crypto::CryptoProvider;
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::ClientCertVerifier;
use rustls_pki_types::{CertificateDer, UnixTime};
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::FromDer;

use super::connection::Connection;
use super::tls::{self, CertificateError};
use crate::config;
use crate::gate::Gate;

/// The rules of who may call which gate.
pub(super) struct Callers {
    /// Authorities that sign callers' certificates; without them nobody is asked for one.
    trust: Option<ArcSwap<Trust>>,
    rules: BTreeMap<Gate, config::Caller>,
}

impl Callers {
    pub(super) fn new(trust: Option<Trust>, rules: BTreeMap<Gate, config::Caller>) -> Self {
        Self {
            trust: trust.map(ArcSwap::from_pointee),
            rules,
        }
    }

    /// Whether anybody may call `gate`.
    pub(super) fn serves(&self, gate: Gate) -> bool {
        self.rules.contains_key(&gate)
    }

    /// Whether the client at the other end of `connection` may call `gate` now.
    pub(super) fn admit(&self, gate: Gate, connection: &Connection) -> bool {
        let listed = match self.rules.get(&gate) {
            None => return false,
            Some(config::Caller::Anyone) => return true,
            Some(config::Caller::Named(names)) => names,
        };
        // A name means nothing without an authority that vouches for it.
        let Some(trust) = &self.trust else { return false };
        let now = UnixTime::now();
        let trust = trust.load();
        let mut known = connection.caller.borrow_mut();
        if !known.as_ref().is_some_and(|caller| caller.holds(&trust, now)) {
            *known = Caller::verify(&trust, &connection.presented, now);
        }
        known
            .as_ref()
            .is_some_and(|caller| caller.names.iter().any(|name| listed.contains(name)))
    }
}

/// The authorities that sign callers' certificates.
#[derive(Debug)]
pub(super) struct Trust {
    verifier: Arc<dyn ClientCertVerifier>,
    /// The earliest end of one of them.
    pub(super) not_after: i64,
}

impl Trust {
    /// Reads a file of CA certificates.
    pub(super) fn load(file: &Path, provider: &Arc<CryptoProvider>) -> Result<Self, CertificateError> {
        let certificates = tls::read_certificates(file)?;
        let not_after = tls::not_after(file, &certificates)?;
        let refused = |source| CertificateError::Unusable {
            file: file.to_owned(),
            source,
        };
        let mut roots = RootCertStore::empty();
        for certificate in certificates {
            roots.add(certificate).map_err(refused)?;
        }
        let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(provider))
            .build()
            .map_err(|error| refused(rustls::Error::General(error.to_string())))?;
        Ok(Self { verifier, not_after })
    }
}

/// A verified client certificate.
pub(super) struct Caller {
    names: Vec<String>,
    trust: Arc<Trust>,
    not_after: i64,
}

impl Caller {
    /// Verifies chain, dates and key usage of a presented chain, and reads the names of its leaf.
    fn verify(trust: &Arc<Trust>, presented: &[CertificateDer<'static>], now: UnixTime) -> Option<Self> {
        let (leaf, intermediates) = presented.split_first()?;
        trust.verifier.verify_client_cert(leaf, intermediates, now).ok()?;
        let not_after = presented
            .iter()
            .map(tls::not_after_of)
            .try_fold(i64::MAX, |end, next| Some(end.min(next?)))?;
        Some(Self {
            names: names(leaf),
            trust: Arc::clone(trust),
            not_after,
        })
    }

    /// Whether the verification still says something about now.
    fn holds(&self, trust: &Arc<Trust>, now: UnixTime) -> bool {
        Arc::ptr_eq(&self.trust, trust) && i64::try_from(now.as_secs()).is_ok_and(|now| now < self.not_after)
    }
}

/// The names that a certificate gives its holder: the common name if there is exactly one, and the DNS, URI and
/// e-mail names.
pub(crate) fn names(leaf: &CertificateDer<'_>) -> Vec<String> {
    let Ok((_, certificate)) = X509Certificate::from_der(leaf) else {
        return Vec::new();
    };
    let mut common = certificate
        .subject()
        .iter_common_name()
        .map(|name| name.as_str().ok());
    let mut names = match (common.next(), common.next()) {
        (Some(Some(name)), None) => vec![name.to_owned()],
        _ => Vec::new(),
    };
    if let Ok(Some(alternatives)) = certificate.subject_alternative_name() {
        names.extend(
            alternatives
                .value
                .general_names
                .iter()
                .filter_map(|name| match name {
                    GeneralName::DNSName(name) | GeneralName::URI(name) | GeneralName::RFC822Name(name) => {
                        Some((*name).to_owned())
                    }
                    _ => None,
                }),
        );
    }
    names
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, DnType, KeyPair, SanType};

    use super::*;

    fn names_of(common_names: &[&str], alternatives: Vec<SanType>) -> Vec<String> {
        let mut params = CertificateParams::default();
        params.distinguished_name = rcgen::DistinguishedName::new();
        // Every type is held once: further ones of the same number are made by hand.
        for (kind, name) in [DnType::CommonName, DnType::CustomDnType(vec![2, 5, 4, 3])]
            .into_iter()
            .zip(common_names)
        {
            params.distinguished_name.push(kind, *name);
        }
        params.subject_alt_names = alternatives;
        let certificate = params.self_signed(&KeyPair::generate().unwrap()).unwrap();
        names(certificate.der())
    }

    #[test]
    fn a_common_name_counts_only_if_there_is_one() {
        assert_eq!(names_of(&["apiserver"], Vec::new()), ["apiserver"]);
        assert_eq!(names_of(&["apiserver", "other"], Vec::new()), [""; 0]);
        assert_eq!(names_of(&[], Vec::new()), [""; 0]);
    }

    #[test]
    fn addresses_are_no_names_and_all_others_are() {
        let alternatives = vec![
            SanType::DnsName("one.example".try_into().unwrap()),
            SanType::IpAddress([127, 0, 0, 1].into()),
            SanType::URI("spiffe://two".try_into().unwrap()),
            SanType::Rfc822Name("three@example.org".try_into().unwrap()),
        ];
        assert_eq!(
            names_of(&["zero"], alternatives),
            ["zero", "one.example", "spiffe://two", "three@example.org"]
        );
    }
}
