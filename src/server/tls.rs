//! The TLS side of the listener: versions, protocol, the serving certificate and the question for the client's.
//!
//! TLS 1.2 and 1.3 by aws-lc-rs, HTTP/1.1 only, the same certificate with and without SNI, no resumption in any form
//! (it would restore a client's chain unverified). The certificate is behind a pointer that can be swapped.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use arc_swap::ArcSwap;
use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::{self, CryptoProvider};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::server::{ClientHello, NoServerSessionStorage, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::{DigitallySignedStruct, DistinguishedName, ServerConfig, SignatureScheme};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, UnixTime, pem};
use x509_parser::certificate::X509Certificate;
use x509_parser::prelude::FromDer;

use super::settings::CertificateFiles;

/// A certificate or key that cannot be used; the operator has to give another one.
#[derive(Debug, thiserror::Error)]
pub enum CertificateError {
    /// The file cannot be read, or holds no PEM of the wanted kind.
    #[error("{}: {source}", file.display())]
    Unreadable {
        /// The file.
        file: PathBuf,
        /// What is wrong with it.
        source: pem::Error,
    },
    /// The file holds no certificate.
    #[error("{}: no certificate in it", .0.display())]
    Empty(PathBuf),
    /// The certificate cannot be parsed, or does not belong to the key.
    #[error("{}: {source}", file.display())]
    Unusable {
        /// The file.
        file: PathBuf,
        /// What is wrong with it.
        source: rustls::Error,
    },
}

/// The serving certificate with its key.
pub(super) struct Certificate {
    key: CertifiedKey,
    /// When its first part expires, in Unix seconds.
    pub(super) not_after: i64,
}

impl Certificate {
    /// Reads a pair of files; they have to belong together.
    pub(super) fn load(
        files: &CertificateFiles,
        provider: &CryptoProvider,
    ) -> Result<Self, CertificateError> {
        let CertificateFiles {
            certificate: file,
            key,
        } = files;
        let chain = read_certificates(file)?;
        let not_after = not_after(file, &chain)?;
        let key = PrivateKeyDer::from_pem_file(key).map_err(|source| CertificateError::Unreadable {
            file: key.clone(),
            source,
        })?;
        let key =
            CertifiedKey::from_der(chain, key, provider).map_err(|source| CertificateError::Unusable {
                file: file.clone(),
                source,
            })?;
        Ok(Self { key, not_after })
    }
}

/// All certificates of a PEM file; at least one.
pub(super) fn read_certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>, CertificateError> {
    let unreadable = |source| CertificateError::Unreadable {
        file: file.to_owned(),
        source,
    };
    let certificates: Vec<_> = CertificateDer::pem_file_iter(file)
        .and_then(Iterator::collect)
        .map_err(unreadable)?;
    if certificates.is_empty() {
        Err(CertificateError::Empty(file.to_owned()))
    } else {
        Ok(certificates)
    }
}

/// The earliest expiry of certificates read from `file`, in Unix seconds.
pub(super) fn not_after(file: &Path, certificates: &[CertificateDer<'_>]) -> Result<i64, CertificateError> {
    let mut ends = certificates.iter().map(not_after_of);
    ends.try_fold(i64::MAX, |end, next| Some(end.min(next?)))
        .ok_or_else(|| CertificateError::Unusable {
            file: file.to_owned(),
            source: rustls::CertificateError::BadEncoding.into(),
        })
}

/// When a certificate expires, in Unix seconds.
pub(super) fn not_after_of(certificate: &CertificateDer<'_>) -> Option<i64> {
    let (_, certificate) = X509Certificate::from_der(certificate).ok()?;
    Some(certificate.validity().not_after.timestamp())
}

/// The TLS configuration of the listener; clients are asked for a certificate if `ask_clients`.
pub(super) fn server_config(
    certificate: Certificate,
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
    let mut config = builder.with_cert_resolver(Arc::new(Served {
        key: ArcSwap::from_pointee(certificate.key),
    }));
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    config.session_storage = Arc::new(NoServerSessionStorage {});
    // None could be used: without storage they would be made for nothing.
    config.send_tls13_tickets = 0;
    Ok(config)
}

/// The certificate of every handshake, whatever name the client asks for.
#[derive(Debug)]
struct Served {
    key: ArcSwap<CertifiedKey>,
}

impl ResolvesServerCert for Served {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.key.load_full())
    }
}

/// Takes any client certificate, or none, and checks only that the client holds its key: the guard of the routes
/// judges the certificate itself.
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
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
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
