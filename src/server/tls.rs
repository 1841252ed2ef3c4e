//! The TLS side of the listener: versions, protocol, the serving certificate and the question for the client's.
//!
//! TLS 1.2 and 1.3 by aws-lc-rs, HTTP/1.1 only, the same certificate with and without SNI, no resumption in any form
//! (it would restore a client's chain unverified). The certificate is behind a pointer that can be swapped as a whole.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use arc_swap::ArcSwap;
use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::{self, CryptoProvider};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::server::{ClientHello, NoServerSessionStorage, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::{DigitallySignedStruct, DistinguishedName, ServerConfig, SignatureScheme};
use rustls_pki_types::pem::{self, PemObject};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, UnixTime};
use x509_parser::certificate::X509Certificate;
use x509_parser::prelude::FromDer;

use super::settings::CertificateFiles;
use crate::watch::Content;

/// A certificate or key that cannot be used; the operator has to give another one. None of its texts quotes a file:
/// what is wrong may be that a key stands where none is looked for.
#[derive(Debug, thiserror::Error, PartialEq)]
pub enum CertificateError {
    /// The file cannot be read.
    #[error("{}: {reason}", file.display())]
    Unreadable {
        /// The file.
        file: PathBuf,
        /// Why.
        reason: String,
    },
    /// The file is no PEM, or PEM that was cut.
    #[error("{}: is no valid PEM", .0.display())]
    NotPem(PathBuf),
    /// The file holds no certificate.
    #[error("{}: no certificate in it", .0.display())]
    NoCertificate(PathBuf),
    /// The file holds no private key.
    #[error("{}: no private key in it", .0.display())]
    NoKey(PathBuf),
    /// The file holds a certificate that cannot sign others.
    #[error("{}: a certificate in it is no authority's: it may not sign certificates", .0.display())]
    NoAuthority(PathBuf),
    /// The certificate cannot be parsed, or does not belong to the key.
    #[error("{}: {source}", file.display())]
    Unusable {
        /// The file.
        file: PathBuf,
        /// What is wrong with it.
        source: rustls::Error,
    },
}

/// From when to when, in Unix seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Validity {
    pub(super) not_before: i64,
    pub(super) not_after: i64,
}

impl Validity {
    /// That of a certificate; `None` if it cannot be parsed.
    pub(super) fn of(certificate: &CertificateDer<'_>) -> Option<Self> {
        let (_, certificate) = X509Certificate::from_der(certificate).ok()?;
        Some(Self {
            not_before: certificate.validity().not_before.timestamp(),
            not_after: certificate.validity().not_after.timestamp(),
        })
    }

    /// That of certificates which are used together; `None` if one cannot be parsed.
    pub(super) fn of_all(certificates: &[CertificateDer<'_>]) -> Option<Self> {
        let always = Self {
            not_before: i64::MIN,
            not_after: i64::MAX,
        };
        let mut each = certificates.iter().map(Self::of);
        each.try_fold(always, |all, next| Some(all.and(next?)))
    }

    /// When both hold.
    pub(super) fn and(self, other: Self) -> Self {
        Self {
            not_before: self.not_before.max(other.not_before),
            not_after: self.not_after.min(other.not_after),
        }
    }

    /// Whether that is now. Both ends belong to it.
    pub(super) fn holds(self, now: i64) -> bool {
        (self.not_before..=self.not_after).contains(&now)
    }
}

/// A time in Unix seconds.
pub(super) fn seconds(time: UnixTime) -> i64 {
    i64::try_from(time.as_secs()).unwrap_or(i64::MAX)
}

/// A serving certificate with its key; they belong together.
#[derive(Debug)]
pub(super) struct Certificate {
    key: Arc<CertifiedKey>,
    /// When all of its chain hold.
    pub(super) validity: Validity,
}

impl Certificate {
    /// Makes a pair of what its files hold.
    pub(super) fn parse(
        files: &CertificateFiles,
        certificate: &Content,
        key: &Content,
        provider: &CryptoProvider,
    ) -> Result<Self, CertificateError> {
        let file = &files.certificate;
        let chain = parse_certificates(file, certificate)?;
        let validity = Validity::of_all(&chain).ok_or_else(|| unparsable(file))?;
        let key = PrivateKeyDer::from_pem_slice(bytes(&files.key, key)?).map_err(|error| match error {
            pem::Error::NoItemsFound => CertificateError::NoKey(files.key.clone()),
            _ => CertificateError::NotPem(files.key.clone()),
        })?;
        let key =
            CertifiedKey::from_der(chain, key, provider).map_err(|source| CertificateError::Unusable {
                file: file.clone(),
                source,
            })?;
        Ok(Self {
            key: Arc::new(key),
            validity,
        })
    }
}

/// All certificates of what a file holds; at least one.
pub(super) fn parse_certificates(
    file: &Path,
    content: &Content,
) -> Result<Vec<CertificateDer<'static>>, CertificateError> {
    let certificates: Vec<_> = CertificateDer::pem_slice_iter(bytes(file, content)?)
        .collect::<Result<_, _>>()
        .map_err(|_| CertificateError::NotPem(file.to_owned()))?;
    if certificates.is_empty() {
        Err(CertificateError::NoCertificate(file.to_owned()))
    } else {
        Ok(certificates)
    }
}

fn bytes<'a>(file: &Path, content: &'a Content) -> Result<&'a [u8], CertificateError> {
    content.as_deref().map_err(|reason| CertificateError::Unreadable {
        file: file.to_owned(),
        reason: reason.clone(),
    })
}

/// What is in PEM is no certificate.
pub(super) fn unparsable(file: &Path) -> CertificateError {
    CertificateError::Unusable {
        file: file.to_owned(),
        source: rustls::CertificateError::BadEncoding.into(),
    }
}

/// The TLS configuration of the listener; clients are asked for a certificate if `ask_clients`.
pub(super) fn server_config(
    certificate: Arc<ArcSwap<Certificate>>,
    ask_clients: bool,
    provider: &Arc<CryptoProvider>,
) -> Result<ServerConfig, rustls::Error> {
    let builder = ServerConfig::builder_with_provider(Arc::clone(provider))
        .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])?;
    let builder = if ask_clients {
        builder.with_client_cert_verifier(Arc::new(ProofOfKey {
            provider: Arc::clone(provider),
        }))
    } else {
        builder.with_no_client_auth()
    };
    let mut config = builder.with_cert_resolver(Arc::new(Served(certificate)));
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    config.session_storage = Arc::new(NoServerSessionStorage {});
    // None could be used: without storage they would be made for nothing.
    config.send_tls13_tickets = 0;
    Ok(config)
}

/// The certificate of every handshake, whatever name the client asks for.
#[derive(Debug)]
struct Served(Arc<ArcSwap<Certificate>>);

impl ResolvesServerCert for Served {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.0.load().key))
    }
}

/// Bytes of a client's certificates, which are kept for as long as its connection: many times what five of them take.
const CHAIN: usize = 32 << 10;

/// Takes any client certificate of a usual size, or none, and checks only that the client holds its key: the guard of
/// the routes judges the certificate itself.
#[derive(Debug)]
struct ProofOfKey {
    provider: Arc<CryptoProvider>,
}

impl ClientCertVerifier for ProofOfKey {
    fn client_auth_mandatory(&self) -> bool {
        false
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        leaf: &CertificateDer<'_>,
        others: &[CertificateDer<'_>],
        _: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        let bytes: usize = others.iter().map(|der| der.len()).sum();
        if leaf.len() + bytes > CHAIN {
            return Err(rustls::CertificateError::ApplicationVerificationFailure.into());
        }
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        crypto::verify_tls12_signature(message, certificate, signature, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        crypto::verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider
            .signature_verification_algorithms
            .supported_schemes()
    }
}
