//! Accepting connections, and the I/O threads that serve them.
//!
//! `actix_server` drops what it has accepted and not yet begun with when it stops, and what waits to be accepted. Here
//! one task accepts and hands the connections to the threads in turn; each is served to its end. When the listener
//! closes, everything that waits at it has been accepted, and nothing that was accepted is dropped before
//! [`Stage::Ended`].

use std::io;
use std::net;
use std::num::NonZeroUsize;
use std::rc::Rc;
use std::sync::mpsc as started;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use actix_service::{Service, ServiceFactory};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};

use super::drain::{Drain, Stage};

/// How long accepting pauses at most when the system gives no more sockets: trying at once would keep a processor busy.
const PAUSE: Duration = Duration::from_millis(200);

/// Threads that serve connections, and how many connections there are.
pub(super) struct Threads {
    senders: Vec<mpsc::UnboundedSender<Accepted>>,
    handles: Vec<JoinHandle<()>>,
    next: usize,
    open: Open,
    /// How many connections may be open before no further one is taken.
    most: usize,
}

/// A connection on its way to its thread.
struct Accepted {
    socket: net::TcpStream,
    counted: Counted,
}

impl Threads {
    /// Starts a thread for each processor, each with a service of its own; they end with [`Stage::Ended`]. While `most`
    /// connections are open none is accepted.
    pub(super) fn start<F, S>(factory: F, most: usize, drain: &Drain) -> io::Result<Self>
    where
        F: Fn() -> S + Clone + Send + 'static,
        S: ServiceFactory<TcpStream, Config = ()> + 'static,
    {
        let (report, reports) = started::channel();
        let (mut senders, mut handles) = (Vec::new(), Vec::new());
        for number in 0..thread::available_parallelism().map_or(2, NonZeroUsize::get) {
            let (sender, connections) = mpsc::unbounded_channel();
            let (factory, drain, report) = (factory.clone(), drain.clone(), report.clone());
            let thread = thread::Builder::new().name(format!("io-{number}"));
            handles.push(thread.spawn(move || run(&factory, connections, drain, &report))?);
            senders.push(sender);
        }
        // A thread that ends without a report then ends the waiting, too.
        drop(report);
        for _ in &handles {
            reports.recv().map_err(|_| died())??;
        }
        Ok(Self {
            senders,
            handles,
            next: 0,
            open: Open(watch::Sender::new(0)),
            most,
        })
    }

    /// Accepts for ever; what it returns is why it cannot go on.
    pub(super) async fn accept(&mut self, listener: &TcpListener) -> io::Error {
        let mut open = self.open.0.subscribe();
        loop {
            // A burst is taken in no faster than it is served or refused: what waits opens no file.
            let _ = open.wait_for(|open| *open < self.most).await;
            let handed = match listener.accept().await {
                Ok((socket, _)) => socket.into_std().and_then(|socket| self.hand_out(socket)),
                Err(error) if is_of_one_connection(&error) => Ok(()),
                Err(error) => {
                    tracing::warn!(%error, "cannot accept connections");
                    // There is more as soon as a connection ends, or somebody else gives something back.
                    let _ = tokio::time::timeout(PAUSE, open.changed()).await;
                    Ok(())
                }
            };
            if let Err(error) = handed {
                return error;
            }
        }
    }

    /// Accepts what waits, and closes the listener at the first moment in which nothing does.
    pub(super) fn close(&mut self, listener: TcpListener) -> io::Result<()> {
        // The runtime's own notion of what waits lags behind the system's.
        let listener = listener.into_std()?;
        loop {
            match listener.accept() {
                Ok((socket, _)) => {
                    socket.set_nonblocking(true)?;
                    self.hand_out(socket)?;
                }
                Err(error) if is_of_one_connection(&error) => {}
                // Nothing waits, or nothing more can be had.
                Err(_) => return Ok(()),
            }
        }
    }

    /// Waits until no connection is open; to be dropped when that takes too long.
    pub(super) async fn all_closed(&self) {
        // It does not end before us: we hold the sender.
        let _ = self.open.0.subscribe().wait_for(|open| *open == 0).await;
    }

    /// How many connections are open, those not greeted yet included.
    pub(super) fn open(&self) -> usize {
        *self.open.0.borrow()
    }

    /// Waits for the threads to end, which [`Stage::Ended`] makes them do.
    pub(super) fn join(self) -> io::Result<()> {
        drop(self.senders);
        for handle in self.handles {
            handle.join().map_err(|_| died())?;
        }
        Ok(())
    }

    fn hand_out(&mut self, socket: net::TcpStream) -> io::Result<()> {
        let counted = self.open.count();
        let turn = self.next % self.senders.len().max(1);
        self.next = turn + 1;
        let sender = self.senders.get(turn).ok_or_else(died)?;
        sender.send(Accepted { socket, counted }).map_err(|_| died())
    }
}

/// The connections that are open.
struct Open(watch::Sender<usize>);

impl Open {
    fn count(&self) -> Counted {
        self.0.send_modify(|open| *open += 1);
        Counted(self.0.clone())
    }
}

/// One open connection; it is closed when this is dropped.
struct Counted(watch::Sender<usize>);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.send_modify(|open| *open -= 1);
    }
}

/// One thread: reports once whether it serves, then serves what it is handed until the end.
fn run<S>(
    factory: &impl Fn() -> S,
    connections: mpsc::UnboundedReceiver<Accepted>,
    drain: Drain,
    report: &started::Sender<io::Result<()>>,
) where
    S: ServiceFactory<TcpStream, Config = ()> + 'static,
{
    let runtime = match actix_rt::Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => {
            // Who waits for the report is gone only when another thread could not start either.
            let _ = report.send(Err(error));
            return;
        }
    };
    let service = match runtime.block_on(async { factory().new_service(()).await }) {
        Ok(service) => Rc::new(service),
        Err(_) => {
            let _ = report.send(Err(io::Error::other("the HTTP service cannot be made")));
            return;
        }
    };
    let _ = report.send(Ok(()));
    runtime.spawn(serve(connections, service));
    runtime.block_on(drain.reached(Stage::Ended));
}

/// Serves each connection in a task of its own.
async fn serve<S: Service<TcpStream> + 'static>(
    mut connections: mpsc::UnboundedReceiver<Accepted>,
    service: Rc<S>,
) {
    while let Some(Accepted { socket, counted }) = connections.recv().await {
        let service = Rc::clone(&service);
        actix_rt::spawn(async move {
            let _counted = counted;
            match TcpStream::from_std(socket) {
                // What goes wrong with a connection is told by the service.
                Ok(socket) => drop(service.call(socket).await),
                Err(error) => tracing::debug!(%error, "connection lost"),
            }
        });
    }
}

/// Whether only the connection that was to be accepted is lost.
fn is_of_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};
    matches!(
        error.kind(),
        ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted
    )
}

fn died() -> io::Error {
    io::Error::other("an I/O thread ended")
}
