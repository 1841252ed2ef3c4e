//! A server with a kubeconfig: when it is ready, what it says of the watch, and what keeps it from starting.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::process::Stdio;
use std::sync::{Arc, Mutex};

use serde_json::json;

use crate::process::{Process, command, directory, soon};

const USING: (&str, &str) = (
    "policies/using.rego",
    "package kubernetes.admission.using\ndeny contains \"never\" if input.regate.namespace.labels.never\n",
);
const QUIET: (&str, &str) = (
    "policies/quiet.rego",
    "package kubernetes.admission.quiet\ndeny contains \"never\" if input.request.uid == \"\"\n",
);

fn kubeconfig(server: &str) -> String {
    json!({
        "apiVersion": "v1", "kind": "Config", "current-context": "c",
        "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
        "clusters": [{"name": "c", "cluster": {"server": server}}],
        "users": [{"name": "u", "user": {"token": "secret-canary"}}],
    })
    .to_string()
}

/// How an API server is.
#[derive(Clone, Copy)]
enum State {
    /// It says that it is not ready to serve.
    Starting,
    /// It has two Namespaces.
    Serving,
    /// It hangs up on everybody, open watches included.
    Ending,
}

/// An API server; how it is, to be changed, and how often it was asked.
fn api_server() -> (String, Arc<Mutex<(State, usize)>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let state = Arc::new(Mutex::new((State::Starting, 0)));
    let current = Arc::clone(&state);
    std::thread::spawn(move || {
        let mut watches = Vec::new();
        for stream in listener.incoming() {
            let state = {
                let mut current = current.lock().unwrap();
                current.1 += 1;
                current.0
            };
            match state {
                State::Starting => drop(answer(stream.unwrap(), false)),
                State::Serving => watches.push(answer(stream.unwrap(), true)),
                State::Ending => watches.clear(),
            }
        }
    });
    (url, state)
}

/// Answers a list; a watch stays open for as long as the connection is kept.
fn answer(stream: TcpStream, serving: bool) -> TcpStream {
    let mut reader = BufReader::new(stream);
    let mut head = String::new();
    while reader.read_line(&mut head).is_ok_and(|length| length > 2) {}
    let mut stream = reader.into_inner();
    let mut answer = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n".to_owned();
    if !serving {
        answer =
            "HTTP/1.1 503 Service Unavailable\r\ncontent-length: 9\r\nconnection: close\r\n\r\nnot ready"
                .to_owned();
    } else if head.contains("watch=true") {
        answer += "connection: close\r\n\r\n";
    } else {
        let items = ["a", "b"].map(|name| json!({"metadata": {"name": name}}));
        let list = json!({
            "apiVersion": "meta.k8s.io/v1", "kind": "PartialObjectMetadataList",
            "metadata": {"resourceVersion": "7"}, "items": items,
        })
        .to_string();
        answer += &format!(
            "content-length: {}\r\nconnection: close\r\n\r\n{list}",
            list.len()
        );
    }
    stream.write_all(answer.as_bytes()).unwrap();
    stream
}

/// What `/readyz?verbose` says, without what it tells of the served set.
fn verbose(process: &Process) -> (u16, String) {
    let (status, text) = process.probe("/readyz?verbose");
    let lines = text
        .lines()
        .map(|line| line.split(" revision=").next().unwrap_or(line).to_owned() + "\n");
    (status, lines.collect())
}

#[track_caller]
fn assert_gauges(process: &Process, synced: &str, objects: &str) {
    assert_eq!(
        process.metrics("regate_repli"),
        [
            format!("regate_replication_synced{{resource=\"namespaces\"}} {synced}"),
            format!("regate_replicated_objects{{resource=\"namespaces\"}} {objects}"),
        ]
    );
}

/// The log line of the failure of this number, by its `problem`, and whether Namespaces were known then.
#[track_caller]
fn assert_failed(process: &Process, number: usize, problem: &str, synced: bool) {
    let failed = soon("the failure is told", || {
        process.events("replication_failed").into_iter().nth(number)
    });
    assert_eq!(
        (&failed["level"], &failed["problem"], &failed["synced"]),
        (&json!("WARN"), &json!(problem), &json!(synced)),
        "{failed}"
    );
}

#[test]
fn a_server_with_a_kubeconfig_is_ready_with_the_first_list_and_from_then_on() {
    let (url, state) = api_server();
    let process = Process::start(
        &[USING, ("kubeconfig", &kubeconfig(&url))],
        &["--policy", "policies", "--kubeconfig", "kubeconfig"],
    );
    assert_failed(&process, 0, "refused", false);
    assert_eq!(
        verbose(&process),
        (
            503,
            "[+]policies ok\n[-]namespaces failed\n[+]running ok\nnot ready\n".to_owned()
        )
    );
    assert_gauges(&process, "0", "0");

    soon("it has tried again", || {
        (state.lock().unwrap().1 >= 3).then_some(())
    });
    state.lock().unwrap().0 = State::Serving;
    soon("it is ready", || {
        (process.probe("/readyz") == (200, "ok\n".to_owned())).then_some(())
    });
    assert_gauges(&process, "1", "2");
    let synced = process.events("replication_synced");
    assert_eq!(synced.len(), 1);
    assert_eq!(
        (&synced[0]["resource"], &synced[0]["objects"]),
        (&json!("namespaces"), &json!(2))
    );
    // Attempts that failed alike were told once.
    assert_eq!(process.events("replication_failed").len(), 1);

    state.lock().unwrap().0 = State::Ending;
    // The next connection ends the open watch, too.
    drop(TcpStream::connect(url.trim_start_matches("http://")));
    assert_failed(&process, 1, "unreachable", true);
    assert_eq!(
        verbose(&process),
        (
            200,
            "[+]policies ok\n[+]namespaces ok\n[+]running ok\nok\n".to_owned()
        )
    );
    assert_gauges(&process, "1", "2");
    let log = process.log();
    assert!(!log.contains("canary") && !log.contains("kube_"), "{log}");
}

#[test]
fn a_server_without_a_way_to_the_api_server_is_ready_and_says_nothing_of_namespaces() {
    let process = Process::start(&[QUIET], &["--policy", "policies"]);
    assert_eq!(
        verbose(&process),
        (200, "[+]policies ok\n[+]running ok\nok\n".to_owned())
    );
    assert_eq!(process.metrics("regate_repli"), [""; 0]);
}

#[test]
fn a_kubeconfig_that_cannot_be_used_keeps_the_server_from_starting() {
    for (text, said) in [
        (
            "users:\n- user: {token: secret-canary",
            "regate: --kubeconfig: kubeconfig: line 2, column 9: no kubeconfig\n",
        ),
        (
            "apiVersion: v1\nkind: Config\n",
            "regate: --kubeconfig: kubeconfig: failed to determine current context\n",
        ),
    ] {
        let directory = directory(&[QUIET, ("kubeconfig", text)]);
        let output = command(
            directory.path(),
            &["--policy", "policies", "--kubeconfig", "kubeconfig"],
        )
        .stderr(Stdio::piped())
        .output()
        .unwrap();
        assert_eq!(output.status.code(), Some(2));
        assert_eq!(String::from_utf8(output.stderr).unwrap(), said);
    }
}
