//! Serving: sockets, TLS, callers, HTTP, threads, probes.
//!
//! [`start`] binds both listeners and returns; everything then runs on threads of its own until [`Running::stop`]. One
//! review goes through `listener` (handshake), `connection` (limits), `routes` (guards), `body`, `workers` (threads),
//! [`Decide`] (the decision itself) and `record` (log and metrics).

mod accept;
mod body;
mod callers;
mod connection;
mod deadline;
mod decide;
mod drain;
mod listener;
mod probes;
mod record;
mod reply;
mod routes;
mod settings;
mod signals;
pub mod status;
mod stop;
mod tls;
mod workers;

use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::thread::{self, JoinHandle};

use actix_web::dev::Server;
use futures_util::future::{self, Either};
use tokio::sync::{mpsc, oneshot};
use tokio_rustls::TlsAcceptor;

pub use decide::{Decide, Policies};
pub use routes::ROUTES;
pub use settings::{CertificateFiles, Limits, Settings, Workers};
pub use signals::Signals;
pub use tls::CertificateError;

use self::accept::Threads;
use self::callers::{Callers, Trust};
use self::drain::Stages;
use self::probes::Health;
use self::routes::Context;
use self::stop::Stop;
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
    orders: mpsc::UnboundedSender<()>,
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
        shutdown_delay,
        shutdown_timeout,
        workers,
        limits,
    } = settings;

    let Identity {
        development,
        tls,
        trust,
    } = Identity::load(certificate, listen, client_ca.as_deref(), &metrics)?;
    let stages = Stages::new();
    let health = Health {
        decide: Arc::clone(&decide),
        metrics: Arc::clone(&metrics),
        drain: stages.watch(),
    };
    let context = Context {
        pools: Pools::start(gates.keys().copied(), workers, &decide, &metrics)?,
        callers: Callers::new(trust, gates),
        deadline,
        limits,
        decide,
        metrics: Arc::clone(&metrics),
        drain: stages.watch(),
    };
    let sockets = Sockets {
        listen,
        probe_listen,
        acceptor: TlsAcceptor::from(Arc::new(tls)),
    };

    let (report, started) = std::sync::mpsc::channel();
    let (orders, received) = mpsc::unbounded_channel();
    let (alive, ended) = oneshot::channel();
    let stop = Stop {
        orders: received,
        stages,
        delay: shutdown_delay,
        timeout: shutdown_timeout,
        metrics,
    };
    let thread = thread::Builder::new().name("serve".to_owned()).spawn(move || {
        let _alive = alive;
        let open = move || sockets.open(context, health);
        actix_rt::System::new().block_on(serve(open, report, stop))
    })?;
    let (address, probe_address) = started.recv().map_err(|_| Error::Died)??;
    Ok(Running {
        address,
        probe_address,
        development,
        orders,
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
    acceptor: TlsAcceptor,
}

/// What was bound, and who serves it.
struct Bound {
    listener: tokio::net::TcpListener,
    threads: Threads,
    probes: Server,
    addresses: (SocketAddr, SocketAddr),
}

impl Sockets {
    /// Binds both listeners and starts those who serve them.
    fn open(self, context: Context, health: Health) -> Result<Bound, Error> {
        let bind = |address| listener::bind(address).map_err(|source| Error::Bind { address, source });
        let (reviews, probes) = (bind(self.listen)?, bind(self.probe_listen)?);
        let drain = context.drain.clone();
        Ok(Bound {
            addresses: (reviews.local_addr()?, probes.local_addr()?),
            listener: tokio::net::TcpListener::from_std(reviews)?,
            threads: listener::threads(self.acceptor, Arc::new(context), &drain)?,
            probes: probes::server(probes, health)?,
        })
    }
}

/// Serves until it is told to stop and all is done; probes are answered until then.
async fn serve(
    open: impl FnOnce() -> Result<Bound, Error>,
    report: std::sync::mpsc::Sender<Result<(SocketAddr, SocketAddr), Error>>,
    stop: Stop,
) -> io::Result<()> {
    let Bound {
        listener,
        threads,
        probes,
        addresses,
    } = match open() {
        Ok(bound) => bound,
        Err(error) => {
            // Nobody waits for the report only when the starting thread is gone, and then orders do not come, too.
            let _ = report.send(Err(error));
            return Ok(());
        }
    };
    let _ = report.send(Ok(addresses));
    let handle = probes.handle();
    let reviews = stop.obey(listener, threads);
    match future::select(Box::pin(reviews), probes).await {
        Either::Left((reviews, probes)) => {
            let (probes, ()) = future::join(probes, handle.stop(false)).await;
            reviews.and(probes)
        }
        Either::Right((probes, _)) => probes,
    }
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

    /// Stops as a signal would, and returns when all is done.
    pub fn stop(self) -> Result<(), Error> {
        self.order();
        self.join()
    }

    /// Serves until a signal, then stops; each further signal ends what the stopping waits for.
    pub fn wait(mut self, mut signals: Signals) -> Result<(), Error> {
        let mut asked = false;
        while let Some(signal) = signals.next_unless(&mut self.ended) {
            tracing::info!(target: "regate::server", event = "signal", signal, "told to stop");
            asked = true;
            self.order();
        }
        let ended = self.join();
        if asked { ended } else { ended.and(Err(Error::Died)) }
    }

    fn order(&self) {
        // The thread is gone only if it ended on its own; joining it tells.
        let _ = self.orders.send(());
    }

    fn join(self) -> Result<(), Error> {
        self.thread
            .join()
            .map_err(|_| Error::Died)?
            .map_err(Error::System)
    }
}
