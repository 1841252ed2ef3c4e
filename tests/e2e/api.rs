//! A client of the API server that costs nothing to start: for cases that send more than kubectl can.
//!
//! One connection, one request at a time, as the bearer of a token that may differ from request to request. A failed
//! call is an error, after which the next call makes a new connection.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use serde_json::Value;

/// Longer than any call that ends: the API server gives up before.
const PATIENCE: Duration = Duration::from_secs(90);

/// A client of one API server.
pub(crate) struct Api {
    port: u16,
    config: Arc<ClientConfig>,
    connection: Option<BufReader<StreamOwned<ClientConnection, TcpStream>>>,
}

impl Api {
    /// A client of the API server at this port, whose certificate `authority` signed.
    pub(crate) fn new(port: u16, authority: &Path) -> Result<Self> {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_file(authority).context("cannot read the authority")?)?;
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Self {
            port,
            config: Arc::new(config),
            connection: None,
        })
    }

    /// Posts an object as the bearer of `token`; the status and the object of the answer.
    pub(crate) fn post(&mut self, path: &str, token: &str, object: &Value) -> Result<(u16, Value)> {
        let mut connection = match self.connection.take() {
            Some(connection) => connection,
            None => self.connect()?,
        };
        let body = object.to_string();
        let length = body.len();
        let request = format!(
            "POST {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n\
             Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
        );
        connection.get_mut().write_all(request.as_bytes())?;
        connection.get_mut().flush()?;
        let (status, body) = response(&mut connection)?;
        self.connection = Some(connection);
        Ok((
            status,
            serde_json::from_slice(&body).context("the answer is not JSON")?,
        ))
    }

    fn connect(&self) -> Result<BufReader<StreamOwned<ClientConnection, TcpStream>>> {
        let socket = TcpStream::connect(("127.0.0.1", self.port)).context("cannot reach the API server")?;
        socket.set_read_timeout(Some(PATIENCE))?;
        socket.set_nodelay(true)?;
        let session = ClientConnection::new(Arc::clone(&self.config), ServerName::try_from("localhost")?)?;
        Ok(BufReader::new(StreamOwned::new(session, socket)))
    }
}

/// Reads one response: its status and its body, which has a length or comes in chunks.
fn response(from: &mut impl BufRead) -> Result<(u16, Vec<u8>)> {
    let first = line(from)?;
    let status = first.split(' ').nth(1).and_then(|status| status.parse().ok());
    let status = status.with_context(|| format!("no response: {first}"))?;
    let mut length = Some(0);
    loop {
        let header = line(from)?.to_ascii_lowercase();
        match header.split_once(':') {
            None => break,
            Some(("content-length", value)) => length = Some(value.trim().parse()?),
            Some(("transfer-encoding", _)) => length = None,
            Some(_) => {}
        }
    }
    let mut body = Vec::new();
    if let Some(length) = length {
        take(from, length, &mut body)?;
        return Ok((status, body));
    }
    loop {
        let size = usize::from_str_radix(&line(from)?, 16).context("no size of a chunk")?;
        take(from, size, &mut body)?;
        ensure!(line(from)?.is_empty(), "a chunk does not end");
        if size == 0 {
            return Ok((status, body));
        }
    }
}

fn take(from: &mut impl Read, length: usize, body: &mut Vec<u8>) -> Result<()> {
    let taken = from.take(u64::try_from(length)?).read_to_end(body)?;
    ensure!(taken == length, "the answer breaks off");
    Ok(())
}

fn line(from: &mut impl BufRead) -> Result<String> {
    let mut line = String::new();
    if from.read_line(&mut line)? == 0 {
        bail!("the connection ended");
    }
    Ok(line.trim_end().to_owned())
}
