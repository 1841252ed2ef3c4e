//! The listener of reviews: TCP, TLS, and the HTTP/1.1 service over our own stream.
//!
//! `actix_web::HttpServer` would time only the first head of a connection and hand out no other stream than its own.
//! So this is what it does inside, one level lower: a server of `actix_server` whose service makes the handshake and
//! gives the HTTP service of `actix_http` a [`Stream`], which keeps the limits.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::task::Poll;
use std::thread;
use std::time::Duration;

use actix_http::{HttpService, Request};
use actix_server::Server;
use actix_service::{IntoServiceFactory, ServiceFactoryExt, fn_service, map_config};
use actix_web::dev::AppConfig;
use futures_util::future::{self, Either};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;

use super::connection::Stream;
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

/// Serves reviews on `listener`; requests in flight get `shutdown` when it is stopped.
pub(super) fn server(
    listener: TcpListener,
    acceptor: TlsAcceptor,
    context: Arc<Context>,
    shutdown: Duration,
) -> io::Result<Server> {
    let seconds = shutdown.as_secs() + u64::from(shutdown.subsec_nanos() > 0);
    let seats = Seats::new(context.limits.connections);
    let workers = thread::available_parallelism().map_or(2, usize::from);
    let builder = Server::build()
        .disable_signals()
        .shutdown_timeout(seconds)
        .workers(workers)
        // A burst is taken in no faster than seats are given: what is over that waits, and opens no file.
        .max_concurrent_connections((seats.most() + ACCEPTED).div_ceil(workers) + 1);
    let stopping = builder.graceful_shutdown_signal();
    let builder = builder.listen("reviews", listener, move || {
        let limits = context.limits;
        let (acceptor, seats) = (acceptor.clone(), Arc::clone(&seats));
        let stopping = stopping.clone();
        let app = routes::app(Arc::clone(&context))
            .into_factory()
            .map_err(|error| error.error_response());
        let http = HttpService::build()
            .keep_alive(limits.keep_alive)
            // The stream limits the first head as it does every other.
            .client_request_timeout(Duration::ZERO)
            .client_disconnect_timeout(limits.linger)
            .graceful_shutdown_signal(move || {
                let stopping = stopping.clone();
                async move { stopping.notified().await }
            })
            .on_connect_ext(|stream: &Stream, data| {
                data.insert(stream.connection());
            })
            .expect(fn_service(async |mut request: Request| {
                Err::<Request, _>(reply::expectation_failed(request.take_payload()))
            }))
            .h1(map_config(app, |()| AppConfig::default()));
        fn_service(move |tcp: TcpStream| handshake(tcp, acceptor.clone(), seats.take(), limits)).and_then(
            http.map_err(|error| {
                tracing::debug!(%error, "connection ended");
            }),
        )
    })?;
    Ok(builder.run())
}

/// Makes a connection out of a socket, or gives it up: in time, or because others have all seats.
async fn handshake(
    tcp: TcpStream,
    acceptor: TlsAcceptor,
    seat: Option<Seat>,
    limits: Limits,
) -> Result<(Stream, Option<SocketAddr>), ()> {
    let Some(seat) = seat else {
        tracing::debug!("too many connections");
        return Err(());
    };
    let peer = tcp.peer_addr().ok();
    // Without it the second write of a response waits for the delayed acknowledgement of the first: 40 ms.
    tcp.set_nodelay(true)
        .map_err(|error| tracing::debug!(%error, "connection lost"))?;
    let (time, head) = if seat.is_reserved() {
        (
            limits.handshake.min(limits.hurried),
            limits.head.min(limits.hurried),
        )
    } else {
        (limits.handshake, limits.head)
    };
    let ousted = future::poll_fn(|cx| {
        if seat.is_ousted(cx) {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    });
    let accepted = match tokio::time::timeout(time, future::select(acceptor.accept(tcp), ousted)).await {
        Ok(Either::Left((accepted, _))) => accepted.map_err(|error| error.to_string()),
        Ok(Either::Right(_)) => Err("another connection took its place".to_owned()),
        Err(_) => Err("too slow".to_owned()),
    };
    match accepted {
        Ok(tls) => Ok((Stream::new(tls, seat, head, limits.write), peer)),
        Err(error) => {
            tracing::debug!(error, "handshake failed");
            Err(())
        }
    }
}
