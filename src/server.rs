//! Serving: sockets, TLS, callers, HTTP, threads, probes.
//!
//! [`start`] binds both listeners and returns; everything then runs on threads of its own until [`Running::stop`]. One
//! review goes through `listener` (handshake), `connection` (limits), `routes` (guards), `body`, `workers` (threads),
//! [`Decide`] (the decision itself) and `record` (log and metrics).

mod body;
mod budget;
mod callers;
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
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use actix_web::dev::Server;
use futures_util::future::{self, Either};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::oneshot;
use tokio_rustls::TlsAcceptor;

pub use decide::{Decide, Policies};
pub use routes::ROUTES;
pub use settings::{CertificateFiles, Limits, Memory, Settings, Workers};
pub use tls::CertificateError;

use self::budget::Budget;
use self::callers::{Callers, Trust};
use self::probes::Health;
use self::routes::Context;
use self::tls::Certificate;
use self::workers::Pools;
use crate::certs::{self, Development};
use crate::metrics::{CertificateRole, Metrics};

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
        deadline,
        shutdown_timeout,
        workers,
        limits,
    } = settings;

    let Identity {
        development,
        tls,
        trust,
    } = Identity::load(certificate, listen, client_ca.as_deref(), &metrics)?;
    let stopping = Arc::new(AtomicBool::new(false));
    let health = Health {
        decide: Arc::clone(&decide),
        metrics: Arc::clone(&metrics),
        stopping,
    };
    let context = Context {
        pools: Pools::start(gates.keys().copied(), workers, &decide, &metrics)?,
        callers: Callers::new(trust, gates),
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
        acceptor: TlsAcceptor::from(Arc::new(tls)),
    };

    let (report, started) = mpsc::channel();
    let (stop, stopped) = oneshot::channel();
    let (alive, ended) = oneshot::channel();
    let thread = thread::Builder::new().name("serve".to_owned()).spawn(move || {
        let _alive = alive;
        actix_rt::System::new().block_on(serve(sockets, context, health, report, stopped))
    })?;
    let (address, probe_address) = started.recv().map_err(|_| Error::Died)??;
    Ok(Running {
        address,
        probe_address,
        development,
        stop,
        ended,
        thread,
    })
}

/// Who the server is, and who says who its callers are.
struct Identity {
    development: Option<Development>,
    tls: rustls::ServerConfig,
    trust: Option<Trust>,
}

impl Identity {
    /// Reads certificates and keys; makes them for `listen` if none are given.
    fn load(
        certificate: Option<CertificateFiles>,
        listen: SocketAddr,
        client_ca: Option<&Path>,
        metrics: &Metrics,
    ) -> Result<Self, Error> {
        let (files, development) = match certificate {
            Some(files) => (files, None),
            None => {
                let made = Development::create(&[listen.ip()])?;
                (CertificateFiles::from(&made), Some(made))
            }
        };
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let certificate = Certificate::load(&files, &provider)?;
        metrics.certificate_expires(CertificateRole::Serving, certificate.not_after);
        let trust = client_ca.map(|file| Trust::load(file, &provider)).transpose()?;
        if let Some(trust) = &trust {
            metrics.certificate_expires(CertificateRole::ClientCa, trust.not_after);
        }
        let tls = tls::server_config(certificate, trust.is_some(), &provider)?;
        Ok(Self {
            development,
            tls,
            trust,
        })
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

    /// The files of the certificate that the server made for itself, if none was configured.
    pub fn development(&self) -> Option<&Development> {
        self.development.as_ref()
    }

    /// Stops accepting, finishes what is in flight within the time that the settings give, and ends all listeners.
    pub fn stop(self) -> Result<(), Error> {
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
