//! A TLS server that a test asks: it takes each request to its end and answers as the test says, also wrongly or never.
//!
//! Always holds: it answers at loopback with a certificate of an authority of its own, and ends with the test.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::Duration;

use rcgen::{CertificateParams, KeyPair, SanType};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig, ServerConnection, StreamOwned};

use crate::pki::{Issuer, authority_params, params, root};

/// A request as it arrived.
#[derive(Clone, Debug, Default)]
pub(crate) struct Received {
    /// Request line and headers.
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

impl Received {
    /// The value of a header.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().skip(1).find_map(|line| {
            let (key, value) = line.split_once(':')?;
            key.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }
}

/// Where an answer is written, and what it can wait for.
pub(crate) struct Reply<'a> {
    stream: &'a mut dyn Write,
    ended: &'a Ended,
}

impl Reply<'_> {
    /// Writes these bytes. Whoever asked may have gone.
    pub(crate) fn raw(&mut self, bytes: impl AsRef<[u8]>) -> bool {
        self.stream
            .write_all(bytes.as_ref())
            .and_then(|()| self.stream.flush())
            .is_ok()
    }

    /// An answer with this status line, headers and body.
    pub(crate) fn answer(&mut self, status: &str, headers: &[(&str, &str)], body: &str) {
        let headers: String = headers
            .iter()
            .map(|(name, value)| format!("{name}: {value}\r\n"))
            .collect();
        let length = body.len();
        self.raw(format!(
            "HTTP/1.1 {status}\r\n{headers}Content-Length: {length}\r\n\r\n{body}"
        ));
    }

    /// An answer of JSON.
    pub(crate) fn json(&mut self, body: &str) {
        self.answer("200 OK", &[("Content-Type", "application/json")], body);
    }

    /// Whether the test has ended.
    pub(crate) fn has_ended(&self) -> bool {
        *self.ended.0.lock().unwrap()
    }

    /// Says nothing until the test ends.
    pub(crate) fn never(&mut self) {
        self.ended.wait();
    }
}

#[derive(Default)]
struct Ended(Mutex<bool>, Condvar);

impl Ended {
    fn wait(&self) {
        let ended = self.0.lock().unwrap();
        drop(self.1.wait_while(ended, |ended| !*ended).unwrap());
    }

    fn end(&self) {
        *self.0.lock().unwrap() = true;
        self.1.notify_all();
    }
}

/// What a test has it answer, on a thread of the connection.
type Answer = dyn Fn(&Received, &mut Reply<'_>) + Send + Sync;

/// How it listens.
#[derive(Default)]
pub(crate) struct Kind {
    /// Without TLS.
    pub(crate) plain: bool,
    /// For whom its certificate is; without any for `localhost` and both addresses of loopback.
    pub(crate) names: Vec<String>,
    /// It asks for a client's certificate of its authority.
    pub(crate) asks_client: bool,
    /// Its certificate has ended.
    pub(crate) expired: bool,
}

/// The server.
pub(crate) struct Peer {
    pub(crate) port: u16,
    /// The authority's certificate.
    pub(crate) ca: String,
    authority: Issuer,
    received: Arc<Mutex<Vec<Received>>>,
    ended: Arc<Ended>,
    stop: Arc<AtomicBool>,
}

impl Peer {
    pub(crate) fn start(answer: impl Fn(&Received, &mut Reply<'_>) + Send + Sync + 'static) -> Self {
        Self::of_kind(&Kind::default(), answer)
    }

    pub(crate) fn of_kind(
        kind: &Kind,
        answer: impl Fn(&Received, &mut Reply<'_>) + Send + Sync + 'static,
    ) -> Self {
        let authority = root(authority_params("peer CA"));
        let tls = (!kind.plain).then(|| Arc::new(config(kind, &authority)));
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let peer = Self {
            port: listener.local_addr().unwrap().port(),
            ca: authority.pem(),
            authority,
            received: Arc::default(),
            ended: Arc::default(),
            stop: Arc::default(),
        };
        let (received, ended, stop) = (
            Arc::clone(&peer.received),
            Arc::clone(&peer.ended),
            Arc::clone(&peer.stop),
        );
        let answer: Arc<Answer> = Arc::new(answer);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if stop.load(Ordering::Relaxed) {
                    return;
                }
                let (tls, answer) = (tls.clone(), Arc::clone(&answer));
                let (received, ended) = (Arc::clone(&received), Arc::clone(&ended));
                thread::spawn(move || serve(stream, tls, &*answer, &received, &ended));
            }
        });
        peer
    }

    /// What was asked so far.
    pub(crate) fn received(&self) -> Vec<Received> {
        self.received.lock().unwrap().clone()
    }

    /// A certificate of its authority for a client, and the key.
    pub(crate) fn client(&self) -> (String, String) {
        issue(params("a client"), &self.authority)
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("https://127.0.0.1:{}{path}", self.port)
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        self.ended.end();
        drop(TcpStream::connect(("127.0.0.1", self.port)));
    }
}

fn issue(params: CertificateParams, authority: &Issuer) -> (String, String) {
    let key = KeyPair::generate().unwrap();
    let certificate = params.signed_by(&key, authority).unwrap();
    (certificate.pem(), key.serialize_pem())
}

fn config(kind: &Kind, authority: &Issuer) -> ServerConfig {
    let mut params = params("peer");
    params.subject_alt_names = if kind.names.is_empty() {
        let addresses = ["127.0.0.1", "::1"].map(|address| SanType::IpAddress(address.parse().unwrap()));
        let mut names = Vec::from(addresses);
        names.push(SanType::DnsName("localhost".try_into().unwrap()));
        names
    } else {
        let name = |name: &String| SanType::DnsName(name.as_str().try_into().unwrap());
        kind.names.iter().map(name).collect()
    };
    if kind.expired {
        params.not_after = params.not_before + Duration::from_secs(60);
    }
    let (certificate, key) = issue(params, authority);
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .unwrap();
    let builder = if kind.asks_client {
        let mut roots = RootCertStore::empty();
        let ca = CertificateDer::from_pem_slice(authority.pem().as_bytes()).unwrap();
        roots.add(ca).unwrap();
        let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build();
        builder.with_client_cert_verifier(verifier.unwrap())
    } else {
        builder.with_no_client_auth()
    };
    let certificate = CertificateDer::from_pem_slice(certificate.as_bytes()).unwrap();
    let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap();
    builder.with_single_cert(vec![certificate], key).unwrap()
}

fn serve(
    stream: TcpStream,
    tls: Option<Arc<ServerConfig>>,
    answer: &Answer,
    received: &Mutex<Vec<Received>>,
    ended: &Ended,
) {
    match tls {
        None => talk(stream, answer, received, ended),
        Some(config) => {
            let mut stream = StreamOwned::new(ServerConnection::new(config).unwrap(), stream);
            talk(&mut stream, answer, received, ended);
            stream.conn.send_close_notify();
            drop(stream.flush());
        }
    }
}

fn talk(mut stream: impl Read + Write, answer: &Answer, received: &Mutex<Vec<Received>>, ended: &Ended) {
    let Some(request) = read(&mut stream) else {
        return;
    };
    received.lock().unwrap().push(request.clone());
    answer(
        &request,
        &mut Reply {
            stream: &mut stream,
            ended,
        },
    );
}

/// One request; `None` where the client goes, or does not trust the certificate.
fn read(stream: &mut impl Read) -> Option<Received> {
    let mut bytes = Vec::new();
    let mut more = |bytes: &mut Vec<u8>| {
        let mut buffer = [0; 4096];
        let count = stream.read(&mut buffer).ok().filter(|count| *count > 0)?;
        bytes.extend_from_slice(&buffer[..count]);
        Some(())
    };
    let end = loop {
        match bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            Some(end) => break end,
            None => more(&mut bytes)?,
        }
    };
    let mut request = Received {
        head: String::from_utf8_lossy(&bytes[..end]).into_owned(),
        body: bytes.split_off(end + 4),
    };
    let length = request
        .header("content-length")
        .map_or(0, |length| length.parse().unwrap());
    while request.body.len() < length {
        more(&mut request.body)?;
    }
    Some(request)
}
