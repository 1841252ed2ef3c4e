//! The listener of reviews: TCP, TLS, and the HTTP/1.1 service over our own stream.
//!
//! `actix_web::HttpServer` would time only the first head of a connection and hand out no other stream than its own.
//! So this is what it does inside, one level lower: a service for each thread of `accept` that makes the handshake and
//! gives the HTTP service of `actix_http` a [`Stream`], which keeps the limits and ends with the server.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use actix_http::{HttpService, Request};
use actix_service::{IntoServiceFactory, ServiceFactoryExt, fn_service, map_config};
use actix_web::dev::AppConfig;
use futures_util::future::{self, Either};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;

use super::accept::Threads;
use super::callers::Callers;
use super::connection::Stream;
use super::drain::Drain;
use super::reply;
use super::routes::{self, Context};
use super::seats::{Seat, Seats};
use super::settings::Limits;

/// Connections that may wait to be accepted; a burst of the API server opens one for each of its requests.
const BACKLOG: u32 = 2048;

/// Connections that may be accepted and have no seat yet.
const ACCEPTED: usize = 32;

/// Opens a listening socket.
pub(super) fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() {
        tokio::net::TcpSocket::new_v4()?
    } else {
        tokio::net::TcpSocket::new_v6()?
    };
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)?.into_std()
}

/// Starts the threads that serve reviews.
pub(super) fn threads(acceptor: TlsAcceptor, context: Arc<Context>, drain: &Drain) -> io::Result<Threads> {
    let seats = Seats::new(context.limits.connections);
    let most = seats.most() + ACCEPTED;
    let watched = drain.clone();
    let service = move || {
        let limits = context.limits;
        let (acceptor, seats) = (acceptor.clone(), Arc::clone(&seats));
        let drain = watched.clone();
        let app = routes::app(Arc::clone(&context))
            .into_factory()
            .map_err(|error| error.error_response());
        let http = HttpService::build()
            .keep_alive(limits.keep_alive)
            // The stream limits the first head as it does every other.
            .client_request_timeout(Duration::ZERO)
            .client_disconnect_timeout(limits.linger)
            .on_connect_ext(|stream: &Stream, data| {
                data.insert(stream.connection());
            })
            .expect(fn_service(async |mut request: Request| {
                Err::<Request, _>(reply::expectation_failed(request.take_payload()))
            }))
            .h1(map_config(app, |()| AppConfig::default()));
        let callers = Arc::clone(&context.callers);
        fn_service(move |tcp: TcpStream| {
            let greeting = Greeting {
                acceptor: acceptor.clone(),
                limits,
                drain: drain.clone(),
                callers: Arc::clone(&callers),
            };
            greeting.handshake(tcp, seats.take())
        })
        .and_then(http.map_err(|error| {
            tracing::debug!(%error, "connection ended");
        }))
    };
    Threads::start(service, most, drain)
}

/// What it takes to greet a client.
struct Greeting {
    acceptor: TlsAcceptor,
    limits: Limits,
    drain: Drain,
    callers: Arc<Callers>,
}

impl Greeting {
    /// Makes a connection out of a socket, or gives it up: in time, or because others have all seats.
    async fn handshake(self, tcp: TcpStream, seat: Option<Seat>) -> Result<(Stream, Option<SocketAddr>), ()> {
        let Some(seat) = seat else {
            tracing::debug!("too many connections");
            return Err(());
        };
        let peer = tcp.peer_addr().ok();
        // Without it the second write of a response waits for the delayed acknowledgement of the first: 40 ms.
        tcp.set_nodelay(true)
            .map_err(|error| tracing::debug!(%error, "connection lost"))?;
        let mut limits = self.limits;
        if seat.is_reserved() {
            limits.handshake = limits.handshake.min(limits.hurried);
            limits.head = limits.head.min(limits.hurried);
        }
        let ousted = future::poll_fn(|cx| {
            if seat.is_ousted(cx) {
                Poll::Ready(())
            } else {
                Poll::Pending
            }
        });
        let greeted = future::select(self.acceptor.accept(tcp), ousted);
        let accepted = match tokio::time::timeout(limits.handshake, greeted).await {
            Ok(Either::Left((accepted, _))) => accepted.map_err(|error| error.to_string()),
            Ok(Either::Right(_)) => Err("another connection took its place".to_owned()),
            Err(_) => Err("too slow".to_owned()),
        };
        match accepted {
            Ok(tls) => Ok((Stream::new(tls, seat, &limits, &self.drain, self.callers), peer)),
            Err(error) => {
                tracing::debug!(error, "handshake failed");
                Err(())
            }
        }
    }
}
