//! One TLS connection, as the HTTP service reads and writes it and as requests look at it.
//!
//! actix times the head of a connection's first request only, and no write at all. So the stream that it is given is
//! ours: it notices the first byte after an idle time, gives every head the same limit, and ends a connection whose
//! client stopped reading. When the server closes, it ends a connection that waits for a request, and no other. Between two requests the keep-alive limit of the HTTP service applies; while one is being
//! handled, the time limits of its body and its deadline do. A connection lives on one thread, hence the cells.

use std::cell::{Cell, RefCell};
use std::io;
use std::net;
use std::os::fd::AsFd;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use rustls_pki_types::CertificateDer;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::Sleep;
use tokio_rustls::server::TlsStream;

use super::callers::Caller;
use super::drain::{Closing, Drain};

/// How long a new connection may take to its first byte while the server closes: the client made it for a request.
const FIRST_BYTE: Duration = Duration::from_secs(1);

/// What a connection is waiting for.
#[derive(Clone, Copy, Debug)]
enum Phase {
    /// For the first byte of another request.
    Idle,
    /// For the rest of a head; a new connection starts here, so that one that stays silent ends early.
    Head {
        first_byte: Option<Instant>,
        end: Instant,
    },
    /// For the answer to a request.
    Request,
}

/// What the requests of a connection share.
pub(super) struct Connection {
    phase: Cell<Phase>,
    /// Whether nothing is read for now.
    paused: Cell<bool>,
    /// The chain that the client presented and proved to hold the key of, leaf first; nobody judged it yet.
    pub(super) presented: Vec<CertificateDer<'static>>,
    /// What the chain was last found to be, so that not every request pays for verifying it.
    pub(super) caller: RefCell<Option<Caller>>,
}

impl Connection {
    /// A request's head was read: from here on its own limits apply. Returns when the first byte of it arrived.
    pub(super) fn begin(&self) -> Instant {
        match self.phase.replace(Phase::Request) {
            Phase::Head {
                first_byte: Some(arrived),
                ..
            } => arrived,
            // A pipelined request, read while its predecessor was being handled.
            Phase::Head { first_byte: None, .. } | Phase::Idle | Phase::Request => Instant::now(),
        }
    }

    /// The request was answered.
    pub(super) fn finish(&self) {
        self.phase.set(Phase::Idle);
    }

    /// Reads nothing more until the returned value is dropped, and the task of the connection runs again.
    pub(super) fn pause(&self) -> Paused<'_> {
        self.paused.set(true);
        Paused(self)
    }

    fn bytes_arrived(&self, head: Duration) {
        match self.phase.get() {
            Phase::Idle => {
                let now = Instant::now();
                self.phase.set(Phase::Head {
                    first_byte: Some(now),
                    end: now + head,
                });
            }
            Phase::Head {
                first_byte: None,
                end,
            } => {
                self.phase.set(Phase::Head {
                    first_byte: Some(Instant::now()),
                    end,
                });
            }
            Phase::Head {
                first_byte: Some(_), ..
            }
            | Phase::Request => {}
        }
    }

    /// The server closes. Whether the connection only waits for a request, which it then need not do any longer.
    fn close(&self) -> bool {
        match self.phase.get() {
            Phase::Idle => true,
            Phase::Head {
                first_byte: None,
                end,
            } => {
                let soon = Instant::now() + FIRST_BYTE;
                self.phase.set(Phase::Head {
                    first_byte: None,
                    end: end.min(soon),
                });
                false
            }
            Phase::Head {
                first_byte: Some(_), ..
            }
            | Phase::Request => false,
        }
    }

    fn head_end(&self) -> Option<Instant> {
        match self.phase.get() {
            Phase::Head { end, .. } => Some(end),
            Phase::Idle | Phase::Request => None,
        }
    }
}

/// A connection of which nothing is read.
pub(super) struct Paused<'a>(&'a Connection);

impl Drop for Paused<'_> {
    fn drop(&mut self) {
        self.0.paused.set(false);
    }
}

/// The bytes of one connection, under the limits described above.
pub(super) struct Stream {
    tls: TlsStream<TcpStream>,
    connection: Rc<Connection>,
    head: Duration,
    write: Duration,
    closing: Closing,
    head_timer: Timer,
    write_timer: Timer,
    write_end: Option<Instant>,
}

impl Stream {
    /// Takes over a connection whose handshake is done. `head` limits every request head, `write` every pause in
    /// which the client takes no byte of an answer.
    pub(super) fn new(tls: TlsStream<TcpStream>, head: Duration, write: Duration, drain: &Drain) -> Self {
        let (_, session) = tls.get_ref();
        let presented = session
            .peer_certificates()
            .map(|chain| chain.iter().map(|der| der.clone().into_owned()));
        let connection = Connection {
            phase: Cell::new(Phase::Head {
                first_byte: None,
                end: Instant::now() + head,
            }),
            paused: Cell::new(false),
            presented: presented.into_iter().flatten().collect(),
            caller: RefCell::new(None),
        };
        Self {
            tls,
            connection: Rc::new(connection),
            head,
            write,
            closing: drain.closing(),
            head_timer: Timer::default(),
            write_timer: Timer::default(),
            write_end: None,
        }
    }

    /// What requests share.
    pub(super) fn connection(&self) -> Rc<Connection> {
        Rc::clone(&self.connection)
    }

    /// Passes a result of the write side on, unless it has been pending for too long.
    fn limit_write<T>(&mut self, result: Poll<io::Result<T>>, cx: &mut Context<'_>) -> Poll<io::Result<T>> {
        if result.is_ready() {
            self.write_end = None;
            return result;
        }
        let end = *self.write_end.get_or_insert_with(|| Instant::now() + self.write);
        ready!(self.write_timer.poll(end, cx));
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if this.connection.paused.get() {
            return Poll::Pending;
        }
        let filled = buf.filled().len();
        let read = Pin::new(&mut this.tls).poll_read(cx, buf);
        if read.is_ready() {
            if buf.filled().len() > filled {
                this.connection.bytes_arrived(this.head);
            }
            return read;
        }
        // A request that has arrived is still read and answered.
        if this.closing.poll(cx) && this.connection.close() && !has_bytes(this.tls.get_ref().0) {
            return Poll::Ready(Ok(()));
        }
        match this.connection.head_end() {
            // Nothing read is the end of the stream: the HTTP service then closes the connection in good order.
            Some(end) => this.head_timer.poll(end, cx).map(Ok),
            None => Poll::Pending,
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.tls).poll_write(cx, buf);
        self.limit_write(written, cx)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.tls).poll_flush(cx);
        self.limit_write(flushed, cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let closed = Pin::new(&mut self.tls).poll_shutdown(cx);
        self.limit_write(closed, cx)
    }
}

/// Whether something waits in a socket from which the runtime had nothing to read: the system knows it some time before
/// the runtime does.
fn has_bytes(socket: &TcpStream) -> bool {
    let same = socket.as_fd().try_clone_to_owned().map(net::TcpStream::from);
    same.and_then(|socket| socket.peek(&mut [0]))
        .is_ok_and(|length| length > 0)
}

/// A timer that is armed when it is polled; made when it is first needed.
#[derive(Default)]
struct Timer(Option<Pin<Box<Sleep>>>);

impl Timer {
    /// Ready once `end` has passed, else wakes the task then.
    fn poll(&mut self, end: Instant, cx: &mut Context<'_>) -> Poll<()> {
        let end = tokio::time::Instant::from_std(end);
        let sleep = self
            .0
            .get_or_insert_with(|| Box::pin(tokio::time::sleep_until(end)));
        if sleep.deadline() != end {
            sleep.as_mut().reset(end);
        }
        sleep.as_mut().poll(cx)
    }
}
