//! Serving: sockets, TLS, callers, HTTP, threads, probes.
//!
//! [`start`] binds both listeners and returns; everything then runs on threads of its own until [`Running::stop`]. One
//! review goes through `listener` (handshake), `connection` (limits), `routes` (guards), `body`, `workers` (threads),
//! [`Decide`] (the decision itself) and `record` (log and metrics).

mod body;
mod budget;
mod callers;
mod certificates;
mod connection;
mod deadline;
mod decide;
mod listener;
mod probes;
mod record;
mod reply;
mod routes;
mod settings;
pub mod status;
mod tls;
mod workers;

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use actix_web::dev::Server;
use futures_util::future::{self, Either};
use rustls::crypto::CryptoProvider;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::oneshot;
use tokio_rustls::TlsAcceptor;

pub use callers::Callers;
#[cfg(feature = "fuzzing")]
pub(crate) use callers::names as client_names;
#[cfg(feature = "fuzzing")]
pub(crate) use deadline::allowance;
pub use decide::{Decide, Policies};
pub use routes::ROUTES;
pub use settings::{CertificateFiles, Limits, Memory, Settings, Workers};
pub use tls::CertificateError;

use self::budget::Budget;
use self::certificates::Certificates;
use self::probes::Health;
use self::routes::Context;
use self::workers::Pools;
use crate::certs::{self, Development};
use crate::metrics::Metrics;
use crate::watch::{Pace, Watcher, watch};

/// Why the server does not start, or no longer runs.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The operator has to use another address.
    #[error("cannot listen on {address}: {source}")]
    Bind {
        /// The address asked for.
        address: SocketAddr,
        /// What the system says.
        source: io::Error,
    },
    /// The operator has to give another certificate or key.
    #[error(transparent)]
    Certificate(#[from] CertificateError),
    /// No certificate could be made for development.
    #[error("cannot make a certificate for development: {0}")]
    Development(#[from] certs::Error),
    /// The machine gives no threads, sockets or signals.
    #[error("cannot serve: {0}")]
    System(#[from] io::Error),
    /// The TLS library refuses its own configuration.
    #[error("cannot set up TLS: {0}")]
    Tls(#[from] rustls::Error),
    /// A thread of the server ended on its own.
    #[error("the server stopped unexpectedly")]
    Died,
}

/// A server that answers.
#[derive(Debug)]
pub struct Running {
    address: SocketAddr,
    probe_address: SocketAddr,
    callers: Arc<Callers>,
    /// Takes over changed certificates. It ends before the files do that the server made.
    certificates: Watcher,
    development: Option<Development>,
    stop: oneshot::Sender<()>,
    ended: oneshot::Receiver<()>,
    thread: JoinHandle<io::Result<()>>,
}

/// Starts serving; whatever can fail at start has been done when it returns.
pub fn start(settings: Settings, decide: Arc<dyn Decide>, metrics: Arc<Metrics>) -> Result<Running, Error> {
    let Settings {
        listen,
        probe_listen,
        gates,
        certificate,
        client_ca,
        certificate_pace,
        deadline,
        shutdown_timeout,
        workers,
        limits,
    } = settings;

    let identity = Identity::load(certificate, listen, client_ca, &metrics)?;
    let served: Vec<_> = gates.keys().copied().collect();
    let callers = Arc::new(Callers::new(identity.certificates.trust(), gates));
    let acceptor = identity.acceptor()?;
    let stopping = Arc::new(AtomicBool::new(false));
    let pools = Arc::new(Pools::start(served, workers, &decide, &metrics)?);
    let health = Health {
        pools: Arc::clone(&pools),
        decide: Arc::clone(&decide),
        metrics: Arc::clone(&metrics),
        stopping,
    };
    let context = Context {
        pools,
        callers: Arc::clone(&callers),
        deadline,
        limits,
        budget: Budget::new(limits.text, limits.decoded),
        decide,
        metrics,
    };
    let sockets = Sockets {
        listen,
        probe_listen,
        shutdown_timeout,
        acceptor,
    };

    let (report, started) = mpsc::channel();
    let (stop, stopped) = oneshot::channel();
    let (alive, ended) = oneshot::channel();
    let thread = thread::Builder::new().name("serve".to_owned()).spawn(move || {
        let _alive = alive;
        actix_rt::System::new().block_on(serve(sockets, context, health, report, stopped))
    })?;
    let (address, probe_address) = started.recv().map_err(|_| Error::Died)??;
    let (development, certificates) = identity.watch(certificate_pace)?;
    Ok(Running {
        address,
        probe_address,
        callers,
        development,
        certificates,
        stop,
        ended,
        thread,
    })
}

/// Who the server is, and who says who its callers are.
struct Identity {
    development: Option<Development>,
    certificates: Certificates,
    provider: Arc<CryptoProvider>,
}

impl Identity {
    /// Reads certificates and keys; makes them for `listen` if none are given.
    fn load(
        certificate: Option<CertificateFiles>,
        listen: SocketAddr,
        client_ca: Option<PathBuf>,
        metrics: &Arc<Metrics>,
    ) -> Result<Self, Error> {
        let (files, development) = match certificate {
            Some(files) => (files, None),
            None => {
                let made = Development::create(&[listen.ip()])?;
                (CertificateFiles::from(&made), Some(made))
            }
        };
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        Ok(Self {
            development,
            certificates: Certificates::load(files, client_ca, Arc::clone(&provider), metrics)?,
            provider,
        })
    }

    fn acceptor(&self) -> Result<TlsAcceptor, Error> {
        let ask_clients = self.certificates.trust().is_some();
        let config = tls::server_config(self.certificates.serving(), ask_clients, &self.provider)?;
        Ok(TlsAcceptor::from(Arc::new(config)))
    }

    /// Watches the files from now on.
    fn watch(self, pace: Pace) -> Result<(Option<Development>, Watcher), Error> {
        let last = self.certificates.last();
        Ok((self.development, watch(self.certificates, last, pace)?))
    }
}

/// What is bound, and how.
struct Sockets {
    listen: SocketAddr,
    probe_listen: SocketAddr,
    shutdown_timeout: Duration,
    acceptor: TlsAcceptor,
}

impl Sockets {
    /// Binds both listeners; returns their servers and their addresses.
    fn open(
        self,
        context: Context,
        health: Health,
    ) -> Result<([Server; 2], (SocketAddr, SocketAddr)), Error> {
        let bind = |address| listener::bind(address).map_err(|source| Error::Bind { address, source });
        let (reviews, probes) = (bind(self.listen)?, bind(self.probe_listen)?);
        let addresses = (reviews.local_addr()?, probes.local_addr()?);
        let reviews = listener::server(reviews, self.acceptor, Arc::new(context), self.shutdown_timeout)?;
        Ok(([reviews, probes::server(probes, health)?], addresses))
    }
}

/// Runs both servers until they are told to stop; probes answer until the last review is answered.
async fn serve(
    sockets: Sockets,
    context: Context,
    health: Health,
    report: mpsc::Sender<Result<(SocketAddr, SocketAddr), Error>>,
    stopped: oneshot::Receiver<()>,
) -> io::Result<()> {
    let stopping = Arc::clone(&health.stopping);
    let [reviews, probes] = match sockets.open(context, health) {
        Ok((servers, addresses)) => {
            // Nobody waits for the report only when the starting thread is gone, and then `stopped` is, too.
            let _ = report.send(Ok(addresses));
            servers
        }
        Err(error) => {
            let _ = report.send(Err(error));
            return Ok(());
        }
    };
    let handles = (reviews.handle(), probes.handle());
    let servers = future::join(reviews, probes);
    let (reviews, probes) = match future::select(stopped, servers).await {
        Either::Left((_, servers)) => {
            stopping.store(true, Ordering::Relaxed);
            let stop = async {
                handles.0.stop(true).await;
                handles.1.stop(false).await;
            };
            future::join(stop, servers).await.1
        }
        Either::Right((ended, _)) => ended,
    };
    reviews.and(probes)
}

impl Running {
    /// Where reviews are answered.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where probes and metrics are answered.
    pub fn probe_address(&self) -> SocketAddr {
        self.probe_address
    }

    /// Who may call: the names can be changed while it serves.
    pub fn callers(&self) -> Arc<Callers> {
        Arc::clone(&self.callers)
    }

    /// The files of the certificate that the server made for itself, if none was configured.
    pub fn development(&self) -> Option<&Development> {
        self.development.as_ref()
    }

    /// Stops accepting, finishes what is in flight within the time that the settings give, and ends all listeners.
    pub fn stop(self) -> Result<(), Error> {
        // A file system that hangs must not hold the end up.
        self.certificates.abandon();
        // The thread is gone only if it ended on its own; joining it tells.
        let _ = self.stop.send(());
        self.thread
            .join()
            .map_err(|_| Error::Died)?
            .map_err(Error::System)
    }

    /// Serves until SIGTERM or SIGINT, then stops.
    pub fn wait(mut self) -> Result<(), Error> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let ended = runtime.block_on(async {
            let (mut terminate, mut interrupt) =
                (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
            let signalled = future::select(Box::pin(terminate.recv()), Box::pin(interrupt.recv()));
            Ok::<_, Error>(matches!(
                future::select(signalled, &mut self.ended).await,
                Either::Right(_)
            ))
        })?;
        if ended {
            return self.stop().and(Err(Error::Died));
        }
        tracing::info!(target: "regate::server", event = "shutdown", "finishing the reviews in flight");
        self.stop()
    }
}
