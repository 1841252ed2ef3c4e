//! Serving: sockets, TLS, callers, HTTP, threads, probes.
//!
//! [`start`] binds both listeners and returns; everything then runs on threads of its own until [`Running::stop`]. One
//! review goes through `listener` (handshake), `connection` (limits), `routes` (guards), `body`, `workers` (threads),
//! [`Decide`] (the decision itself) and `record` (log and metrics).

mod accept;
mod body;
mod budget;
mod callers;
mod certificates;
mod connection;
mod deadline;
mod decide;
mod drain;
mod listener;
mod probes;
mod record;
mod reply;
mod routes;
mod seats;
mod settings;
mod signals;
pub mod status;
mod stop;
mod tls;
mod workers;

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread::{self, JoinHandle};

use actix_web::dev::Server;
use futures_util::future::{self, Either};
use rustls::crypto::CryptoProvider;
use tokio_rustls::TlsAcceptor;

pub use callers::Callers;
#[cfg(feature = "fuzzing")]
pub(crate) use callers::names as client_names;
#[cfg(feature = "fuzzing")]
pub(crate) use deadline::allowance;
pub use decide::{Decide, Policies};
pub use routes::ROUTES;
pub use settings::{CertificateFiles, Limits, Memory, Settings, Workers};
pub use signals::Signals;
pub use tls::CertificateError;

use self::accept::Threads;
use self::budget::Budget;
use self::certificates::Certificates;
use self::drain::Stages;
use self::probes::Health;
use self::routes::Context;
use self::stop::{Orders, Stop};
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

/// Everything that serves ends with it.
type Thread = JoinHandle<io::Result<()>>;

/// A server that answers.
#[derive(Debug)]
pub struct Running {
    address: SocketAddr,
    probe_address: SocketAddr,
    callers: Arc<Callers>,
    /// Takes over changed certificates. It ends before the files do that the server made.
    certificates: Watcher,
    development: Option<Development>,
    orders: Orders,
    thread: Thread,
}

/// Starts serving; whatever can fail at start has been done when it returns. From before it can be called `signals` are
/// orders to stop.
pub fn start(
    settings: Settings,
    decide: Arc<dyn Decide>,
    metrics: Arc<Metrics>,
    signals: Option<&Signals>,
) -> Result<Running, Error> {
    let Settings {
        listen,
        probe_listen,
        gates,
        certificate,
        client_ca,
        certificate_pace,
        deadline,
        shutdown_delay,
        shutdown_timeout,
        workers,
        limits,
    } = settings;

    let identity = Identity::load(certificate, listen, client_ca, &metrics)?;
    let served: Vec<_> = gates.keys().copied().collect();
    let callers = Arc::new(Callers::new(identity.certificates.trust(), gates));
    let acceptor = identity.acceptor()?;
    let pools = Arc::new(Pools::start(served, workers, &decide, &metrics)?);
    let stages = Stages::new();
    let health = Health {
        pools: Arc::clone(&pools),
        decide: Arc::clone(&decide),
        metrics: Arc::clone(&metrics),
        drain: stages.watch(),
    };
    let context = Context {
        pools,
        callers: Arc::clone(&callers),
        deadline,
        limits,
        budget: Budget::new(limits.text, limits.decoded),
        decide,
        metrics: Arc::clone(&metrics),
        drain: stages.watch(),
    };
    let sockets = Sockets {
        listen,
        probe_listen,
        acceptor,
    };

    let (orders, received) = Orders::new();
    if let Some(signals) = signals {
        signals.become_orders(orders.clone());
    }
    let stop = Stop {
        orders: received,
        stages,
        delay: shutdown_delay,
        timeout: shutdown_timeout,
        metrics,
    };
    let (thread, (address, probe_address)) = spawn(move || sockets.open(context, health), stop)?;
    let (development, certificates) = identity.watch(certificate_pace)?;
    Ok(Running {
        address,
        probe_address,
        callers,
        development,
        certificates,
        orders,
        thread,
    })
}

/// Serves on a thread of its own what `open` binds; the addresses are there when it returns.
fn spawn(
    open: impl FnOnce() -> Result<Bound, Error> + Send + 'static,
    stop: Stop,
) -> Result<(Thread, (SocketAddr, SocketAddr)), Error> {
    let (report, started) = std::sync::mpsc::channel();
    let thread = thread::Builder::new()
        .name("serve".to_owned())
        .spawn(move || actix_rt::System::new().block_on(serve(open, report, stop)))?;
    let addresses = started.recv().map_err(|_| Error::Died)??;
    Ok((thread, addresses))
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

    /// Who may call: the names can be changed while it serves.
    pub fn callers(&self) -> Arc<Callers> {
        Arc::clone(&self.callers)
    }

    /// The files of the certificate that the server made for itself, if none was configured.
    pub fn development(&self) -> Option<&Development> {
        self.development.as_ref()
    }

    /// Stops as a signal would, and returns when all is done.
    pub fn stop(self) -> Result<(), Error> {
        self.orders.give();
        self.wait()
    }

    /// Serves until it is told to stop, and returns when all is done.
    pub fn wait(self) -> Result<(), Error> {
        let ended = self.thread.join();
        // A file system that hangs must not hold the end up.
        self.certificates.abandon();
        ended.map_err(|_| Error::Died)?.map_err(Error::System)?;
        if self.orders.were_given() {
            Ok(())
        } else {
            Err(Error::Died)
        }
    }
}
