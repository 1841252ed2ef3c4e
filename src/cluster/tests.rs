//! The watch against an API server that a test plays itself, request by request; what may be said of trouble.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;

use super::*;
use crate::policy::namespaces::{Namespace, Unknown};

/// Longer than anything here may take.
const PATIENCE: Duration = Duration::from_secs(20);

/// An API server, played by the test.
struct Api {
    url: String,
    requests: Receiver<Request>,
}

/// A request that waits for its answer.
struct Request {
    target: String,
    stream: TcpStream,
}

impl Api {
    fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (sender, requests) = channel();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let mut reader = BufReader::new(stream.unwrap());
                let mut head = String::new();
                while reader.read_line(&mut head).is_ok_and(|length| length > 2) {}
                let target = head.split(' ').nth(1).unwrap_or_default().to_owned();
                let stream = reader.into_inner();
                if sender.send(Request { target, stream }).is_err() {
                    return;
                }
            }
        });
        Self { url, requests }
    }

    /// The next request, which must be for this part of a target.
    fn asked(&self, part: &str) -> Request {
        let request = self.requests.recv_timeout(PATIENCE).unwrap();
        assert!(
            request.target.starts_with("/api/v1/namespaces?") && request.target.contains(part),
            "{} instead of {part}",
            request.target
        );
        request
    }

    /// Watches through a kubeconfig for it.
    fn watched(&self) -> (Arc<Namespaces>, Cluster, TempDir) {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("kubeconfig");
        std::fs::write(
            &file,
            kubeconfig(&self.url, &json!({"token": "canary"})).to_string(),
        )
        .unwrap();
        let namespaces = Arc::new(Namespaces::unsynced());
        let cluster = Cluster::start(Access::Kubeconfig(file), Arc::clone(&namespaces)).unwrap();
        (namespaces, cluster, directory)
    }
}

impl Request {
    /// Begins an answer that ends with its connection.
    fn begin(&mut self, status: u16) {
        let head =
            format!("HTTP/1.1 {status} Said\r\ncontent-type: application/json\r\nconnection: close\r\n\r\n");
        self.stream.write_all(head.as_bytes()).unwrap();
    }

    fn send(&mut self, document: &Value) {
        self.stream.write_all(format!("{document}\n").as_bytes()).unwrap();
    }

    fn answer(mut self, status: u16, document: &Value) {
        self.begin(status);
        self.send(document);
    }
}

fn kubeconfig(server: &str, user: &Value) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Config", "current-context": "c",
        "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
        "clusters": [{"name": "c", "cluster": {"server": server}}],
        "users": [{"name": "u", "user": user}],
    })
}

fn object(name: &str, version: &str, labels: &Value) -> Value {
    json!({
        "apiVersion": "meta.k8s.io/v1", "kind": "PartialObjectMetadata",
        "metadata": {"name": name, "resourceVersion": version, "labels": labels},
    })
}

fn list(names: &[&str], version: &str, more: &str) -> Value {
    let items: Vec<_> = names
        .iter()
        .map(|name| object(name, version, &json!({"team": name})))
        .collect();
    json!({
        "apiVersion": "meta.k8s.io/v1", "kind": "PartialObjectMetadataList",
        "metadata": {"resourceVersion": version, "continue": more}, "items": items,
    })
}

fn status(code: u16, message: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "Status", "status": "Failure", "code": code, "message": message,
        "reason": "Said"})
}

/// The label `team` of a Namespace, waited for.
#[track_caller]
fn team_becomes(namespaces: &Namespaces, name: &str, team: Option<&str>) {
    let look = || {
        let found = namespaces.get(name, Instant::now());
        found.ok().map(|found| found.labels.get("team").cloned())
    };
    becomes(name, || look() == team.map(|team| Some(team.to_owned())));
}

#[track_caller]
fn becomes(what: &str, condition: impl Fn() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !condition() {
        assert!(Instant::now() < end, "not in time: {what}");
        std::thread::park_timeout(Duration::from_millis(5));
    }
}

#[test]
fn only_a_complete_list_counts() {
    let api = Api::new();
    let (namespaces, _cluster, _directory) = api.watched();
    api.asked("limit=500")
        .answer(200, &list(&["a", "b"], "7", "more"));
    let second = api.asked("continue=more");
    assert!(!namespaces.is_synced());
    assert_eq!(
        namespaces.get("a", Instant::now()).unwrap_err(),
        Unknown::NotSynced
    );
    second.answer(200, &list(&["c"], "7", ""));
    api.asked("watch=true&");
    assert!(namespaces.is_synced());
    assert_eq!(namespaces.count(), 3);
    let found = namespaces.get("c", Instant::now()).unwrap();
    assert_eq!(
        *found,
        Namespace {
            name: "c".to_owned(),
            labels: [("team".to_owned(), "c".to_owned())].into(),
            annotations: [].into(),
        }
    );
}

#[test]
fn changes_are_followed_and_a_watch_that_broke_is_resumed_where_it_was() {
    let api = Api::new();
    let (namespaces, _cluster, _directory) = api.watched();
    api.asked("limit=500").answer(200, &list(&["a", "b"], "7", ""));
    let mut watch = api.asked("resourceVersion=7");
    watch.begin(200);
    watch.send(&json!({"type": "ADDED", "object": object("c", "8", &json!({"team": "new"}))}));
    team_becomes(&namespaces, "c", Some("new"));
    watch.send(&json!({"type": "MODIFIED", "object": object("a", "9", &json!({"team": "other"}))}));
    watch.send(&json!({"type": "DELETED", "object": object("b", "10", &json!({}))}));
    team_becomes(&namespaces, "b", None);
    team_becomes(&namespaces, "a", Some("other"));
    drop(watch);
    let mut watch = api.asked("resourceVersion=10");
    watch.begin(200);
    watch.send(&json!({"type": "MODIFIED", "object": object("c", "11", &json!({}))}));
    becomes("the label is gone", || {
        namespaces
            .get("c", Instant::now())
            .is_ok_and(|found| found.labels.is_empty())
    });
}

#[test]
fn what_the_api_server_forgot_is_listed_anew_and_replaced_at_once() {
    let api = Api::new();
    let (namespaces, _cluster, _directory) = api.watched();
    api.asked("limit=500").answer(200, &list(&["a", "b"], "7", ""));
    // It says so in a watch, or instead of one.
    let mut watch = api.asked("resourceVersion=7");
    watch.begin(200);
    watch.send(&json!({"type": "ERROR", "object": status(410, "too old")}));
    let again = api.asked("limit=500");
    assert_eq!(namespaces.count(), 2);
    again.answer(200, &list(&["b", "c", "d"], "70", ""));
    api.asked("resourceVersion=70")
        .answer(410, &status(410, "too old"));
    assert_eq!(namespaces.count(), 3);
    team_becomes(&namespaces, "a", None);
    api.asked("limit=500").answer(200, &list(&["d"], "700", ""));
    api.asked("resourceVersion=700");
    assert_eq!(namespaces.count(), 1);
    team_becomes(&namespaces, "d", Some("d"));
}

#[test]
fn what_is_known_stays_in_use_while_the_api_server_refuses_or_is_away() {
    let api = Api::new();
    let (namespaces, _cluster, _directory) = api.watched();
    api.asked("limit=500").answer(200, &list(&["a"], "7", ""));
    api.asked("resourceVersion=7").answer(403, &status(403, "no"));
    // Half a list is none.
    api.asked("limit=500").answer(200, &list(&["z"], "8", "more"));
    api.asked("continue=more").answer(401, &status(401, "no"));
    drop(api.asked("limit=500"));
    let last = api.asked("limit=500");
    assert!(namespaces.is_synced());
    assert_eq!(namespaces.count(), 1);
    team_becomes(&namespaces, "a", Some("a"));
    last.answer(200, &list(&[], "9", ""));
    becomes("the list is taken over", || namespaces.count() == 0);
}

#[test]
fn credentials_are_read_again_when_the_api_server_refuses_them() {
    let api = Api::new();
    let (namespaces, _cluster, directory) = api.watched();
    let elsewhere = Api::new();
    let refused = api.asked("limit=500");
    let changed = kubeconfig(&elsewhere.url, &json!({}));
    std::fs::write(directory.path().join("kubeconfig"), changed.to_string()).unwrap();
    refused.answer(401, &status(401, "Unauthorized"));
    elsewhere.asked("limit=500").answer(200, &list(&["a"], "7", ""));
    becomes("it is synced", || namespaces.is_synced());
}

#[test]
fn the_operators_word_comes_before_the_pods_and_a_pod_needs_both_of_its_signs() {
    let directory = tempfile::tempdir().unwrap();
    let (there, absent) = (directory.path(), directory.path().join("absent"));
    let host = Some(OsStr::new("10.0.0.1"));
    let file = Path::new("kubeconfig");
    assert_eq!(
        Access::find(Some(file), host, there),
        Some(Access::Kubeconfig(file.to_owned()))
    );
    assert_eq!(Access::find(None, host, there), Some(Access::InCluster));
    assert_eq!(Access::find(None, host, &absent), None);
    assert_eq!(Access::find(None, None, there), None);
    assert_eq!(Access::find(None, Some(OsStr::new("")), there), None);
}

/// What is said of a kubeconfig that cannot be used; its name is cut off.
fn refused(text: &str) -> String {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("kubeconfig");
    std::fs::write(&file, text).unwrap();
    let access = Access::Kubeconfig(file.clone());
    let error = Cluster::start(access, Arc::new(Namespaces::unsynced())).unwrap_err();
    assert!(matches!(error, Error::Kubeconfig { .. }), "{error:?}");
    let said = error.to_string();
    assert!(!said.contains("canary"), "{said}");
    said.strip_prefix(&format!("{}: ", file.display()))
        .unwrap()
        .to_owned()
}

#[test]
fn a_kubeconfig_that_cannot_be_used_is_refused_without_its_secrets() {
    let nowhere = "http://127.0.0.1:1";
    let plugin = |command: &str, script: &str| {
        let user = json!({"exec": {
            "apiVersion": "client.authentication.k8s.io/v1", "command": command, "args": ["-c", script],
            "interactiveMode": "Never", "env": [{"name": "PASSWORD", "value": "canary"}],
        }});
        kubeconfig(nowhere, &user).to_string()
    };
    let mut proxied = kubeconfig(nowhere, &json!({}));
    proxied["clusters"][0]["cluster"]["proxy-url"] = json!("http://127.0.0.1:2");
    let absent = kubeconfig(nowhere, &json!({"tokenFile": "absent"}));
    for (text, expected) in [
        (
            "users:\n- user: {token: canary".to_owned(),
            "line 2, column 9: no kubeconfig",
        ),
        (
            "apiVersion: v1\nkind: Config\n".to_owned(),
            "failed to determine current context",
        ),
        (
            proxied.to_string(),
            "`proxy-url: http://127.0.0.1:2`: proxies are not supported",
        ),
        (
            absent.to_string(),
            "absent: No such file or directory (os error 2)",
        ),
        (
            plugin("sh", "echo canary; echo canary >&2; exit 3"),
            "the credential plugin ended with exit status: 3",
        ),
        (
            plugin("sh", "echo '{canary'"),
            "what the credential plugin printed is no ExecCredential",
        ),
        (
            plugin("/absent/plugin", "canary"),
            "the credential plugin cannot be started: No such file or directory (os error 2)",
        ),
    ] {
        let said = refused(&text);
        assert!(said.ends_with(expected), "{said}\ninstead of\n{expected}");
    }
}

#[test]
fn a_kubeconfig_that_is_not_there_is_refused() {
    let access = Access::Kubeconfig("absent/kubeconfig".into());
    let error = Cluster::start(access, Arc::new(Namespaces::unsynced())).unwrap_err();
    assert_eq!(
        error.to_string(),
        "absent/kubeconfig: No such file or directory (os error 2)"
    );
}

#[test]
fn trouble_is_told_by_its_kind_and_never_with_an_answer() {
    let api = |code, message: &str| {
        let status: kube::core::Status = serde_json::from_value(status(code, message)).unwrap();
        kube::Error::Api(Box::new(status))
    };
    let unreadable = serde_json::from_str::<u8>("\"canary\"").unwrap_err();
    let denied = std::io::Error::from(std::io::ErrorKind::PermissionDenied);
    let auth = kube::client::AuthError::ReadTokenFile(denied, "token".into());
    let refused = std::io::Error::from(std::io::ErrorKind::ConnectionRefused);
    for (error, kind, text) in [
        (api(401, "Unauthorized"), "unauthorized", "401 Unauthorized"),
        (
            api(403, "namespaces is forbidden"),
            "forbidden",
            "403 namespaces is forbidden",
        ),
        (api(500, "etcd is away"), "refused", "500 etcd is away"),
        (
            kube::Error::SerdeError(unreadable),
            "unreadable",
            "the API server's answer cannot be read",
        ),
        (
            kube::Error::Service(Box::new(auth)),
            "credentials",
            "token: permission denied",
        ),
        (
            kube::Error::Service(Box::new(refused)),
            "unreachable",
            "connection refused",
        ),
    ] {
        let trouble = Trouble::of_client(&error);
        assert_eq!((trouble.kind, trouble.text.as_str()), (kind, text));
        assert_eq!(trouble.refused, matches!(error, kube::Error::Api(_)), "{kind}");
    }
}

#[test]
fn a_panic_of_the_client_is_trouble_and_does_not_end_the_watch() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let panicking = watch::survive(async { panic!("no thread") });
    let trouble = runtime.block_on(panicking).unwrap_err();
    assert_eq!((trouble.kind, trouble.refused), ("panic", false));
    assert_eq!(trouble.text, "the client panicked");
    assert_eq!(runtime.block_on(watch::survive(async {})), Ok(()));
}
