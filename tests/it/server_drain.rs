//! Stopping without losing a request: what is answered during the delay, while the port closes, and after it.

use std::net::{SocketAddr, TcpStream};
use std::os::unix::process::ExitStatusExt;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::process::{Ending, Process, command, directory, soon};
use crate::serving::{Client, LARGE, Options, PATIENCE, Response, Server, get, head};

/// Stops are ended by hand or by a second order where a test does not say otherwise.
const LONG: Duration = Duration::from_secs(3600);

/// A policy that denies nothing that is asked here.
const QUIET: &str = "package kubernetes.admission.quiet\n\
    deny contains \"never\" if input.request.uid == \"\"\n";

const FILES: &[(&str, &str)] = &[("policies/quiet.rego", QUIET)];

/// A POST to a gate.
fn request(body: &str) -> String {
    let headers = format!(
        "content-type: application/json\r\ncontent-length: {}\r\n",
        body.len()
    );
    head("/v1/validate", &headers) + body
}

fn is_refused(address: SocketAddr) -> bool {
    TcpStream::connect(address).is_err()
}

fn is_ready(probes: SocketAddr) -> bool {
    get(probes, "/readyz").0 == 200
}

/// The answer is a decision, and the last one on its connection.
fn assert_last(response: &Response) {
    assert_eq!(response.status, 200, "{response:?}");
    assert_eq!(response.header("connection"), Some("close"), "{response:?}");
}

#[test]
fn through_the_whole_delay_idle_and_new_connections_are_answered() {
    let delay = Duration::from_secs(2);
    let server = Server::start(|settings, _| settings.shutdown_delay = delay);
    let (address, probes) = (server.running.address(), server.running.probe_address());
    let config = Options::default().config(&server.paths.ca);
    let mut idle: Vec<_> = (0..60).map(|_| server.client()).collect();
    for client in &mut idle {
        assert_eq!(client.post("/v1/validate", "{}").header("connection"), None);
    }
    let begin = Instant::now();
    let stop = thread::spawn(move || server.running.stop());
    soon("it is not ready any more", || (!is_ready(probes)).then_some(()));

    let (mut new, mut old) = (0, 0);
    while let Ok(socket) = TcpStream::connect(address) {
        let mut client = Client::over(socket, config.clone(), None).unwrap();
        assert_last(&client.post("/v1/validate", "{}"));
        client.closed_after();
        new += 1;
        // Not at the very end, when it may be closed any moment.
        if begin.elapsed() < delay * 3 / 4 {
            let mut client = idle.pop().unwrap();
            assert_last(&client.post("/v1/validate", "{}"));
            client.closed_after();
            old += 1;
            let probe = |target| get(probes, target).0;
            assert_eq!(
                (probe("/livez"), probe("/readyz"), probe("/metrics")),
                (200, 503, 200)
            );
        }
        thread::park_timeout(Duration::from_millis(40));
    }
    assert!(begin.elapsed() >= delay, "closed after {:?}", begin.elapsed());
    assert!(new > 0 && old > 0 && !idle.is_empty(), "{new} new, {old} old");
    for mut client in idle {
        client.closed_after();
    }
    stop.join().unwrap().unwrap();
}

#[test]
fn refusals_end_their_connections_too() {
    let server = Server::start(|settings, _| settings.shutdown_delay = LONG);
    let probes = server.running.probe_address();
    let mut clients: Vec<_> = (0..4).map(|_| server.client()).collect();
    let _stop = thread::spawn(move || server.running.stop());
    soon("it is not ready any more", || (!is_ready(probes)).then_some(()));
    let requests = [
        ("GET /v1/validate HTTP/1.1\r\nhost: x\r\n\r\n".to_owned(), 405),
        ("GET /nothing HTTP/1.1\r\nhost: x\r\n\r\n".to_owned(), 404),
        (head("/v1/validate", "content-type: text/plain\r\n"), 415),
        ("no request\r\n\r\n".to_owned(), 400),
    ];
    for (client, (request, status)) in clients.iter_mut().zip(requests) {
        client.send(request);
        let response = client.response();
        assert_eq!(response.status, status, "{response:?}");
        assert_eq!(response.header("connection"), Some("close"), "{response:?}");
        client.closed_after();
    }
}

#[test]
fn a_request_that_was_sent_before_the_end_is_answered() {
    // Whether the request or the order is seen first is chance: both must do.
    for round in 0..30 {
        let server = Server::start(|settings, _| settings.workers.queue = 64);
        let mut clients: Vec<_> = (0..16).map(|_| server.client()).collect();
        // Half of them have been used, half have not.
        for client in clients.iter_mut().step_by(2) {
            client.post("/v1/validate", "{}");
        }
        for client in &mut clients {
            client.send(request("{}"));
        }
        let stop = thread::spawn(move || server.running.stop());
        for (number, client) in clients.iter_mut().enumerate() {
            let response = client.response();
            assert_eq!(
                response.status, 200,
                "round {round}, connection {number}: {response:?}"
            );
        }
        stop.join().unwrap().unwrap();
    }
}

#[test]
fn a_connection_that_was_made_before_the_end_is_served() {
    for round in 0..10 {
        let server = Server::start(|settings, _| settings.workers.queue = 64);
        let config = Options::default().config(&server.paths.ca);
        let address = server.running.address();
        // Nothing was read from any of them, and most wait to be accepted.
        let sockets: Vec<_> = (0..32).map(|_| TcpStream::connect(address).unwrap()).collect();
        let stop = thread::spawn(move || server.running.stop());
        let clients: Vec<_> = sockets
            .into_iter()
            .map(|socket| {
                let config = config.clone();
                thread::spawn(move || {
                    Client::over(socket, config, None)
                        .unwrap()
                        .post("/v1/validate", "{}")
                })
            })
            .collect();
        for (number, client) in clients.into_iter().enumerate() {
            let response = client
                .join()
                .unwrap_or_else(|_| panic!("round {round}: connection {number} was lost"));
            // Not always the last one: it may have been answered before the server learned of its end.
            assert_eq!(
                response.status, 200,
                "round {round}, connection {number}: {response:?}"
            );
        }
        stop.join().unwrap().unwrap();
    }
}

#[test]
fn heads_and_bodies_that_are_on_their_way_are_waited_for() {
    let server = Server::start(|_, _| {});
    let address = server.running.address();
    let whole = request("0123456789");
    let parts = [
        3,
        whole.len() - 11,
        whole.len() - 10,
        whole.len() - 5,
        whole.len() - 1,
    ];
    let mut clients: Vec<_> = parts.iter().map(|_| server.client()).collect();
    for (client, part) in clients.iter_mut().zip(parts) {
        client.send(&whole[..part]);
    }
    let mut idle = server.client();
    idle.post("/v1/validate", "{}");
    let stop = thread::spawn(move || server.running.stop());
    soon("the port is closed", || is_refused(address).then_some(()));
    idle.closed_after();
    for (client, part) in clients.iter_mut().zip(parts) {
        client.send(&whole[part..]);
        let response = client.response();
        assert_last(&response);
        assert!(
            response.body.contains("\"length\":10,"),
            "after {part} bytes: {response:?}"
        );
        client.closed_after();
    }
    stop.join().unwrap().unwrap();
}

#[test]
fn what_was_pipelined_before_the_end_is_answered() {
    let server = Server::start(|_, _| {});
    let address = server.running.address();
    let mut client = server.client();
    client.send(request("wait") + &request("1") + &request("12"));
    server.wait_started();
    let Server { running, release, .. } = server;
    let stop = thread::spawn(move || running.stop());
    soon("the port is closed", || is_refused(address).then_some(()));
    release.send(()).unwrap();
    for length in [4, 1, 2] {
        let response = client.response();
        assert_last(&response);
        assert!(
            response.body.contains(&format!("\"length\":{length},")),
            "{response:?}"
        );
    }
    client.closed_after();
    stop.join().unwrap().unwrap();
}

#[test]
fn a_new_connection_that_says_nothing_does_not_hold_up_the_end() {
    let server = Server::start(|settings, _| settings.limits.head = PATIENCE);
    let mut silent = server.client();
    let begin = Instant::now();
    server.running.stop().unwrap();
    silent.closed_after();
    assert!(begin.elapsed() < PATIENCE / 2, "{:?}", begin.elapsed());
}

/// A process that is told to stop, with a delay that does not end by itself.
fn draining(arguments: &[&str]) -> Process {
    let delay = ["--policy", "policies", "--shutdown-delay", "1h"];
    let process = Process::start(FILES, &[delay.as_slice(), arguments].concat());
    process.signal("TERM");
    soon("it is not ready any more", || {
        (!is_ready(process.probe_address())).then_some(())
    });
    process
}

/// An upload that does not go on.
fn half_an_upload(process: &Process) -> Client {
    let mut upload = process.client();
    upload.send(request("0123456789").trim_end_matches('9'));
    soon("it is in flight", || {
        let in_flight = process.metrics("regate_requests_in_flight ");
        (in_flight == ["regate_requests_in_flight 1"]).then_some(())
    });
    upload
}

fn log_line(process: &Process, event: &str) -> Value {
    soon(event, || process.events(event).into_iter().next())
}

#[test]
fn an_answer_that_is_being_written_when_the_end_comes_is_written_whole() {
    let server = Server::start(|_, _| {});
    let probes = server.running.probe_address();
    let mut slow = server.client();
    slow.send(request("large"));
    // Answered, before the server was told to stop, and not written: nobody reads.
    soon("it is decided", || {
        server.metric("regate_requests_total{gate=\"validate\"")
    });
    let stop = thread::spawn(move || server.running.stop());
    soon("it is not ready any more", || (!is_ready(probes)).then_some(()));
    let response = slow.response();
    assert_eq!((response.status, response.body.len()), (200, LARGE));
    slow.closed_after();
    stop.join().unwrap().unwrap();
}

/// Many policies, so that a start takes its time.
fn many() -> Vec<(String, String)> {
    let rules: String = (0..30)
        .map(|number| format!("deny contains \"m{number}\" if input.request.name == \"n{number}\"\n"))
        .collect();
    let policy = |number| {
        let text = format!("package kubernetes.admission.p{number}\n{rules}");
        (format!("policies/p{number}.rego"), text)
    };
    (0..300).map(policy).collect()
}

#[test]
fn a_signal_ends_a_start_that_the_system_would_not_end() {
    let files = many();
    let files: Vec<_> = files
        .iter()
        .map(|(name, text)| (name.as_str(), text.as_str()))
        .collect();
    let directory = directory(&files);
    let log = directory.path().join("log");
    let child = command(directory.path(), &["--policy", "policies"])
        // The first thing that it says, long before it serves.
        .env("RUST_BACKTRACE", "1")
        .stderr(std::fs::File::create(&log).unwrap())
        .spawn()
        .unwrap();
    let mut child = Ending(child);
    soon("it has begun", || {
        let text = std::fs::read_to_string(&log).unwrap();
        text.contains("backtraces").then_some(())
    });
    Command::new("kill")
        .args(["-TERM", &child.0.id().to_string()])
        .status()
        .unwrap();
    let status = soon("it ends", || child.0.try_wait().unwrap());
    // It ended itself: the first process of a container is ended by no signal.
    assert_eq!((status.code(), status.signal()), (Some(143), None));
    assert!(!std::fs::read_to_string(&log).unwrap().contains("policy_loaded"));
}

#[test]
fn a_signal_is_obeyed_while_nobody_reads_what_the_start_prints() {
    // More names than a pipe holds.
    let name = "x".repeat(400);
    let files: Vec<_> = (0..400)
        .map(|number| {
            let text = format!("package kubernetes.admission.{name}{number}\ndeny contains \"never\" if input.request.uid == \"\"\n");
            (format!("policies/p{number}.rego"), text)
        })
        .collect();
    let files: Vec<_> = files
        .iter()
        .map(|(name, text)| (name.as_str(), text.as_str()))
        .collect();
    let process = Process::start(&files, &["--policy", "policies"]);
    let probes = process.probe_address();
    assert!(is_ready(probes));
    process.signal("TERM");
    assert_eq!(log_line(&process, "finished")["level"], "INFO");
    soon("the port is closed", || {
        is_refused(process.address()).then_some(())
    });
}

#[test]
fn a_second_signal_ends_the_delay() {
    let mut process = draining(&[]);
    let mut client = process.client();
    assert_eq!(log_line(&process, "signal")["signal"], "SIGTERM");
    assert_eq!(log_line(&process, "draining")["delay"], 3600.0);
    process.signal("INT");
    client.closed_after();
    let (status, _) = process.ended();
    assert_eq!(status.code(), Some(0), "{}", process.log());
    let signals = process.events("signal");
    assert_eq!(signals[1]["signal"], "SIGINT", "{signals:?}");
    assert_eq!(log_line(&process, "closing")["requests"], 0);
    assert_eq!(log_line(&process, "finished")["level"], "INFO");
    assert!(process.events("cut").is_empty());
}

/// What the log says was cut off of one upload that does not go on, once the process has ended with 0.
fn cut_off(mut process: Process, mut upload: Client) -> Value {
    let (status, _) = process.ended();
    assert_eq!(status.code(), Some(0), "{}", process.log());
    upload.closed_after();
    assert!(process.events("finished").is_empty());
    let cut = log_line(&process, "cut");
    assert_eq!(
        (&cut["level"], &cut["connections"], &cut["requests"]),
        (&"WARN".into(), &1.into(), &1.into()),
        "{cut}"
    );
    cut
}

#[test]
fn a_third_signal_ends_the_process() {
    let process = draining(&["--shutdown-timeout", "1h"]);
    let upload = half_an_upload(&process);
    process.signal("TERM");
    assert_eq!(log_line(&process, "closing")["timeout"], 3600.0);
    process.signal("TERM");
    cut_off(process, upload);
}

#[test]
fn what_outlasts_the_timeout_is_cut_off_and_counted() {
    let process = draining(&["--shutdown-timeout", "300ms"]);
    let upload = half_an_upload(&process);
    process.signal("TERM");
    let cut = cut_off(process, upload);
    assert!(cut["seconds"].as_f64().unwrap() >= 0.3, "{cut}");
}
