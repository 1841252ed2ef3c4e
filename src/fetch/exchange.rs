//! One request and its answer, over a connection of its own: resolve, judge, connect, TLS, HTTP.
//!
//! What is judged is the very address that is connected to, so a name that changes its mind in between gains nothing.
//! Connections are not kept: there are never more of them than requests, and TLS resumes its sessions.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::pin;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use futures_util::future::{Either, select};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper::ext::ReasonPhrase;
use hyper::header::{CONNECTION, HOST, HeaderName, HeaderValue, USER_AGENT};
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use rustls_pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::allowed::{Host, Target};
use super::trust::Trust;
use super::{Error, MAX_BODY, Request, Response};

/// How much of an answer's head is read.
const MAX_HEAD: usize = 64 * 1024;

/// What the client alone may say: how long a message is, and what becomes of its connection.
const RESERVED: [&str; 9] = [
    "connection",
    "content-length",
    "expect",
    "host",
    "keep-alive",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// A request that can be sent.
pub(super) struct Prepared {
    target: Target,
    request: hyper::Request<Full<Bytes>>,
    /// `None` for one without TLS.
    tls: Option<(Arc<ClientConfig>, ServerName<'static>)>,
}

impl Prepared {
    /// Checks everything that can be checked without asking anybody.
    pub(super) fn new(request: Request, target: Target, trust: &Trust) -> Result<Self, Error> {
        let tls = match target.plain {
            true => None,
            false => {
                let name = match (&request.tls.server_name, &target.host) {
                    (Some(name), _) | (None, Host::Name(name)) => ServerName::try_from(name.clone()),
                    (None, Host::Address(address)) => Ok(ServerName::from(*address)),
                };
                let name = name.map_err(|_| Error::Request("no certificate can be for this server name"))?;
                Some((trust.of(&request.tls)?, name))
            }
        };
        let mut built = hyper::Request::builder()
            .method(request.method.as_str())
            .uri(target.path.clone())
            .body(Full::new(request.body))
            .map_err(|_| Error::Request("the method is none"))?;
        let headers = built.headers_mut();
        for (name, value) in &request.headers {
            let name =
                HeaderName::try_from(name).map_err(|_| Error::Request("the name of a header is none"))?;
            if RESERVED.contains(&name.as_str()) || name.as_str().starts_with("proxy-") {
                return Err(Error::Request("it has a header that is not its sender's to set"));
            }
            let value =
                HeaderValue::try_from(value).map_err(|_| Error::Request("the value of a header is none"))?;
            headers.append(name, value);
        }
        let authority = HeaderValue::try_from(&target.authority).map_err(|_| Error::Url("it has no host"))?;
        headers.insert(HOST, authority);
        headers.insert(CONNECTION, HeaderValue::from_static("close"));
        headers
            .entry(USER_AGENT)
            .or_insert(HeaderValue::from_static(concat!(
                "regate/",
                env!("CARGO_PKG_VERSION")
            )));
        Ok(Self {
            target,
            request: built,
            tls,
        })
    }
}

/// Sends it and reads the answer whole. Whoever waits for it is gone at the deadline.
pub(super) async fn run(prepared: Prepared, deadline: Instant) -> Result<Response, Error> {
    let Prepared { target, request, tls } = prepared;
    let host = target.name();
    let broken = |problem: String| Error::Connection {
        host: host.clone(),
        problem,
    };
    let stream = connect(&target, deadline).await?;
    match tls {
        None => answer(stream, request, &host).await,
        Some((config, name)) => {
            let stream = TlsConnector::from(config)
                .connect(name, stream)
                .await
                .map_err(|error| broken(error.to_string()))?;
            answer(stream, request, &host).await
        }
    }
}

/// A connection to the first of the target's addresses that its entry admits and that can be reached.
async fn connect(target: &Target, deadline: Instant) -> Result<TcpStream, Error> {
    let addresses: Vec<IpAddr> = match &target.host {
        Host::Address(address) => vec![*address],
        Host::Name(name) => tokio::net::lookup_host((name.as_str(), target.port))
            .await
            .map_err(|_| Error::Name(name.clone()))?
            .map(|address| address.ip())
            .collect(),
    };
    let admitted = addresses.into_iter().filter(|address| target.admits(*address));
    let admitted: Vec<_> = admitted
        .map(|address| SocketAddr::new(address, target.port))
        .collect();
    let stream = match first_of(&admitted, deadline).await {
        None => return Err(Error::Address(target.name())),
        Some(connected) => connected.map_err(|problem| Error::Connection {
            host: target.name(),
            problem: problem.to_string(),
        })?,
    };
    // Without it the last part of a request waits for the peer's word on the first.
    let _ = stream.set_nodelay(true);
    Ok(stream)
}

/// A connection to the first of these addresses that can be reached, or why there is none to the last. Each has its part
/// of the time that is left: one from which nothing comes back must not take all of it.
async fn first_of(addresses: &[SocketAddr], deadline: Instant) -> Option<io::Result<TcpStream>> {
    let (last, others) = addresses.split_last()?;
    for (at, address) in others.iter().enumerate() {
        let parts = u32::try_from(addresses.len() - at).unwrap_or(u32::MAX);
        let part = deadline.saturating_duration_since(Instant::now()) / parts;
        if let Ok(Ok(stream)) = tokio::time::timeout(part, TcpStream::connect(address)).await {
            return Some(Ok(stream));
        }
    }
    Some(TcpStream::connect(last).await)
}

async fn answer(
    stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
    request: hyper::Request<Full<Bytes>>,
    host: &str,
) -> Result<Response, Error> {
    let broken = |problem: String| Error::Connection {
        host: host.to_owned(),
        problem,
    };
    let (mut sender, connection) = http1::Builder::new()
        .max_buf_size(MAX_HEAD)
        .handshake(TokioIo::new(stream))
        .await
        .map_err(|error| broken(error.to_string()))?;
    let exchange = async {
        let response = sender
            .send_request(request)
            .await
            .map_err(|error| broken(error.to_string()))?;
        let (head, body) = response.into_parts();
        let body = whole(body, host).await?;
        let reason = match head.extensions.get::<ReasonPhrase>() {
            Some(reason) => String::from_utf8_lossy(reason.as_bytes()).into_owned(),
            None => head.status.canonical_reason().unwrap_or_default().to_owned(),
        };
        let header =
            |(name, value): (&HeaderName, &HeaderValue)| (name.to_string(), value.as_bytes().to_vec());
        Ok(Response {
            status: head.status.as_u16(),
            reason,
            headers: head.headers.iter().map(header).collect(),
            body,
        })
    };
    // The connection moves only while it is polled. When it ends first, the exchange knows by now how.
    match select(pin!(exchange), pin!(connection)).await {
        Either::Left((result, _)) => result,
        Either::Right((_, exchange)) => exchange.await,
    }
}

/// The body in one piece: it may come in pieces of a byte, and kept as they come they would take many times its length.
async fn whole(mut body: Incoming, host: &str) -> Result<Bytes, Error> {
    let mut bytes = Vec::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| Error::Broken {
            host: host.to_owned(),
            problem: error.to_string(),
        })?;
        let Ok(data) = frame.into_data() else { continue };
        if data.len() > MAX_BODY.saturating_sub(bytes.len()) {
            return Err(Error::TooLarge(host.to_owned()));
        }
        bytes.extend_from_slice(&data);
    }
    Ok(bytes.into())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use futures_util::FutureExt;
    use tokio::net::{TcpListener, TcpSocket};

    use super::*;

    /// A listener that takes no connection any more, as if it were behind a wall, with those that it has taken.
    async fn wall() -> (TcpListener, Vec<TcpStream>) {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let listener = socket.listen(1).unwrap();
        let address = listener.local_addr().unwrap();
        let mut taken = Vec::new();
        let patience = Duration::from_millis(300);
        while let Ok(stream) = tokio::time::timeout(patience, TcpStream::connect(address)).await {
            taken.push(stream.unwrap());
        }
        (listener, taken)
    }

    #[test]
    fn an_address_from_which_nothing_comes_back_leaves_time_for_the_next() {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(async {
            let (wall, _taken) = wall().await;
            let open = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let (behind, reached) = (wall.local_addr().unwrap(), open.local_addr().unwrap());
            let deadline = Instant::now() + Duration::from_secs(4);
            let stream = first_of(&[behind, reached], deadline).await.unwrap().unwrap();
            assert_eq!(stream.peer_addr().unwrap(), reached);
            assert!(Instant::now() < deadline);
            // The last one has all the time that there is.
            assert!(first_of(&[behind], deadline).now_or_never().is_none());
            assert!(first_of(&[], deadline).await.is_none());
        });
    }
}
