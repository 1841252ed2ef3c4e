//! Start, probes and stop.

use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use regate::certs;
use regate::metrics::Metrics;
use regate::policy::Served;
use regate::review;
use regate::server::{self, CertificateFiles, Policies};

use crate::serving::{PATIENCE, Server, get, head, open};

#[test]
fn the_server_is_alive_at_once_and_ready_with_policies() {
    let server = Server::start(|_, _| {});
    let probe = |target: &str| {
        let (status, _, body) = get(server.running.probe_address(), target);
        (status, body)
    };
    server.ready.store(false, Ordering::Relaxed);
    assert_eq!(probe("/livez"), (200, "ok\n".to_owned()));
    for path in ["/readyz", "/healthz"] {
        assert_eq!(probe(path), (503, "not ready\n".to_owned()));
    }
    assert_eq!(
        probe("/readyz?verbose"),
        (503, "[-]policies failed\n[+]running ok\nnot ready\n".to_owned())
    );
    server.ready.store(true, Ordering::Relaxed);
    for path in ["/readyz", "/healthz"] {
        assert_eq!(probe(path), (200, "ok\n".to_owned()));
    }
    assert_eq!(
        probe("/readyz?verbose"),
        (200, "[+]policies ok\n[+]running ok\nok\n".to_owned())
    );
    assert_eq!(probe("/v1/validate").0, 404);
}

#[test]
fn metrics_are_openmetrics_on_the_probe_port() {
    let server = Server::start(|_, _| {});
    server.client().post("/v1/validate", "{}");
    let (status, head, body) = get(server.running.probe_address(), "/metrics");
    assert_eq!(status, 200);
    assert!(
        head.contains("content-type: application/openmetrics-text; version=1.0.0; charset=utf-8"),
        "{head}"
    );
    let series = "regate_requests_total{gate=\"validate\",decision=\"allow\",code=\"200\"} 1\n";
    assert!(body.contains(series), "{body}");
    assert!(
        body.contains("regate_certificate_expiry_timestamp_seconds{role=\"serving\"} "),
        "{body}"
    );
    assert!(body.ends_with("# EOF\n"), "{body}");
}

#[test]
fn without_policies_reviews_are_answered_and_not_ready() {
    let server = Server::start(|_, _| {});
    let settings = server::Settings {
        listen: "127.0.0.1:0".parse().unwrap(),
        probe_listen: "127.0.0.1:0".parse().unwrap(),
        gates: open(&regate::gate::Gate::ALL),
        certificate: None,
        client_ca: None,
        certificate_pace: regate::watch::Pace::default(),
        deadline: PATIENCE,
        shutdown_delay: Duration::ZERO,
        shutdown_timeout: Duration::from_secs(1),
        workers: server::Workers {
            threads: 1,
            queue: 1,
            ..server::Workers::default()
        },
        limits: server::Limits::default(),
    };
    let decide = Policies::new(Served::default(), review::Settings::default());
    let running = server::start(settings, Arc::new(decide), Arc::new(Metrics::default()), None).unwrap();
    assert_eq!(get(running.probe_address(), "/readyz").0, 503);
    let ca = running.development().unwrap().paths().ca;
    let review = r#"{"kind":"TokenReview","apiVersion":"authentication.k8s.io/v1","spec":{"token":"x"}}"#;
    let response = Server {
        running,
        paths: certs::Paths::of(ca.parent().unwrap()),
        ..server
    }
    .client()
    .post("/v1/authn", review);
    assert_eq!(
        (response.status, response.body.as_str()),
        (503, "no policies are loaded\n")
    );
}

#[test]
fn certificates_are_read_before_anything_is_bound() {
    let busy = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let mut settings = None;
    drop(Server::start(|given, _| settings = Some(given.clone())));
    let mut settings = settings.unwrap();
    settings.listen = busy.local_addr().unwrap();
    let start = |settings: &server::Settings| {
        let decide = Policies::new(Served::default(), review::Settings::default());
        server::start(
            settings.clone(),
            Arc::new(decide),
            Arc::new(Metrics::default()),
            None,
        )
        .unwrap_err()
    };
    let error = start(&settings).to_string();
    let file = settings.certificate.clone().unwrap().certificate;
    assert!(error.starts_with(&format!("{}: ", file.display())), "{error}");
    settings.certificate = None;
    let error = start(&settings).to_string();
    assert!(
        error.starts_with(&format!("cannot listen on {}: ", settings.listen)),
        "{error}"
    );
}

/// Why a server does not start.
pub(crate) fn refused(settings: server::Settings) -> String {
    let decide = Policies::new(Served::default(), review::Settings::default());
    let started = server::start(settings, Arc::new(decide), Arc::new(Metrics::default()), None);
    started.unwrap_err().to_string()
}

#[test]
fn a_certificate_that_does_not_belong_to_the_key_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let one = certs::write(&directory.path().join("one"), &certs::Request::default(), false).unwrap();
    let two = certs::write(&directory.path().join("two"), &certs::Request::default(), false).unwrap();
    let mut settings = None;
    drop(Server::start(|given, _| settings = Some(given.clone())));
    let mut settings = settings.unwrap();
    let mut refused = |certificate: &std::path::Path, key: &std::path::Path| {
        settings.certificate = Some(CertificateFiles {
            certificate: certificate.to_owned(),
            key: key.to_owned(),
        });
        refused(settings.clone())
    };
    let certificate = one.certificate.display();
    assert_eq!(
        refused(&one.certificate, &two.key),
        format!("{certificate}: keys may not be consistent: KeyMismatch")
    );
    assert_eq!(
        refused(&one.key, &one.key),
        format!("{}: no certificate in it", one.key.display())
    );
    assert_eq!(
        refused(&one.certificate, &one.certificate),
        format!("{certificate}: no private key in it")
    );
    let absent = directory.path().join("absent");
    assert_eq!(
        refused(&absent, &one.key),
        format!(
            "{}: cannot be read: No such file or directory (os error 2)",
            absent.display()
        )
    );
}

#[test]
fn stopping_finishes_what_is_in_flight_and_takes_nothing_new() {
    let server = Server::start(|_, _| {});
    let (address, probes) = (server.running.address(), server.running.probe_address());
    let mut idle = server.client();
    idle.post("/v1/validate", "{}");
    let mut client = server.client();
    client.send(
        head(
            "/v1/validate",
            "content-type: application/json\r\ncontent-length: 4\r\n",
        ) + "wait",
    );
    server.wait_started();

    let Server { running, release, .. } = server;
    let stop = std::thread::spawn(move || running.stop());
    let begin = Instant::now();
    while get(probes, "/readyz?verbose").2 != "[+]policies ok\n[-]running failed\nnot ready\n" {
        assert!(begin.elapsed() < PATIENCE, "still ready");
    }
    // An idle connection is closed, the one at work is not.
    idle.closed_after();
    release.send(()).unwrap();
    let response = client.response();
    assert_eq!(response.status, 200, "{response:?}");
    assert_eq!(response.header("connection"), Some("close"));
    stop.join().unwrap().unwrap();
    assert!(TcpStream::connect(address).is_err());
    assert!(TcpStream::connect(probes).is_err());
}
