//! Asking others over HTTPS: the one way by which anything here reaches outside for a policy.
//!
//! Used by the builtins that a policy asks others with, through [`crate::policy::engine::Outside`]. Evaluation threads
//! are synchronous, so [`Client::send`] is: a thread of its own does the work, and `send` returns at the deadline
//! whatever the peer does. Always holds: only hosts of the list are asked, and only at addresses that their entry
//! admits, judged on the address that is really connected to; no redirect is followed; an answer has at most
//! [`MAX_BODY`] bytes; proxies of the environment are not used; no error quotes more of an URL than its host.

mod address;
mod allowed;
mod exchange;
mod hosts;
mod trust;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::runtime::{Builder, Handle};
use tokio::sync::oneshot;

use allowed::Target;
pub use allowed::{AllowedHost, HostPattern};
use hosts::Hosts;
use trust::Trust;

/// The longest body of an answer.
pub const MAX_BODY: usize = 1 << 20;

/// Names that are looked up at once. A name server that hangs holds a thread for each, after the request was given up,
/// too: all that may be asked of one host must leave room for others.
const LOOKUPS: usize = hosts::TOTAL;

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// What was asked for is no URL, or none of a kind that is asked.
    #[error("not an URL that can be asked: {0}")]
    Url(&'static str),
    /// The method or a header is none.
    #[error("not a request that can be sent: {0}")]
    Request(&'static str),
    /// The list does not have the host.
    #[error("{0} is not on the list of allowed hosts")]
    NotAllowed(String),
    /// All addresses of the host are of a kind that its entry does not admit.
    #[error("{0} has no address that its entry in the list of allowed hosts admits")]
    Address(String),
    /// The name is not known.
    #[error("the name {0} cannot be resolved")]
    Name(String),
    /// The answer broke off in its body.
    #[error("{host}: {problem}")]
    Broken {
        /// Who was asked.
        host: String,
        /// What HTTP says of it.
        problem: String,
    },
    /// There is no connection, or it broke before there was an answer.
    #[error("{host}: {problem}")]
    Connection {
        /// Who was asked.
        host: String,
        /// What the system, TLS or HTTP says of it.
        problem: String,
    },
    /// The answer is longer than [`MAX_BODY`].
    #[error("{0}: the answer is longer than {MAX_BODY} bytes")]
    TooLarge(String),
    /// The time was up.
    #[error("{0} did not answer in time")]
    Late(String),
    /// The host has enough to do, or has been late again and again.
    #[error("{0} is not asked now: {1}")]
    Busy(String, &'static str),
    /// Certificates or a key that cannot be used.
    #[error("{0}")]
    Trust(String),
    /// The client has ended.
    #[error("the client has ended")]
    Ended,
}

/// What a client is made of.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// Who may be asked.
    pub allowed: Vec<AllowedHost>,
    /// The certificates (PEM) of the authorities that sign for them; without it the system's.
    pub authorities: Option<PathBuf>,
}

/// What is asked for.
#[derive(Clone, Debug, Default)]
pub struct Request {
    /// `GET` and its like.
    pub method: String,
    /// `https://HOST[:PORT]/PATH?QUERY`
    pub url: String,
    /// Headers, besides those that the client sets itself.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Bytes,
    /// Whom to trust and who to be, if not as by default.
    pub tls: Tls,
}

/// TLS of one request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tls {
    /// Certificates (PEM) of the authorities that sign for the host, instead of the client's.
    pub authorities: Option<String>,
    /// The client's authorities count too.
    pub and_default: bool,
    /// Certificates and key (PEM) to be known by.
    pub identity: Option<(String, String)>,
    /// The name in the host's certificate, if not the host.
    pub server_name: Option<String>,
}

/// What was answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Response {
    /// The status code.
    pub status: u16,
    /// The words behind it.
    pub reason: String,
    /// Names in lower case, in the order of the answer.
    pub headers: Vec<(String, Vec<u8>)>,
    /// The body, whole.
    pub body: Bytes,
}

/// Asks others. Its thread ends when it is dropped.
#[derive(Debug)]
pub struct Client {
    allowed: Arc<[AllowedHost]>,
    trust: Arc<Trust>,
    hosts: Arc<Hosts>,
    runtime: Handle,
    _stop: oneshot::Sender<()>,
}

impl Client {
    /// Starts a client. Nothing is asked yet.
    ///
    /// # Errors
    /// When the authorities cannot be read, or the machine gives no thread.
    pub fn start(settings: &Settings) -> Result<Self, StartError> {
        let trust = Trust::new(settings.authorities.as_deref())?;
        let runtime = Builder::new_current_thread()
            .enable_all()
            .max_blocking_threads(LOOKUPS)
            .build()?;
        let handle = runtime.handle().clone();
        let (stop, stopped) = oneshot::channel::<()>();
        std::thread::Builder::new()
            .name("fetch".to_owned())
            .spawn(move || {
                // An error here says that the client was dropped: the end in any case.
                let _ = runtime.block_on(stopped);
                // A look-up that hangs must not hold up whoever dropped the client.
                runtime.shutdown_background();
            })?;
        Ok(Self {
            allowed: settings.allowed.clone().into(),
            trust: Arc::new(trust),
            hosts: Arc::default(),
            runtime: handle,
            _stop: stop,
        })
    }

    /// Whether the list admits the URL's host: what can be said of it without asking anybody.
    ///
    /// # Errors
    /// Why not.
    pub fn admits(&self, url: &str) -> Result<(), Error> {
        Target::of(url, &self.allowed).map(|_| ())
    }

    /// Whether TLS can be made of this.
    ///
    /// # Errors
    /// What of it cannot be used.
    pub fn check(&self, tls: &Tls) -> Result<(), Error> {
        self.trust.of(tls).map(|_| ())
    }

    /// Sends a request and waits for the whole answer, at most until the deadline. Not to be called on a thread of an
    /// asynchronous runtime.
    ///
    /// # Errors
    /// Why there is no answer. A status that is no success is none.
    pub fn send(&self, request: Request, deadline: Instant) -> Result<Response, Error> {
        let target = Target::of(&request.url, &self.allowed)?;
        let host = target.name();
        let prepared = exchange::Prepared::new(request, target, &self.trust)?;
        let seat = self.hosts.seat(&host, Instant::now())?;
        let (answer, answered) = mpsc::sync_channel(1);
        self.runtime.spawn(async move {
            let exchange = exchange::run(prepared, deadline);
            let result = match tokio::time::timeout_at(deadline.into(), exchange).await {
                Ok(result) => result,
                Err(_) => Err(seat.late()),
            };
            if result.is_ok() {
                seat.answered();
            }
            drop(seat);
            // Whoever asked may have gone.
            let _ = answer.send(result);
        });
        // The thread's own clock is a little behind; ours decides when it is far behind.
        let patience = deadline.saturating_duration_since(Instant::now()) + GRACE;
        answered
            .recv_timeout(patience)
            .unwrap_or_else(|error| match error {
                mpsc::RecvTimeoutError::Timeout => Err(Error::Late(host)),
                mpsc::RecvTimeoutError::Disconnected => Err(Error::Ended),
            })
    }
}

/// How much later than the deadline the client's own thread may say so.
const GRACE: Duration = Duration::from_millis(20);

/// Why there is no client.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The authorities' certificates cannot be used.
    #[error("{}: {problem}", file.display())]
    Authorities {
        /// The file.
        file: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// The machine gives no thread.
    #[error("no thread to ask others with: {0}")]
    System(#[from] io::Error),
}

impl StartError {
    fn authorities(file: &Path, problem: impl Into<String>) -> Self {
        StartError::Authorities {
            file: file.to_owned(),
            problem: problem.into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What happens at once on an idle machine happens within this time on any.
    const LONG: Duration = Duration::from_secs(60);

    fn client() -> Client {
        let entry = AllowedHost {
            host: HostPattern::Address([127, 0, 0, 1].into()),
            port: 1,
            plain: false,
            private: false,
        };
        Client::start(&Settings {
            allowed: vec![entry],
            authorities: None,
        })
        .unwrap()
    }

    #[test]
    fn whoever_waits_is_back_even_when_the_clients_own_thread_does_not_move() {
        let client = client();
        let (holds, held) = mpsc::channel();
        let (release, released) = mpsc::channel::<()>();
        client.runtime.spawn(async move {
            holds.send(()).unwrap();
            let _ = released.recv_timeout(LONG);
        });
        held.recv_timeout(LONG).unwrap();
        let begin = Instant::now();
        let request = Request {
            method: "GET".into(),
            url: "https://127.0.0.1:1/".into(),
            ..Request::default()
        };
        let error = client
            .send(request, begin + Duration::from_millis(50))
            .unwrap_err();
        assert!(begin.elapsed() < LONG, "{:?}", begin.elapsed());
        assert_eq!(error, Error::Late("127.0.0.1:1".into()));
        drop(release);
    }

    #[test]
    fn a_client_that_is_dropped_ends_its_thread_and_all_that_is_on_its_way() {
        let client = client();
        let (on_its_way, ended) = mpsc::channel::<()>();
        client.runtime.spawn(async move {
            std::future::pending::<()>().await;
            drop(on_its_way);
        });
        drop(client);
        assert_eq!(
            ended.recv_timeout(LONG),
            Err(mpsc::RecvTimeoutError::Disconnected)
        );
    }
}
