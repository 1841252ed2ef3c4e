//! A keep-alive HTTP/1.1 client over TLS that posts reviews, one at a time on each connection, and checks every answer.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use futures_util::future::try_join_all;
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::ServerName;
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::server::{Certificate, Server};

/// The reviews that are posted in turn, each with what the answer must say.
pub(crate) struct Reviews(Vec<(String, bool)>);

impl Reviews {
    /// Reads the files.
    pub(crate) fn read(files: &[(PathBuf, bool)]) -> Result<Reviews> {
        let read = |(path, allowed): &(PathBuf, bool)| {
            let text =
                std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
            Ok((text.trim_end().to_owned(), *allowed))
        };
        Ok(Reviews(files.iter().map(read).collect::<Result<_>>()?))
    }

    /// Length of the longest review.
    pub(crate) fn bytes(&self) -> usize {
        self.0.iter().map(|(text, _)| text.len()).max().unwrap_or(0)
    }
}

/// Posts reviews to one server.
pub(crate) struct Client {
    connector: TlsConnector,
    address: SocketAddr,
    path: &'static str,
}

impl Client {
    /// A client that trusts the certificate alone.
    pub(crate) fn new(server: &Server, certificate: &Certificate) -> Result<Client> {
        let mut roots = RootCertStore::empty();
        roots.add(certificate.der())?;
        let mut config = ClientConfig::builder()
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Client {
            connector: TlsConnector::from(Arc::new(config)),
            address: server.address(),
            path: server.path(),
        })
    }

    /// Posts each review once on a new connection.
    pub(crate) async fn once(&self, reviews: &Reviews) -> Result<()> {
        let mut connection = self.connect().await?;
        for (body, allowed) in &reviews.0 {
            self.post(&mut connection, body, *allowed).await?;
        }
        Ok(())
    }

    /// Posts reviews on so many connections for so long; how long each answer took.
    pub(crate) async fn run(
        &self,
        reviews: &Reviews,
        connections: usize,
        time: Duration,
    ) -> Result<Vec<Duration>> {
        let end = Instant::now() + time;
        let all = try_join_all((0..connections).map(|_| self.run_one(reviews, end))).await?;
        Ok(all.into_iter().flatten().collect())
    }

    async fn run_one(&self, reviews: &Reviews, end: Instant) -> Result<Vec<Duration>> {
        let mut connection = self.connect().await?;
        let mut latencies = Vec::new();
        for (body, allowed) in reviews.0.iter().cycle() {
            let start = Instant::now();
            if start >= end {
                break;
            }
            self.post(&mut connection, body, *allowed).await?;
            latencies.push(start.elapsed());
        }
        Ok(latencies)
    }

    async fn connect(&self) -> Result<BufReader<TlsStream<TcpStream>>> {
        let stream = TcpStream::connect(self.address).await?;
        stream.set_nodelay(true)?;
        let name = ServerName::from(self.address.ip());
        Ok(BufReader::new(self.connector.connect(name, stream).await?))
    }

    async fn post(
        &self,
        connection: &mut BufReader<TlsStream<TcpStream>>,
        body: &str,
        allowed: bool,
    ) -> Result<()> {
        let request = format!(
            "POST {}?timeout=10s HTTP/1.1\r\nHost: {}\r\nUser-Agent: kube-apiserver-admission\r\n\
             Content-Length: {}\r\nAccept: application/json, */*\r\nContent-Type: application/json\r\n\r\n{body}",
            self.path,
            self.address,
            body.len()
        );
        connection.write_all(request.as_bytes()).await?;
        connection.flush().await?;
        let answer = read_answer(connection).await?;
        let review: Value = serde_json::from_slice(&answer).context("the answer is no JSON")?;
        let said = review.pointer("/response/allowed").and_then(Value::as_bool);
        ensure!(
            said == Some(allowed),
            "allowed should be {allowed}: {}",
            String::from_utf8_lossy(&answer)
        );
        Ok(())
    }
}

/// Reads one HTTP/1.1 response with status 200, its body in one piece or in chunks.
async fn read_answer(connection: &mut BufReader<TlsStream<TcpStream>>) -> Result<Vec<u8>> {
    let status = read_line(connection).await?;
    ensure!(status.starts_with("HTTP/1.1 200"), "{status}");
    let (mut length, mut chunked) = (0, false);
    loop {
        let header = read_line(connection).await?.to_ascii_lowercase();
        if header.is_empty() {
            break;
        }
        if let Some(value) = header.strip_prefix("content-length:") {
            length = value.trim().parse()?;
        }
        chunked |= header.starts_with("transfer-encoding:") && header.contains("chunked");
    }
    let mut body = Vec::new();
    if !chunked {
        body.resize(length, 0);
        connection.read_exact(&mut body).await?;
        return Ok(body);
    }
    loop {
        let size = usize::from_str_radix(&read_line(connection).await?, 16)?;
        let read = body.len();
        body.resize(read + size, 0);
        let (_, chunk) = body.split_at_mut(read);
        connection.read_exact(chunk).await?;
        read_line(connection).await?;
        if size == 0 {
            return Ok(body);
        }
    }
}

async fn read_line(connection: &mut BufReader<TlsStream<TcpStream>>) -> Result<String> {
    let mut line = String::new();
    ensure!(
        connection.read_line(&mut line).await? > 0,
        "the connection was closed"
    );
    Ok(line.trim_end().to_owned())
}
