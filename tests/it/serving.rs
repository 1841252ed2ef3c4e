//! A server in this process with a decision of our own behind it, and a client that sees every byte.
//!
//! Used by the `server_*` tests, and its client by all that ask a server. What the fake decides is said by the body: `panic`, `wait` (until [`Server::release`]
//! is called), `deny`, `fault`, `large`, or anything else, which is allowed and told back.

use std::collections::BTreeMap;
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use crossbeam_channel::{Receiver, Sender};
use regate::certs::{self, Paths};
use regate::config::Caller;
use regate::gate::Gate;
use regate::metrics::Metrics;
use regate::review::{Answer, EnvelopeHint, Failure, FaultRecord, Record};
use regate::server::{self, CertificateFiles, Decide, Limits, Running, Settings, Workers};
use regate::watch::Pace;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned, SupportedProtocolVersion};

/// Longer than anything that works takes, shorter than a test run.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// What the fake answers callers who are not let in.
pub(crate) const UNAUTHENTICATED: &str = "no valid client certificate";

/// How a test holds what decides in its hands.
pub(crate) struct Strings {
    ready: Arc<AtomicBool>,
    started: Sender<()>,
    release: Receiver<()>,
}

impl Strings {
    /// Tells the test that an evaluation has begun, and waits until it lets go.
    pub(crate) fn wait(&self) {
        self.started.send(()).unwrap();
        let _ = self.release.recv_timeout(PATIENCE);
    }
}

struct Fake(Strings);

impl Decide for Fake {
    fn decide(&self, gate: Gate, body: &[u8], _: &EnvelopeHint, deadline: Instant) -> (Answer, Record) {
        match body {
            b"panic" => panic!("asked to"),
            b"wait" => self.0.wait(),
            b"large" => {
                return (
                    large(),
                    Record {
                        decision: "allow",
                        ..Record::new(gate, "rev-1")
                    },
                );
            }
            _ => {}
        }
        let left = deadline.saturating_duration_since(Instant::now()).as_millis();
        let text = format!(
            "{{\"gate\":\"{gate}\",\"length\":{},\"left\":{left}}}",
            body.len()
        );
        let fault = body == b"fault";
        let record = Record {
            gate,
            uid: "705ab4f5\n-uid".to_owned(),
            decision: if body == b"deny" { "deny" } else { "allow" },
            code: if body == b"deny" { 403 } else { 200 },
            policies: vec!["first".to_owned(), "second".to_owned()],
            evaluation: Duration::from_micros(60),
            faults: if fault {
                vec![FaultRecord {
                    policy: "first".to_owned(),
                    reason: "builtin",
                    place: "line 7".to_owned(),
                    text: "the engine's words".to_owned(),
                }]
            } else {
                Vec::new()
            },
            details: vec![r#"{"owner":"team-a"}"#.to_owned()],
            ..Record::new(gate, "rev-1")
        };
        (
            Answer {
                status: 200,
                content_type: "application/json",
                body: Bytes::from(text),
            },
            record,
        )
    }

    fn refuse(&self, gate: Gate, hint: &EnvelopeHint, failure: &Failure) -> (Answer, Record) {
        let (status, text) = match failure {
            Failure::Caller => (401, UNAUTHENTICATED.to_owned()),
            other => (
                503,
                format!("{} {}", other.as_str(), hint.uid.as_deref().unwrap_or("-")),
            ),
        };
        let record = Record {
            code: status,
            failure: Some(failure.as_str()),
            ..Record::new(gate, "")
        };
        (
            Answer {
                status,
                content_type: "text/plain; charset=utf-8",
                body: Bytes::from(text),
            },
            record,
        )
    }

    fn checks(&self) -> Vec<(&'static str, bool)> {
        vec![("policies", self.0.ready.load(Ordering::Relaxed))]
    }
}

/// An answer that no socket buffer holds.
fn large() -> Answer {
    Answer {
        status: 200,
        content_type: "application/json",
        body: Bytes::from(vec![b' '; LARGE]),
    }
}

/// The length of the answer to `large`.
pub(crate) const LARGE: usize = 32 << 20;

/// A running server and what belongs to it.
pub(crate) struct Server {
    pub(crate) running: Running,
    pub(crate) paths: Paths,
    pub(crate) metrics: Arc<Metrics>,
    /// Whether there are policies, as the fake says.
    pub(crate) ready: Arc<AtomicBool>,
    /// One message for every evaluation that waits.
    pub(crate) started: Receiver<()>,
    pub(crate) release: Sender<()>,
    pub(crate) _directory: tempfile::TempDir,
}

impl Server {
    /// All gates, open to anybody, with one thread each; `adjust` changes that.
    pub(crate) fn start(adjust: impl FnOnce(&mut Settings, &Path)) -> Self {
        Self::start_deciding(|strings| Arc::new(Fake(strings)), adjust)
    }

    /// The same with something else that decides.
    pub(crate) fn start_deciding(
        decide: impl FnOnce(Strings) -> Arc<dyn Decide>,
        adjust: impl FnOnce(&mut Settings, &Path),
    ) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let paths = certs::write(directory.path(), &certs::Request::default(), false).unwrap();
        let mut settings = Settings {
            listen: "127.0.0.1:0".parse().unwrap(),
            probe_listen: "127.0.0.1:0".parse().unwrap(),
            gates: open(&Gate::ALL),
            certificate: Some(CertificateFiles {
                certificate: paths.certificate.clone(),
                key: paths.key.clone(),
            }),
            client_ca: None,
            certificate_pace: Pace::default(),
            deadline: PATIENCE,
            shutdown_delay: Duration::ZERO,
            shutdown_timeout: Duration::from_secs(10),
            workers: Workers {
                threads: 1,
                queue: 8,
                // What waits is not stuck; tests of what is say so.
                stuck_after: PATIENCE,
                ..Workers::default()
            },
            limits: Limits::default(),
        };
        adjust(&mut settings, directory.path());
        let (started_sender, started) = crossbeam_channel::unbounded();
        let (release, released) = crossbeam_channel::unbounded();
        let metrics = Arc::new(Metrics::default());
        let ready = Arc::new(AtomicBool::new(true));
        let decide = decide(Strings {
            ready: Arc::clone(&ready),
            started: started_sender,
            release: released,
        });
        let running = server::start(settings, decide, Arc::clone(&metrics), None).unwrap();
        Self {
            running,
            paths,
            metrics,
            ready,
            started,
            release,
            _directory: directory,
        }
    }

    /// Waits until an evaluation waits.
    pub(crate) fn wait_started(&self) {
        self.started.recv_timeout(PATIENCE).expect("no evaluation began");
    }

    /// Lets one waiting evaluation finish.
    pub(crate) fn release(&self) {
        self.release.send(()).unwrap();
    }

    /// A client without certificate.
    pub(crate) fn client(&self) -> Client {
        self.connect(&Options::default()).unwrap()
    }

    /// A client, or why there is no connection.
    pub(crate) fn connect(&self, options: &Options) -> Result<Client, String> {
        self.connect_with(options.config(&self.paths.ca), options.name)
    }

    /// A client with a configuration that it may share with another one.
    pub(crate) fn connect_with(
        &self,
        config: Arc<ClientConfig>,
        name: Option<&'static str>,
    ) -> Result<Client, String> {
        Client::connect(self.running.address(), config, name)
    }

    /// One line of the metrics, by how it begins.
    pub(crate) fn metric(&self, start: &str) -> Option<String> {
        let text = self.metrics.encode().unwrap();
        text.lines()
            .find(|line| line.starts_with(start))
            .map(str::to_owned)
    }
}

/// Gates that anybody may call.
pub(crate) fn open(gates: &[Gate]) -> BTreeMap<Gate, Caller> {
    gates.iter().map(|gate| (*gate, Caller::Anyone)).collect()
}

/// The rule for clients with one of these names.
pub(crate) fn named(names: &[&str]) -> Caller {
    Caller::Named(names.iter().map(|name| (*name).to_owned()).collect())
}

/// How a client connects.
#[derive(Default)]
pub(crate) struct Options {
    pub(crate) versions: Option<&'static SupportedProtocolVersion>,
    pub(crate) alpn: Vec<Vec<u8>>,
    /// Certificate and key files.
    pub(crate) identity: Option<(String, String)>,
    /// Asks for the server by name instead of by address.
    pub(crate) name: Option<&'static str>,
}

impl Options {
    /// For a server whose certificate `ca` signed.
    pub(crate) fn config(&self, ca: &Path) -> Arc<ClientConfig> {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_file(ca).unwrap()).unwrap();
        let versions = self
            .versions
            .map_or_else(|| rustls::ALL_VERSIONS.to_vec(), |version| vec![version]);
        let builder = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&versions)
            .unwrap()
            .with_root_certificates(roots);
        let mut config = match &self.identity {
            None => builder.with_no_client_auth(),
            Some((certificate, key)) => {
                let chain = CertificateDer::pem_slice_iter(certificate.as_bytes())
                    .map(Result::unwrap)
                    .collect();
                builder
                    .with_client_auth_cert(chain, PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap())
                    .unwrap()
            }
        };
        config.alpn_protocols.clone_from(&self.alpn);
        Arc::new(config)
    }
}

/// One TLS connection.
pub(crate) struct Client {
    pub(crate) stream: StreamOwned<ClientConnection, TcpStream>,
    buffer: Vec<u8>,
}

/// A response, taken apart.
#[derive(Debug)]
pub(crate) struct Response {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Response {
    /// All headers but the date, in lower case and in order.
    pub(crate) fn headers(&self) -> Vec<String> {
        let lines = self.head.trim_end().lines().skip(1).map(str::to_lowercase);
        let mut headers: Vec<_> = lines.filter(|line| !line.starts_with("date: ")).collect();
        headers.sort();
        headers
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (key, value) = line.split_once(':')?;
            key.eq_ignore_ascii_case(name).then_some(value.trim())
        })
    }
}

impl Client {
    /// A client of any server; `name` asks for it by name instead of by address.
    pub(crate) fn connect(
        address: SocketAddr,
        config: Arc<ClientConfig>,
        name: Option<&'static str>,
    ) -> Result<Self, String> {
        Self::over(TcpStream::connect(address).unwrap(), config, name)
    }

    /// A client over a connection that stands.
    pub(crate) fn over(
        mut socket: TcpStream,
        config: Arc<ClientConfig>,
        name: Option<&'static str>,
    ) -> Result<Self, String> {
        let address = socket.peer_addr().unwrap().ip();
        let name = name.map_or(ServerName::IpAddress(address.into()), |name| {
            name.try_into().unwrap()
        });
        let mut session = ClientConnection::new(config, name).unwrap();
        // As Go's client does: else the second write of a request waits for the delayed acknowledgement of the first.
        socket.set_nodelay(true).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        socket.set_write_timeout(Some(PATIENCE)).unwrap();
        while session.is_handshaking() {
            session
                .complete_io(&mut socket)
                .map_err(|error| error.to_string())?;
        }
        Ok(Self {
            stream: StreamOwned::new(session, socket),
            buffer: Vec::new(),
        })
    }

    pub(crate) fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.stream.write_all(bytes.as_ref()).unwrap();
        self.stream.flush().unwrap();
    }

    /// Sends what a server may refuse before it has read all of it.
    pub(crate) fn send_what_is_taken(&mut self, bytes: impl AsRef<[u8]>) {
        match self
            .stream
            .write_all(bytes.as_ref())
            .and_then(|()| self.stream.flush())
        {
            Err(error) if matches!(error.kind(), ErrorKind::BrokenPipe | ErrorKind::ConnectionReset) => {}
            sent => sent.unwrap(),
        }
    }

    /// A whole POST of JSON, and its response.
    pub(crate) fn post(&mut self, target: &str, body: impl AsRef<[u8]>) -> Response {
        let body = body.as_ref();
        self.send(head(
            target,
            &format!(
                "content-type: application/json\r\ncontent-length: {}\r\n",
                body.len()
            ),
        ));
        self.send(body);
        self.response()
    }

    /// The next response on the connection.
    pub(crate) fn response(&mut self) -> Response {
        let end = loop {
            if let Some(end) = find(&self.buffer, b"\r\n\r\n") {
                break end + 4;
            }
            assert!(
                self.fill() > 0,
                "closed within a head: {:?}",
                String::from_utf8_lossy(&self.buffer)
            );
        };
        let head = String::from_utf8(self.buffer.drain(..end).collect()).unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        let mut response = Response {
            status,
            head,
            body: String::new(),
        };
        let length: usize = response
            .header("content-length")
            .map_or(0, |length| length.parse().unwrap());
        while self.buffer.len() < length {
            assert!(self.fill() > 0, "closed within a body");
        }
        response.body = String::from_utf8(self.buffer.drain(..length).collect()).unwrap();
        response
    }

    fn fill(&mut self) -> usize {
        let mut chunk = [0; 4096];
        match self.stream.read(&mut chunk) {
            Ok(length) => {
                self.buffer.extend_from_slice(&chunk[..length]);
                length
            }
            Err(error)
                if matches!(
                    error.kind(),
                    ErrorKind::ConnectionReset | ErrorKind::UnexpectedEof
                ) =>
            {
                0
            }
            // Nothing can be sent any more; what came before that is there to be read.
            Err(error) if error.kind() == ErrorKind::BrokenPipe => self.fill_without_sending(),
            Err(error) => panic!("{error}"),
        }
    }

    fn fill_without_sending(&mut self) -> usize {
        let StreamOwned { conn, sock } = &mut self.stream;
        while matches!(conn.read_tls(sock), Ok(1..)) {
            conn.process_new_packets().unwrap();
        }
        let before = self.buffer.len();
        // Ends with an error where the connection broke: what came is in the buffer.
        let _ = conn.reader().read_to_end(&mut self.buffer);
        self.buffer.len() - before
    }

    /// Everything that still comes before the server ends the connection.
    pub(crate) fn until_closed(&mut self) -> String {
        while self.fill() > 0 {}
        String::from_utf8(std::mem::take(&mut self.buffer)).unwrap()
    }

    /// How long the server takes to end the connection without another byte.
    pub(crate) fn closed_after(&mut self) -> Duration {
        let begin = Instant::now();
        let more = self.fill();
        assert_eq!(more, 0, "more came: {:?}", String::from_utf8_lossy(&self.buffer));
        begin.elapsed()
    }
}

/// The head of a POST.
pub(crate) fn head(target: &str, headers: &str) -> String {
    format!("POST {target} HTTP/1.1\r\nhost: regate\r\n{headers}\r\n")
}

fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes.windows(wanted.len()).position(|window| window == wanted)
}

/// A plain GET: status, head and body.
pub(crate) fn get(address: SocketAddr, target: &str) -> (u16, String, String) {
    let mut socket = TcpStream::connect(address).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    socket
        .write_all(format!("GET {target} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").as_bytes())
        .unwrap();
    let mut text = String::new();
    socket.read_to_string(&mut text).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    (
        head.split(' ').nth(1).unwrap().parse().unwrap(),
        head.to_lowercase(),
        body.to_owned(),
    )
}
