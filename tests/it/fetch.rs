//! The client by which builtins ask others, against servers that keep to nothing.

use std::io::Write;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use regate::fetch::{AllowedHost, Client, Error, HostPattern, MAX_BODY, Request, Response, Settings, Tls};

use crate::peer::{Kind, Peer};
use crate::pki::{authority_params, root};

/// Longer than any answer takes.
const LONG: Duration = Duration::from_secs(60);

/// An entry for what listens at this address and port.
fn at_address(port: u16) -> AllowedHost {
    AllowedHost {
        host: HostPattern::Address([127, 0, 0, 1].into()),
        port,
        plain: false,
        private: false,
    }
}

fn by_name(port: u16) -> AllowedHost {
    AllowedHost {
        host: HostPattern::Name("localhost".into()),
        ..at_address(port)
    }
}

/// A client that may ask whom these entries say and trusts this authority.
fn client(allowed: &[AllowedHost], ca: &str) -> Client {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(ca.as_bytes()).unwrap();
    Client::start(&Settings {
        allowed: allowed.to_vec(),
        authorities: Some(file.path().to_owned()),
    })
    .unwrap()
}

fn get(url: &str) -> Request {
    Request {
        method: "GET".into(),
        url: url.into(),
        ..Request::default()
    }
}

fn send(client: &Client, request: Request) -> Result<Response, Error> {
    client.send(request, Instant::now() + LONG)
}

fn ask(peer: &Peer) -> Result<Response, Error> {
    send(&client(&[at_address(peer.port)], &peer.ca), get(&peer.url("/")))
}

/// What is wrong with the connection to a peer.
fn problem(peer: &Peer) -> String {
    match ask(peer).unwrap_err() {
        Error::Broken { host, problem } | Error::Connection { host, problem } => {
            assert_eq!(host, format!("127.0.0.1:{}", peer.port));
            problem
        }
        error => panic!("{error:?}"),
    }
}

#[test]
fn a_request_arrives_as_it_was_made_and_its_answer_comes_back_whole() {
    let peer = Peer::start(|_, reply| {
        reply.answer("418 Teapot", &[("X-Two", "a"), ("X-Two", "b")], "{}");
    });
    let request = Request {
        method: "POST".into(),
        url: peer.url("/a/b?c=d&e=%20"),
        headers: vec![("X-One".into(), "1".into())],
        body: "text".into(),
        tls: Tls::default(),
    };
    let answer = send(&client(&[at_address(peer.port)], &peer.ca), request).unwrap();
    assert_eq!((answer.status, answer.reason.as_str()), (418, "Teapot"));
    assert_eq!(&*answer.body, b"{}");
    let two: Vec<_> = answer
        .headers
        .iter()
        .filter(|(name, _)| name == "x-two")
        .collect();
    assert_eq!(
        two,
        [&("x-two".into(), b"a".to_vec()), &("x-two".into(), b"b".to_vec())]
    );
    let [received] = &peer.received()[..] else {
        panic!("{:?}", peer.received())
    };
    assert!(
        received.head.starts_with("POST /a/b?c=d&e=%20 HTTP/1.1\r\n"),
        "{}",
        received.head
    );
    assert_eq!(received.body, b"text");
    for (name, value) in [
        ("x-one", "1"),
        ("connection", "close"),
        ("host", format!("127.0.0.1:{}", peer.port).as_str()),
        ("content-length", "4"),
        ("user-agent", concat!("regate/", env!("CARGO_PKG_VERSION"))),
    ] {
        assert_eq!(received.header(name), Some(value), "{name}");
    }
}

#[test]
fn who_is_not_on_the_list_is_not_asked() {
    let peer = Peer::start(|_, reply| reply.json("1"));
    let client = client(&[at_address(peer.port)], &peer.ca);
    for (url, host) in [
        (
            format!("https://localhost:{}/?secret", peer.port),
            format!("localhost:{}", peer.port),
        ),
        ("https://127.0.0.1/?secret".into(), "127.0.0.1:443".into()),
        (
            format!("http://127.0.0.1:{}/?secret", peer.port),
            format!("127.0.0.1:{}", peer.port),
        ),
    ] {
        let error = send(&client, get(&url)).unwrap_err();
        assert_eq!(
            error.to_string(),
            format!("{host} is not on the list of allowed hosts")
        );
        assert_eq!(client.admits(&url), Err(error));
    }
    assert_eq!(client.admits(&peer.url("/")), Ok(()));
    assert!(peer.received().is_empty());
    assert!(send(&client, get(&peer.url("/"))).is_ok());
}

#[test]
fn a_name_with_a_private_address_is_asked_only_where_its_entry_says_so() {
    let peer = Peer::start(|_, reply| reply.json("1"));
    let url = format!("https://localhost:{}/", peer.port);
    let public = client(&[by_name(peer.port)], &peer.ca);
    assert_eq!(
        send(&public, get(&url)).unwrap_err().to_string(),
        format!(
            "localhost:{} has no address that its entry in the list of allowed hosts admits",
            peer.port
        )
    );
    assert!(peer.received().is_empty());
    let entry = AllowedHost {
        private: true,
        ..by_name(peer.port)
    };
    assert_eq!(send(&client(&[entry], &peer.ca), get(&url)).unwrap().status, 200);
}

#[test]
fn a_redirect_is_an_answer_and_is_not_followed() {
    let other = Peer::start(|_, reply| reply.json("\"other\""));
    let location = other.url("/");
    let peer = Peer::start(move |_, reply| reply.answer("302 Found", &[("Location", &location)], ""));
    let client = client(&[at_address(peer.port), at_address(other.port)], &peer.ca);
    let answer = send(&client, get(&peer.url("/"))).unwrap();
    assert_eq!(answer.status, 302);
    assert!(other.received().is_empty());
}

#[test]
fn an_answer_that_is_too_long_is_refused_while_it_is_read() {
    let fits = "x".repeat(MAX_BODY);
    let peer = Peer::start(move |_, reply| reply.answer("200 OK", &[], &fits));
    assert_eq!(ask(&peer).unwrap().body.len(), MAX_BODY);
    let too_long = "x".repeat(MAX_BODY + 1);
    let announced = Peer::start(move |_, reply| reply.answer("200 OK", &[], &too_long));
    // It never ends: whoever would read it whole would never come back.
    let endless = Peer::start(|_, reply| {
        let chunk = format!("10000\r\n{}\r\n", "x".repeat(0x10000));
        reply.raw("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
        while reply.raw(&chunk) {}
    });
    for peer in [announced, endless] {
        assert_eq!(
            ask(&peer).unwrap_err().to_string(),
            format!("127.0.0.1:{}: the answer is longer than 1048576 bytes", peer.port)
        );
    }
}

#[test]
fn a_head_that_is_too_long_is_refused() {
    let endless = Peer::start(|_, reply| {
        let header = format!("X-A: {}\r\n", "x".repeat(1000));
        reply.raw("HTTP/1.1 200 OK\r\n");
        while reply.raw(&header) {}
    });
    assert_eq!(problem(&endless), "message head is too large");
    let with_header = |length: usize| {
        Peer::start(move |_, reply| reply.answer("200 OK", &[("X-A", &"x".repeat(length))], "yes"))
    };
    assert_eq!(problem(&with_header(128 << 10)), "message head is too large");
    assert_eq!(ask(&with_header(60 << 10)).unwrap().body, "yes");
}

#[test]
fn an_answer_that_breaks_off_is_none() {
    for (text, expected) in [
        ("", "connection closed before message completed"),
        (
            "HTTP/1.1 200 OK\r\nContent-Len",
            "connection closed before message completed",
        ),
        ("SSH-2.0-OpenSSH\r\n\r\n", "invalid HTTP version parsed"),
        (
            "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf",
            "error reading a body from connection",
        ),
    ] {
        let peer = Peer::start(move |_, reply| {
            reply.raw(text);
        });
        assert_eq!(problem(&peer), expected, "{text:?}");
    }
}

#[test]
fn whoever_waits_is_back_at_the_deadline_whatever_the_peer_does() {
    let silent = Peer::start(|_, reply| reply.never());
    let drips = Peer::start(|_, reply| {
        reply.raw("HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n");
        while reply.raw("x") {
            std::thread::yield_now();
            if reply.has_ended() {
                return;
            }
        }
    });
    let stuck = Peer::start(|_, reply| {
        reply.raw("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n12345");
        reply.never();
    });
    // Takes connections and never a word of TLS.
    let mute = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let mute_port = mute.local_addr().unwrap().port();
    for (port, ca) in [
        (silent.port, &silent.ca),
        (stuck.port, &stuck.ca),
        (mute_port, &silent.ca),
        (drips.port, &drips.ca),
    ] {
        let client = client(&[at_address(port)], ca);
        let begin = Instant::now();
        let url = format!("https://127.0.0.1:{port}/?secret");
        let wait = if port == drips.port { 50 } else { 300 };
        let error = client
            .send(get(&url), begin + Duration::from_millis(wait))
            .unwrap_err();
        assert_eq!(
            error.to_string(),
            format!("127.0.0.1:{port} did not answer in time")
        );
        assert!(begin.elapsed() < LONG / 4, "{:?}", begin.elapsed());
    }
}

#[test]
fn a_certificate_that_is_not_for_the_host_or_of_another_authority_is_refused() {
    let answer = |_: &crate::peer::Received, reply: &mut crate::peer::Reply<'_>| reply.json("1");
    let other_name = Kind {
        names: vec!["elsewhere.example".into()],
        ..Kind::default()
    };
    let peer = Peer::of_kind(&other_name, answer);
    let found = problem(&peer);
    assert!(
        found.contains("invalid peer certificate: certificate not valid for name"),
        "{found}"
    );
    // The policy's author knows under which name it answers.
    let mut request = get(&peer.url("/"));
    request.tls.server_name = Some("elsewhere.example".into());
    assert!(send(&client(&[at_address(peer.port)], &peer.ca), request).is_ok());

    let expired = Kind {
        expired: true,
        ..Kind::default()
    };
    let found = problem(&Peer::of_kind(&expired, answer));
    assert!(
        found.contains("invalid peer certificate: certificate expired"),
        "{found}"
    );

    let peer = Peer::start(answer);
    let stranger = root(authority_params("another CA")).pem();
    let client = client(&[at_address(peer.port)], &stranger);
    let found = send(&client, get(&peer.url("/"))).unwrap_err().to_string();
    assert!(found.contains("invalid peer certificate"), "{found}");
    // One request may trust another authority, instead of or besides the client's.
    for (authorities, and_default, trusted) in [
        (&peer.ca, false, true),
        (&peer.ca, true, true),
        (&stranger, true, false),
    ] {
        let mut request = get(&peer.url("/"));
        request.tls.authorities = Some(authorities.clone());
        request.tls.and_default = and_default;
        assert_eq!(send(&client, request).is_ok(), trusted);
    }
    assert_eq!(peer.received().len(), 2);
}

#[test]
fn the_authorities_of_a_request_stand_in_for_those_of_the_client_or_count_besides() {
    let peer = Peer::start(|_, reply| reply.json("1"));
    let client = client(&[at_address(peer.port)], &peer.ca);
    let stranger = root(authority_params("another CA")).pem();
    let ask = |authorities: &str, and_default| {
        let mut request = get(&peer.url("/"));
        request.tls.authorities = Some(authorities.to_owned());
        request.tls.and_default = and_default;
        send(&client, request).map(|answer| answer.status)
    };
    let refused = ask(&stranger, false).unwrap_err().to_string();
    assert!(refused.contains("invalid peer certificate"), "{refused}");
    assert_eq!(ask(&stranger, true), Ok(200));
    // Half of what was meant to be trusted is not what was meant.
    let broken = format!(
        "{}-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----\n",
        peer.ca
    );
    for text in [broken.as_str(), "", "secret"] {
        assert_eq!(
            ask(text, true),
            Err(Error::Trust("the authorities are not certificates in PEM".into()))
        );
    }
}

#[test]
fn a_client_certificate_is_shown_where_the_request_has_one() {
    let asks = Kind {
        asks_client: true,
        ..Kind::default()
    };
    let peer = Peer::of_kind(&asks, |_, reply| reply.json("1"));
    let client = client(&[at_address(peer.port)], &peer.ca);
    assert!(send(&client, get(&peer.url("/"))).is_err());
    let mut request = get(&peer.url("/"));
    request.tls.identity = Some(peer.client());
    assert_eq!(send(&client, request).unwrap().status, 200);
    let (certificate, _) = peer.client();
    let (_, other_key) = peer.client();
    for (identity, text) in [
        (
            (certificate.clone(), other_key.clone()),
            "the client's certificate and key do not belong together",
        ),
        (
            (certificate, "secret".into()),
            "the client's key is not one in PEM",
        ),
        (
            ("secret".into(), other_key),
            "the client's certificate is not one in PEM",
        ),
    ] {
        let mut request = get(&peer.url("/"));
        request.tls.identity = Some(identity);
        assert_eq!(send(&client, request).unwrap_err(), Error::Trust(text.into()));
    }
}

#[test]
fn without_tls_only_who_is_listed_so_is_asked() {
    let plain = Kind {
        plain: true,
        ..Kind::default()
    };
    let peer = Peer::of_kind(&plain, |_, reply| reply.json("1"));
    let entry = AllowedHost {
        plain: true,
        ..at_address(peer.port)
    };
    let client = client(&[entry], &peer.ca);
    let url = format!("http://127.0.0.1:{}/", peer.port);
    assert_eq!(send(&client, get(&url)).unwrap().status, 200);
    assert_eq!(
        send(&client, get(&peer.url("/"))).unwrap_err(),
        Error::NotAllowed(format!("127.0.0.1:{}", peer.port))
    );
}

#[test]
fn headers_that_decide_over_the_message_are_not_the_asker_s() {
    let peer = Peer::start(|_, reply| reply.json("1"));
    let client = client(&[at_address(peer.port)], &peer.ca);
    for (name, value, expected) in [
        ("Host", "evil", "it has a header that is not its sender's to set"),
        (
            "Transfer-Encoding",
            "chunked",
            "it has a header that is not its sender's to set",
        ),
        (
            "Content-Length",
            "0",
            "it has a header that is not its sender's to set",
        ),
        (
            "Proxy-Authorization",
            "x",
            "it has a header that is not its sender's to set",
        ),
        ("X A", "x", "the name of a header is none"),
        ("X-A", "x\r\nX-B: y", "the value of a header is none"),
    ] {
        let mut request = get(&peer.url("/"));
        request.headers.push((name.into(), value.into()));
        let error = send(&client, request).unwrap_err();
        assert_eq!(
            error.to_string(),
            format!("not a request that can be sent: {expected}")
        );
    }
    let mut request = get(&peer.url("/"));
    request.method = "GET / HTTP/1.1\r\nX: y".into();
    assert_eq!(
        send(&client, request).unwrap_err(),
        Error::Request("the method is none")
    );
    assert!(peer.received().is_empty());
}

#[test]
fn a_host_that_is_late_again_and_again_holds_nobody_any_more() {
    let peer = Peer::start(|request, reply| match request.head.starts_with("GET /late ") {
        true => reply.never(),
        false => reply.json("1"),
    });
    let other = Peer::start(|_, reply| reply.json("1"));
    let client = Arc::new(client(
        &[at_address(peer.port), at_address(other.port)],
        &format!("{}{}", peer.ca, other.ca),
    ));
    let is_late = || {
        let deadline = Instant::now() + Duration::from_millis(400);
        let error = client.send(get(&peer.url("/late")), deadline).unwrap_err();
        assert_eq!(error, Error::Late(format!("127.0.0.1:{}", peer.port)));
    };
    (0..2).for_each(|_| is_late());
    // An answer ends the row.
    assert!(send(&client, get(&peer.url("/"))).is_ok());
    (0..3).for_each(|_| is_late());
    assert_eq!(
        send(&client, get(&peer.url("/"))).unwrap_err().to_string(),
        format!(
            "127.0.0.1:{} is not asked now: it was late again and again",
            peer.port
        )
    );
    assert!(send(&client, get(&other.url("/"))).is_ok());
}

#[test]
fn authorities_that_cannot_be_read_are_told_with_their_file() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("ca.crt");
    let start_with = |file: &Path| {
        let settings = Settings {
            allowed: Vec::new(),
            authorities: Some(file.to_owned()),
        };
        Client::start(&settings).unwrap_err().to_string()
    };
    let start = || start_with(&file);
    assert!(start().ends_with("ca.crt: cannot be read: No such file or directory (os error 2)"));
    // What is no file could be waited for, or have no end.
    assert_eq!(start_with(Path::new("/dev/null")), "/dev/null: is no file");
    std::fs::write(&file, "secret").unwrap();
    assert!(start().ends_with("ca.crt: no certificate in it"));
    std::fs::write(&file, "-----BEGIN CERTIFICATE-----\n!secret\n").unwrap();
    assert!(start().ends_with("ca.crt: is no valid PEM"));
}

#[test]
fn a_query_may_stand_right_behind_the_host() {
    let peer = Peer::start(|_, reply| reply.json("1"));
    let client = client(&[at_address(peer.port)], &peer.ca);
    assert_eq!(send(&client, get(&peer.url("?a=b"))).unwrap().status, 200);
    assert!(peer.received()[0].head.starts_with("GET /?a=b HTTP/1.1\r\n"));
}
