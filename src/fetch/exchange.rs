//! One request and its answer, over a connection of its own: resolve, judge, connect, TLS, HTTP.
//!
//! What is judged is the very address that is connected to, so a name that changes its mind in between gains nothing.
//! Connections are not kept: there are never more of them than requests, and TLS resumes its sessions.

use std::net::{IpAddr, SocketAddr};
use std::pin::pin;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::future::{Either, select};
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
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
            .uri(target.path.as_str())
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

/// Sends it and reads the answer whole.
pub(super) async fn run(prepared: Prepared) -> Result<Response, Error> {
    let Prepared { target, request, tls } = prepared;
    let host = target.name();
    let broken = |problem: String| Error::Connection {
        host: host.clone(),
        problem,
    };
    let stream = connect(&target).await?;
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
async fn connect(target: &Target) -> Result<TcpStream, Error> {
    let addresses: Vec<IpAddr> = match &target.host {
        Host::Address(address) => vec![*address],
        Host::Name(name) => tokio::net::lookup_host((name.as_str(), target.port))
            .await
            .map_err(|_| Error::Name(name.clone()))?
            .map(|address| address.ip())
            .collect(),
    };
    let mut error = Error::Address(target.name());
    for address in addresses.into_iter().filter(|address| target.admits(*address)) {
        match TcpStream::connect(SocketAddr::new(address, target.port)).await {
            Ok(stream) => {
                // Without it the last part of a request waits for the peer's word on the first.
                let _ = stream.set_nodelay(true);
                return Ok(stream);
            }
            Err(problem) => {
                error = Error::Connection {
                    host: target.name(),
                    problem: problem.to_string(),
                };
            }
        }
    }
    Err(error)
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
        let body = Limited::new(body, MAX_BODY).collect().await.map_err(|error| {
            if error.is::<LengthLimitError>() {
                Error::TooLarge(host.to_owned())
            } else {
                Error::Broken {
                    host: host.to_owned(),
                    problem: error.to_string(),
                }
            }
        })?;
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
            body: body.to_bytes(),
        })
    };
    // The connection moves only while it is polled. When it ends first, the exchange knows by now how.
    match select(pin!(exchange), pin!(connection)).await {
        Either::Left((result, _)) => result,
        Either::Right((_, exchange)) => exchange.await,
    }
}
