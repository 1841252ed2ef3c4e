//! A TLS client that says exactly what it is told to: for requests that kubectl would not make.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

use crate::gates::SOON;

/// A connection; the handshake is made with the first bytes.
pub(crate) type Stream = StreamOwned<ClientConnection, TcpStream>;

/// Trusts an authority, and shows a client's certificate (all PEM files).
pub(crate) fn config(authority: &Path, certificate: &Path, key: &Path) -> Result<Arc<ClientConfig>> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(authority)?)?;
    let chain = CertificateDer::pem_file_iter(certificate)?.collect::<Result<_, _>>()?;
    let key = PrivateKeyDer::from_pem_file(key)?;
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_client_auth_cert(chain, key)?;
    Ok(Arc::new(config))
}

/// A connection to a server that has a certificate for its address.
pub(crate) fn connect(address: SocketAddr, config: &Arc<ClientConfig>) -> Result<Stream> {
    let session = ClientConnection::new(Arc::clone(config), ServerName::IpAddress(address.ip().into()))?;
    let socket = TcpStream::connect(address).with_context(|| format!("no connection to {address}"))?;
    socket.set_read_timeout(Some(SOON))?;
    Ok(StreamOwned::new(session, socket))
}

/// Sends one request that asks for the end of the connection, and gives all that is answered.
pub(crate) fn exchange(mut stream: Stream, request: &[u8]) -> Result<String> {
    stream.write_all(request)?;
    stream.flush()?;
    let mut answer = Vec::new();
    match stream.read_to_end(&mut answer) {
        Err(error) if error.kind() != ErrorKind::UnexpectedEof => Err(error.into()),
        _ => Ok(String::from_utf8_lossy(&answer).into_owned()),
    }
}
