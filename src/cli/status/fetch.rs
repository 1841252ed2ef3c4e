//! One GET over plain HTTP, as small as it can be and still be right.
//!
//! Only for the probes' port of a server, which speaks nothing else. Asked in HTTP/1.0: the answer then comes in one piece
//! and ends with the connection, whoever stands between.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream, ToSocketAddrs};
use std::time::{Duration, Instant};

/// For all of it: who asks is waiting.
const PATIENCE: Duration = Duration::from_secs(10);

/// Bytes of an answer: some hundred for each policy.
const LONGEST: usize = 64 << 20;

/// Why there is no answer. All of these are for whoever asks.
#[derive(Debug, thiserror::Error)]
pub(super) enum Error {
    #[error("is no address of a server: http://HOST:PORT")]
    Address,
    #[error("cannot be reached")]
    Unreachable(#[from] std::io::Error),
    #[error("did not answer in {} seconds", PATIENCE.as_secs())]
    Late,
    #[error("what answers there does not speak HTTP")]
    NotHttp,
    #[error("answered {0}: no regate server, or an older one")]
    Status(String),
    #[error("the answer ended before its end")]
    Cut,
    #[error("the answer is longer than {LONGEST} bytes")]
    Long,
}

/// The body under a path of a server.
pub(super) fn fetch(server: &str, path: &str) -> Result<Vec<u8>, Error> {
    let authority = server.strip_prefix("http://").ok_or(Error::Address)?;
    let authority = authority.strip_suffix('/').unwrap_or(authority);
    // Whoever can write into the request could write more than an address.
    let is_clean = |c: char| c.is_ascii_alphanumeric() || ".-:[]_".contains(c);
    let (host, port) = authority.rsplit_once(':').ok_or(Error::Address)?;
    if host.is_empty() || !authority.chars().all(is_clean) || port.parse::<u16>().is_err() {
        return Err(Error::Address);
    }
    let end = Instant::now() + PATIENCE;
    let mut stream = connect(authority.to_socket_addrs()?, end)?;
    stream.set_write_timeout(Some(PATIENCE))?;
    write!(stream, "GET {path} HTTP/1.0\r\nhost: {authority}\r\n\r\n")?;
    body(&read(&mut stream, end)?)
}

/// Connects to the first address that takes it.
fn connect(addresses: impl Iterator<Item = SocketAddr>, end: Instant) -> Result<TcpStream, Error> {
    let mut refused = Error::Address;
    for address in addresses {
        match TcpStream::connect_timeout(&address, left(end)?) {
            Ok(stream) => return Ok(stream),
            Err(error) => refused = Error::Unreachable(error),
        }
    }
    Err(refused)
}

fn left(end: Instant) -> Result<Duration, Error> {
    let left = end.saturating_duration_since(Instant::now());
    if left.is_zero() {
        Err(Error::Late)
    } else {
        Ok(left)
    }
}

/// All that comes until the connection ends.
fn read(stream: &mut TcpStream, end: Instant) -> Result<Vec<u8>, Error> {
    let mut answer = Vec::new();
    let mut piece = vec![0; 16 << 10];
    loop {
        stream.set_read_timeout(Some(left(end)?))?;
        match stream.read(&mut piece) {
            Ok(0) => return Ok(answer),
            Ok(length) => answer.extend_from_slice(piece.get(..length).unwrap_or_default()),
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                return Err(Error::Late);
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error.into()),
        }
        if answer.len() > LONGEST {
            return Err(Error::Long);
        }
    }
}

/// The body of an answer with status 200.
fn body(answer: &[u8]) -> Result<Vec<u8>, Error> {
    let end = answer.windows(4).position(|window| window == b"\r\n\r\n");
    let (head, body) =
        end.and_then(|end| answer.split_at_checked(end + 4))
            .ok_or(if answer.starts_with(b"HTTP/1.") {
                Error::Cut
            } else {
                Error::NotHttp
            })?;
    let head = std::str::from_utf8(head).map_err(|_| Error::NotHttp)?;
    let mut lines = head.split("\r\n");
    let first = lines.next().unwrap_or_default();
    let status = first.strip_prefix("HTTP/1.").ok_or(Error::NotHttp)?;
    let status = status.get(2..).ok_or(Error::NotHttp)?;
    if status.split(' ').next() != Some("200") {
        return Err(Error::Status(status.to_owned()));
    }
    let length = lines
        .filter_map(|line| line.split_once(':'))
        .find(|(name, _)| name.eq_ignore_ascii_case("content-length"));
    let length: usize = match length {
        Some((_, length)) => length.trim().parse().map_err(|_| Error::NotHttp)?,
        None => body.len(),
    };
    body.get(..length).map(<[u8]>::to_vec).ok_or(Error::Cut)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{BufRead, BufReader};
    use std::net::TcpListener;

    /// What is made of an answer that a server gives whoever connects, and what it was asked.
    fn told(answer: &'static [u8]) -> (Result<Vec<u8>, String>, String) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let server = format!("http://{}", listener.local_addr().unwrap());
        let thread = std::thread::spawn(move || {
            let (stream, _) = listener.accept().unwrap();
            let mut reader = BufReader::new(stream);
            let mut asked = String::new();
            while reader.read_line(&mut asked).unwrap() > 2 {}
            reader.into_inner().write_all(answer).unwrap();
            asked
        });
        let result = fetch(&server, "/status").map_err(|error| error.to_string());
        let asked = thread.join().unwrap();
        (result, asked.replace(&server["http://".len()..], "HOST"))
    }

    #[test]
    fn the_body_is_what_the_length_says_or_all_that_comes() {
        let (body, asked) = told(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n{}\r\nmore");
        assert_eq!(body.unwrap(), b"{}\r\n");
        assert_eq!(asked, "GET /status HTTP/1.0\r\nhost: HOST\r\n\r\n");
        assert_eq!(told(b"HTTP/1.0 200 OK\r\n\r\n{}").0.unwrap(), b"{}");
    }

    #[test]
    fn what_is_no_whole_answer_is_refused() {
        for (answer, wrong) in [
            (
                &b"HTTP/1.1 404 Not Found\r\n\r\n"[..],
                "answered 404 Not Found: no regate server, or an older one",
            ),
            (
                b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\n{}",
                "the answer ended before its end",
            ),
            (
                b"HTTP/1.1 200 OK\r\ncontent-len",
                "the answer ended before its end",
            ),
            (
                b"HTTP/1.1 200 OK\r\ncontent-length: x\r\n\r\n{}",
                "what answers there does not speak HTTP",
            ),
            (b"SSH-2.0-x\r\n\r\n", "what answers there does not speak HTTP"),
            (b"", "what answers there does not speak HTTP"),
        ] {
            assert_eq!(
                told(answer).0,
                Err(wrong.to_owned()),
                "{}",
                String::from_utf8_lossy(answer)
            );
        }
    }

    #[test]
    fn an_address_is_a_host_and_a_port_over_plain_http() {
        for server in [
            "https://127.0.0.1:1",
            "127.0.0.1:1",
            "http://127.0.0.1",
            "http://:1",
            "http://127.0.0.1:x",
            "http://127.0.0.1:1/path",
            "http://a\r\nb:1",
        ] {
            let error = fetch(server, "/status").unwrap_err();
            assert_eq!(
                error.to_string(),
                "is no address of a server: http://HOST:PORT",
                "{server}"
            );
        }
    }
}
