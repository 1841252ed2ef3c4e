//! One TLS connection, as the HTTP service reads and writes it and as requests look at it.
//!
//! actix times the head of a connection's first request only, and no write at all. So the stream that it is given is
//! ours: it notices the first byte after an idle time, gives every head the same limit, and ends a connection whose
//! client does not take its answer. When the server closes, it ends a connection that waits for a request, and no other.
//! Between two requests the keep-alive limit of the HTTP service applies, and before the first one ours; while one is
//! being handled, the time limits of its body and its deadline do. A connection lives on one thread, hence the cells.

use std::cell::{Cell, RefCell};
use std::io;
use std::net;
use std::os::fd::AsFd;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use rustls_pki_types::CertificateDer;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::Sleep;
use tokio_rustls::server::TlsStream;

use super::callers::{self, Caller, Callers};
use super::drain::{Closing, Drain};
use super::seats::Seat;
use super::settings::Limits;

/// How long a new connection may take to its first byte while the server closes: the client made it for a request.
const FIRST_BYTE: Duration = Duration::from_secs(1);

/// Bytes of a head, many times what an API server sends; what follows and came with it counts too while it is read.
const HEAD: usize = 32 << 10;

/// Bytes of a head that the HTTP service does not take any more, and refuses.
const TOO_LARGE: usize = 128 << 10;

/// What a connection is waiting for.
#[derive(Clone, Copy, Debug)]
enum Phase {
    /// For the first byte of the first request.
    New { end: Instant },
    /// For the first byte of another request.
    Idle,
    /// For the rest of a head.
    Head { first_byte: Instant, end: Instant },
    /// For the answer to a request.
    Request,
}

/// What the requests of a connection share.
pub(super) struct Connection {
    phase: Cell<Phase>,
    /// Whether nothing is read for now.
    paused: Cell<bool>,
    /// Its place among all connections.
    pub(super) seat: Seat,
    /// The chain that the client presented and proved to hold the key of, leaf first; nobody judged it yet.
    pub(super) presented: Vec<CertificateDer<'static>>,
    /// What the chain was last found to be, so that not every request pays for verifying it.
    pub(super) caller: RefCell<Option<Caller>>,
}

impl Connection {
    /// A request's head was read: from here on its own limits apply. Returns when the first byte of it arrived.
    pub(super) fn begin(&self) -> Instant {
        self.seat.busy();
        match self.phase.replace(Phase::Request) {
            Phase::Head { first_byte, .. } => first_byte,
            // A pipelined request, read while its predecessor was being handled.
            Phase::New { .. } | Phase::Idle | Phase::Request => Instant::now(),
        }
    }

    /// The request was answered.
    pub(super) fn finish(&self) {
        self.seat.idle();
        self.phase.set(Phase::Idle);
    }

    /// Reads nothing more until the returned value is dropped, and the task of the connection runs again.
    pub(super) fn pause(&self) -> Paused<'_> {
        self.paused.set(true);
        Paused(self)
    }

    fn bytes_arrived(&self, head: Duration) {
        match self.phase.get() {
            Phase::New { .. } | Phase::Idle => {
                let now = Instant::now();
                self.phase.set(Phase::Head {
                    first_byte: now,
                    end: now + head,
                });
            }
            Phase::Head { .. } | Phase::Request => {}
        }
    }

    /// The server closes. Whether the connection only waits for a request, which it then need not do any longer.
    fn close(&self) -> bool {
        match self.phase.get() {
            Phase::Idle => true,
            Phase::New { end } => {
                let soon = Instant::now() + FIRST_BYTE;
                self.phase.set(Phase::New { end: end.min(soon) });
                false
            }
            Phase::Head { .. } | Phase::Request => false,
        }
    }

    fn is_in_head(&self) -> bool {
        matches!(self.phase.get(), Phase::Head { .. })
    }

    fn is_new(&self) -> bool {
        matches!(self.phase.get(), Phase::New { .. })
    }

    fn is_answering(&self) -> bool {
        matches!(self.phase.get(), Phase::Request)
    }

    /// When it ends if nothing more is read.
    fn end(&self) -> Option<Instant> {
        match self.phase.get() {
            Phase::New { end } | Phase::Head { end, .. } => Some(end),
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
    head_bytes: HeadBytes,
    write: Duration,
    closing: Closing,
    callers: Arc<Callers>,
    /// Until when somebody who may call a gate need not send anything; nobody asked yet.
    unused_until: Option<Instant>,
    read_timer: Timer,
    write_timer: Timer,
    /// When the client must have taken all of the answer that is being written.
    write_end: Option<Instant>,
}

impl Stream {
    /// Takes over a connection whose handshake is done.
    pub(super) fn new(
        tls: TlsStream<TcpStream>,
        seat: Seat,
        limits: &Limits,
        drain: &Drain,
        callers: Arc<Callers>,
    ) -> Self {
        let (_, session) = tls.get_ref();
        let presented = callers::presented(session.peer_certificates().unwrap_or_default());
        let now = Instant::now();
        let unused_until = (!seat.is_reserved()).then(|| now + limits.keep_alive);
        let connection = Connection {
            phase: Cell::new(Phase::New {
                end: now + limits.head,
            }),
            paused: Cell::new(false),
            seat,
            presented,
            caller: RefCell::new(None),
        };
        Self {
            tls,
            connection: Rc::new(connection),
            head: limits.head,
            head_bytes: HeadBytes::default(),
            write: limits.write,
            closing: drain.closing(),
            callers,
            unused_until,
            read_timer: Timer::default(),
            write_timer: Timer::default(),
            write_end: None,
        }
    }

    /// What requests share.
    pub(super) fn connection(&self) -> Rc<Connection> {
        Rc::clone(&self.connection)
    }

    /// Waits for the end of a connection of which nothing more is read.
    fn poll_end(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Some(end) = self.connection.end() else {
            return Poll::Pending;
        };
        ready!(self.read_timer.poll(end, cx));
        if !self.connection.is_new() {
            return Poll::Ready(());
        }
        if has_bytes(self.tls.get_ref().0) {
            // They wake the task.
            return Poll::Pending;
        }
        // A client may make connections in advance, and use them when the API server's would still be open.
        match self.unused_until.take() {
            Some(end) if self.callers.admit_anywhere(&self.connection) => {
                self.connection.phase.set(Phase::New { end });
                self.read_timer.poll(end, cx)
            }
            _ => Poll::Ready(()),
        }
    }

    /// Passes a result of the write side on, unless something has not been taken for too long. What is flushed was
    /// taken: a byte now and then is no answer.
    fn limit_write<T>(&mut self, result: Poll<io::Result<T>>, cx: &mut Context<'_>) -> Poll<io::Result<T>> {
        if result.is_ready() {
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
        if !this.connection.is_in_head() {
            this.head_bytes = HeadBytes::default();
        } else if this.head_bytes.read > HEAD {
            return this.head_bytes.refuse(cx, buf);
        }
        let filled = buf.filled().len();
        let read = Pin::new(&mut this.tls).poll_read(cx, buf);
        if read.is_ready() {
            let length = buf.filled().len() - filled;
            if length > 0 {
                this.connection.bytes_arrived(this.head);
                this.head_bytes.read += length;
            }
            return read;
        }
        let is_closing = this.closing.poll(cx);
        if is_closing {
            this.unused_until = None;
        }
        let closes = is_closing && this.connection.close();
        let ousted = this.connection.seat.is_ousted(cx) && !this.connection.is_answering();
        // Nothing read is the end of the stream: the HTTP service then closes the connection in good order. A request that
        // has arrived is still read and answered.
        if (closes || ousted) && !has_bytes(this.tls.get_ref().0) {
            return Poll::Ready(Ok(()));
        }
        this.poll_end(cx).map(Ok)
    }
}

impl AsyncWrite for Stream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.tls).poll_write(cx, buf);
        self.limit_write(written, cx)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.tls).poll_flush(cx);
        if flushed.is_ready() {
            self.write_end = None;
        }
        self.limit_write(flushed, cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let closed = Pin::new(&mut self.tls).poll_shutdown(cx);
        self.limit_write(closed, cx)
    }
}

/// How much of a head was read. The HTTP service takes four times what is good for a server whose every client may send
/// that much, and answers nothing to one that ends early: so it is told that there is more than it takes.
#[derive(Default)]
struct HeadBytes {
    read: usize,
    looked_at: bool,
    told: usize,
}

impl HeadBytes {
    fn refuse(&mut self, cx: &Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if !self.looked_at {
            // It may be all there, and most of this a body.
            self.looked_at = true;
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        let more = buf.remaining().min(TOO_LARGE.saturating_sub(self.told));
        buf.initialize_unfilled_to(more).fill(b'x');
        buf.advance(more);
        self.told += more;
        Poll::Ready(Ok(()))
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
