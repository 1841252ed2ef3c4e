//! Something in Regate's place, with its certificate, that answers every review with the same HTTP error.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU16, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};

use anyhow::{Context, Result};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};

use crate::gates::SOON;
use crate::regate::Regate;

/// A server that knows only errors. Dropping it ends it.
pub(crate) struct Answering {
    shared: Arc<Shared>,
    address: SocketAddr,
    thread: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Shared {
    error: AtomicU16,
    calls: AtomicU64,
    over: AtomicBool,
}

impl Answering {
    /// Stands where a server stood that was ended.
    pub(crate) fn at(regate: &Regate) -> Result<Self> {
        let config = config(regate)?;
        let listener = TcpListener::bind(regate.address())?;
        let shared = Arc::new(Shared::default());
        let seen = Arc::clone(&shared);
        let thread = thread::spawn(move || {
            for socket in listener.incoming().flatten() {
                if seen.over.load(Ordering::Relaxed) {
                    break;
                }
                let (seen, config) = (Arc::clone(&seen), Arc::clone(&config));
                // One that breaks off has asked for nothing, or is not counted twice.
                thread::spawn(move || answer(socket, config, &seen));
            }
        });
        Ok(Self {
            shared,
            address: regate.address(),
            thread: Some(thread),
        })
    }

    /// Answers with this error from now on, and counts anew.
    pub(crate) fn with(&self, error: u16) {
        self.shared.error.store(error, Ordering::Relaxed);
        self.shared.calls.store(0, Ordering::Relaxed);
    }

    /// How many requests were answered so.
    pub(crate) fn calls(&self) -> u64 {
        self.shared.calls.load(Ordering::Relaxed)
    }
}

impl Drop for Answering {
    fn drop(&mut self) {
        self.shared.over.store(true, Ordering::Relaxed);
        // Wakes the thread; without a connection there is nothing to wake it for.
        if TcpStream::connect(self.address).is_ok() {
            let _ = self.thread.take().map(JoinHandle::join);
        }
    }
}

fn config(regate: &Regate) -> Result<Arc<ServerConfig>> {
    let chain = CertificateDer::pem_file_iter(regate.certificate("tls.crt"))?.collect::<Result<_, _>>()?;
    let key = PrivateKeyDer::from_pem_file(regate.certificate("tls.key"))?;
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(chain, key)?;
    Ok(Arc::new(config))
}

/// Reads one request whole, so that the answer is not lost to a reset, and ends the connection after it.
fn answer(socket: TcpStream, config: Arc<ServerConfig>, shared: &Shared) -> Result<()> {
    socket.set_read_timeout(Some(SOON))?;
    let mut stream = StreamOwned::new(ServerConnection::new(config)?, socket);
    let mut request = Vec::new();
    let mut buffer = [0; 4096];
    while !is_whole(&request)? {
        let read = stream.read(&mut buffer)?;
        request.extend_from_slice(
            buffer
                .get(..read)
                .filter(|read| !read.is_empty())
                .context("it broke off")?,
        );
    }
    shared.calls.fetch_add(1, Ordering::Relaxed);
    let error = shared.error.load(Ordering::Relaxed);
    write!(
        stream,
        "HTTP/1.1 {error} Error\r\nContent-Type: text/plain\r\nContent-Length: 3\r\nConnection: close\r\n\r\nno\n"
    )?;
    stream.conn.send_close_notify();
    Ok(stream.flush()?)
}

/// Whether head and body are there; the API server says how long each body is.
fn is_whole(request: &[u8]) -> Result<bool> {
    let text = String::from_utf8_lossy(request);
    let Some((head, body)) = text.split_once("\r\n\r\n") else {
        return Ok(false);
    };
    let length = head
        .lines()
        .find_map(|line| line.strip_prefix("Content-Length: "));
    let length: usize = length.context("a request without a length")?.parse()?;
    Ok(body.len() >= length)
}
