//! Who may call which gate.
//!
//! TLS lets every certificate pass whose key the client holds; here its chain, dates, key usage and names are judged,
//! per request. So every refusal looks the same to the caller, and a connection outlives neither its certificate nor a
//! removed authority nor the removal of its name.

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
use super::tls::{self, CertificateError, Validity};
use crate::config;
use crate::gate::Gate;
use crate::watch::Content;

/// The most certificates that a client may show: its own and four of authorities. A few dozen of the same name and
/// different keys would be searched for a way to a trusted one for seconds, and for anybody who connects.
const CHAIN: usize = 5;

/// The rules of who may call which gate.
#[derive(Debug)]
pub struct Callers {
    /// Authorities that sign callers' certificates; without them nobody is asked for one.
    trust: Option<Arc<ArcSwap<Trust>>>,
    rules: ArcSwap<BTreeMap<Gate, config::Caller>>,
}

impl Callers {
    pub(super) fn new(trust: Option<Arc<ArcSwap<Trust>>>, rules: BTreeMap<Gate, config::Caller>) -> Self {
        Self {
            trust,
            rules: ArcSwap::from_pointee(rules),
        }
    }

    /// Puts other names in place of those that may call a gate, for open connections too. Nothing else of the rules is
    /// taken over: a gate that is for named callers stays that, and so does one that is not served.
    pub fn rename(&self, rules: &BTreeMap<Gate, config::Caller>) {
        let mut renamed = BTreeMap::clone(&self.rules.load());
        for (gate, rule) in &mut renamed {
            if let (config::Caller::Named(names), Some(config::Caller::Named(others))) =
                (rule, rules.get(gate))
            {
                names.clone_from(others);
            }
        }
        self.rules.store(Arc::new(renamed));
    }

    /// Whether anybody may call `gate`.
    pub(super) fn serves(&self, gate: Gate) -> bool {
        self.rules.load().contains_key(&gate)
    }

    /// Whether the client at the other end of `connection` may call `gate` now.
    pub(super) fn admit(&self, gate: Gate, connection: &Connection) -> bool {
        self.admit_to(self.rules.load().get(&gate), connection)
    }

    /// Whether the client at the other end of `connection` may call any gate now.
    pub(super) fn admit_anywhere(&self, connection: &Connection) -> bool {
        self.admit_to(self.rules.load().values(), connection)
    }

    /// Whether one of the rules lets a client in. Its chain is judged once for all of them, and not where nobody asks.
    fn admit_to<'a>(
        &self,
        rules: impl IntoIterator<Item = &'a config::Caller>,
        connection: &Connection,
    ) -> bool {
        let mut is_judged = false;
        rules.into_iter().any(|rule| {
            let listed = match rule {
                config::Caller::Anyone => return true,
                config::Caller::Named(names) => names,
            };
            if !std::mem::replace(&mut is_judged, true) {
                self.judge(connection);
            }
            let caller = connection.caller.borrow();
            let names = caller.as_ref().map_or(&[][..], |caller| &caller.names);
            let admitted = names.iter().any(|name| listed.contains(name));
            if admitted {
                connection.seat.known();
            }
            admitted
        })
    }

    /// Finds out who is at the other end of `connection`, unless what is known of that still holds.
    fn judge(&self, connection: &Connection) {
        // A name means nothing without an authority that vouches for it.
        let Some(trust) = &self.trust else { return };
        let trust = trust.load();
        let now = UnixTime::now();
        let mut known = connection.caller.borrow_mut();
        if !known
            .as_ref()
            .is_some_and(|caller| caller.holds(&trust, tls::seconds(now)))
        {
            *known = Caller::verify(&trust, &connection.presented, now);
        }
    }
}

/// What is kept of the chain that a client shows: nothing of one that nobody needs, so that it is nobody's.
pub(super) fn presented(chain: &[CertificateDer<'_>]) -> Vec<CertificateDer<'static>> {
    if chain.len() > CHAIN {
        return Vec::new();
    }
    chain.iter().map(|der| der.clone().into_owned()).collect()
}

/// The authorities that sign callers' certificates.
#[derive(Debug)]
pub(super) struct Trust {
    authorities: Vec<Authority>,
}

/// One authority. Each has a verifier of its own: they know no dates of authorities, and with its dates one vouches for
/// nobody any more.
#[derive(Debug)]
struct Authority {
    verifier: Arc<dyn ClientCertVerifier>,
    validity: Validity,
}

impl Trust {
    /// Makes them of what a file of CA certificates holds.
    pub(super) fn parse(
        file: &Path,
        content: &Content,
        provider: &Arc<CryptoProvider>,
    ) -> Result<Self, CertificateError> {
        let certificates = tls::parse_certificates(file, content)?;
        let authorities = certificates
            .into_iter()
            .map(|certificate| Authority::parse(file, certificate, provider))
            .collect::<Result<_, _>>()?;
        Ok(Self { authorities })
    }

    /// Whether any of them vouches for anybody.
    pub(super) fn holds(&self, now: i64) -> bool {
        self.authorities
            .iter()
            .any(|authority| authority.validity.holds(now))
    }

    /// From the first begin of one of them to the first end of one of them.
    pub(super) fn validity(&self) -> Validity {
        let begins = self.authorities.iter().map(|one| one.validity.not_before);
        let ends = self.authorities.iter().map(|one| one.validity.not_after);
        Validity {
            not_before: begins.min().unwrap_or(i64::MIN),
            not_after: ends.min().unwrap_or(i64::MAX),
        }
    }
}

impl Authority {
    fn parse(
        file: &Path,
        certificate: CertificateDer<'static>,
        provider: &Arc<CryptoProvider>,
    ) -> Result<Self, CertificateError> {
        let refused = |source| CertificateError::Unusable {
            file: file.to_owned(),
            source,
        };
        let validity = Validity::of(&certificate).ok_or_else(|| tls::unparsable(file))?;
        if !may_sign(&certificate) {
            return Err(CertificateError::NoAuthority(file.to_owned()));
        }
        let mut roots = RootCertStore::empty();
        roots.add(certificate).map_err(refused)?;
        let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(provider))
            .build()
            .map_err(|error| refused(rustls::Error::General(error.to_string())))?;
        Ok(Self { verifier, validity })
    }
}

/// Whether a certificate is one of an authority that may sign others.
fn may_sign(certificate: &CertificateDer<'_>) -> bool {
    read(certificate, |it| is_authority(it) && signs(it))
}

/// Whether a certificate calls itself an authority and says that it does not sign: the verifier looks only at the first.
fn contradicts_itself(certificate: &CertificateDer<'_>) -> bool {
    read(certificate, |it| is_authority(it) && !signs(it))
}

/// Whether a certificate says of itself that its holder may be a client.
fn may_call(certificate: &CertificateDer<'_>) -> bool {
    read(
        certificate,
        |it| matches!(it.extended_key_usage(), Ok(Some(usage)) if usage.value.client_auth),
    )
}

fn is_authority(certificate: &X509Certificate<'_>) -> bool {
    matches!(certificate.basic_constraints(), Ok(Some(constraints)) if constraints.value.ca)
}

fn signs(certificate: &X509Certificate<'_>) -> bool {
    match certificate.key_usage() {
        Ok(Some(usage)) => usage.value.key_cert_sign(),
        Ok(None) => true,
        Err(_) => false,
    }
}

/// What is found out of a certificate; nothing of what cannot be parsed.
fn read(certificate: &CertificateDer<'_>, look: impl FnOnce(&X509Certificate<'_>) -> bool) -> bool {
    X509Certificate::from_der(certificate).is_ok_and(|(_, certificate)| look(&certificate))
}

/// A verified client certificate.
pub(super) struct Caller {
    names: Vec<String>,
    trust: Arc<Trust>,
    validity: Validity,
}

impl Caller {
    /// Verifies chain, dates and key usage of a presented chain, and reads the names of its leaf.
    fn verify(trust: &Arc<Trust>, presented: &[CertificateDer<'static>], now: UnixTime) -> Option<Self> {
        let (leaf, intermediates) = presented.split_first()?;
        // The verifier takes one that says nothing of its use.
        if !may_call(leaf) || intermediates.iter().any(contradicts_itself) {
            return None;
        }
        let authority = trust.authorities.iter().find(|authority| {
            authority.validity.holds(tls::seconds(now))
                && authority
                    .verifier
                    .verify_client_cert(leaf, intermediates, now)
                    .is_ok()
        })?;
        Some(Self {
            names: names(leaf),
            trust: Arc::clone(trust),
            validity: Validity::of_all(presented)?.and(authority.validity),
        })
    }

    /// Whether the verification still says something about now.
    fn holds(&self, trust: &Arc<Trust>, now: i64) -> bool {
        Arc::ptr_eq(&self.trust, trust) && self.validity.holds(now)
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
