//! `http.send` beside the real OPA: the same requests to the same server, what each gives to a policy and what arrives.

use std::io::Write as _;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use regate::fetch::{AllowedHost, Client, Settings};
use regate::gate::Gate;
use regate::policy::files::{Files, RegoFile};
use regate::policy::load::load_with;
use regate::policy::{Document, Evaluate, Limits, Outside, context_of_now};
use serde_json::{Value, json};

use crate::builtins::{in_opa, same};
use crate::peer::{Peer, Received, Reply};

/// What a path is answered with: status, headers, body.
const ANSWERS: [(&str, &str, &[(&str, &str)], &str); 19] = [
    (
        "/json",
        "200 OK",
        &[("Content-Type", "application/json")],
        r#"{"a": [1, 2.50, -0, 1e3, "é"]}"#,
    ),
    (
        "/json-utf8",
        "200 OK",
        &[("Content-Type", "application/json; charset=utf-8")],
        "[1]",
    ),
    (
        "/json-upper",
        "200 OK",
        &[("Content-Type", "Application/JSON")],
        "[1]",
    ),
    (
        "/problem",
        "404 Not Found",
        &[("Content-Type", "application/problem+json")],
        "[1]",
    ),
    (
        "/no-json",
        "200 OK",
        &[("Content-Type", "application/xjson")],
        "[1]",
    ),
    ("/text-json", "200 OK", &[("Content-Type", "text/json")], "[1]"),
    (
        "/broken",
        "200 OK",
        &[("Content-Type", "application/json")],
        "{\"a\": ",
    ),
    (
        "/empty-json",
        "200 OK",
        &[("Content-Type", "application/json")],
        "",
    ),
    (
        "/yaml",
        "200 OK",
        &[("Content-Type", "application/yaml")],
        "a: [1, b]\nc: null\n",
    ),
    (
        "/x-yaml",
        "200 OK",
        &[("Content-Type", "application/x-yaml; charset=utf-8")],
        "- 1\n- 'x'\n",
    ),
    (
        "/broken-yaml",
        "200 OK",
        &[("Content-Type", "application/yaml")],
        "a: [\n",
    ),
    ("/text-yaml", "200 OK", &[("Content-Type", "text/yaml")], "a: 1\n"),
    ("/text", "200 OK", &[], "a: 1"),
    (
        "/fine",
        "200 Fine by me",
        &[("X-A", "1"), ("x-a", "2"), ("X-B", "")],
        "{}",
    ),
    ("/redirect", "302 Found", &[("Location", "/json")], ""),
    (
        "/created",
        "201 Created",
        &[("Content-Type", "application/json")],
        "{}",
    ),
    (
        "/fails",
        "500 Internal Server Error",
        &[("Content-Type", "text/plain")],
        "no",
    ),
    ("/teapot", "418 I'm a teapot", &[("Connection", "close")], ""),
    (
        "/kept",
        "200 OK",
        &[("Expires", "Fri, 31 Dec 2199 23:59:59 GMT")],
        "1",
    ),
];

fn serve(request: &Received, reply: &mut Reply<'_>) {
    let path = request.head.split(' ').nth(1).unwrap_or_default().to_owned();
    let path = path.split('?').next().unwrap_or_default();
    match ANSWERS.iter().find(|(known, ..)| *known == path) {
        Some((_, status, headers, body)) => reply.answer(status, headers, body),
        None if path == "/chunked" => {
            let body = "3\r\n[1]\r\n0\r\n\r\n";
            let headers = "Content-Type: application/json\r\nTransfer-Encoding: chunked";
            reply.raw(format!("HTTP/1.1 200 OK\r\n{headers}\r\n\r\n{body}"));
        }
        // It breaks off.
        None => {
            reply.raw("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf");
        }
    }
}

/// The requests, each beside what it is called.
fn requests(peer: &Peer) -> Vec<Value> {
    let base = |path: &str| json!({"method": "get", "url": peer.url(path), "tls_ca_cert": peer.ca, "raise_error": false});
    let with = |path: &str, more: Value| {
        let mut request = base(path);
        let members = request.as_object_mut();
        members
            .into_iter()
            .zip(more.as_object())
            .for_each(|(members, more)| members.extend(more.clone()));
        request
    };
    let mut requests: Vec<Value> = ANSWERS.iter().map(|(path, ..)| base(path)).collect();
    requests.extend([
        with("/text", json!({"force_json_decode": true})),
        with("/text", json!({"force_yaml_decode": true})),
        with("/yaml", json!({"force_json_decode": true})),
        with("/json", json!({"force_yaml_decode": true})),
        with("/json?a=b&c=%20", json!({"method": "POST", "body": {"b": ["<", 1.5, null], "a": {}}})),
        with("/json", json!({"method": "put", "raw_body": "text", "body": 1})),
        with("/json", json!({"method": "PATCH", "raw_body": "\"quoted\""})),
        with("/json", json!({"method": "delete", "headers": {"X-One": "1", "user-agent": "mine", "content-type": "a/b"}})),
        with("/json", json!({"headers": {"X-One": 1}})),
        with("/json", json!({"headers": [1]})),
        with("/json", json!({"timeout": "20s"})),
        with("/json", json!({"timeout": 20_000_000_000u64})),
        with("/json", json!({"timeout": "20000000000"})),
        with("/json", json!({"timeout": "soon"})),
        with("/json", json!({"timeout": true})),
        with("/json", json!({"cache": true})),
        with("/json", json!({"force_cache": true})),
        with("/json", json!({"force_cache": true, "force_cache_duration_seconds": 10})),
        with("/kept", json!({"cache": true, "caching_mode": "deserialized"})),
        with("/json", json!({"unknown": true})),
        with("/json", json!({"method": 1})),
        with("/json", json!({"tls_ca_cert": "none"})),
        with("/json", json!({"tls_server_name": "localhost"})),
        with("/json", json!({"tls_server_name": "elsewhere.example"})),
        with("/breaks", json!({})),
        with("/chunked", json!({})),
        json!({"url": peer.url("/json"), "raise_error": false}),
        json!({"method": "get", "raise_error": false}),
        json!({"method": "get", "url": peer.url("/json"), "raise_error": false}),
        json!({"method": "get", "url": "https://\u{7f}", "raise_error": false}),
    ]);
    requests
}

/// The answers of all requests; the words of failures are each engine's own.
const RULES: &str = "
all := [object.remove(answer, [\"error\"]) | some request in input.requests; answer := http.send(request)]

codes := [code | some request in input.requests; code := object.get(http.send(request), [\"error\", \"code\"], \"\")]
";

pub(crate) fn answers() -> Result<()> {
    let peer = Peer::start(serve);
    let requests = requests(&peer);
    let input = json!({"requests": requests});
    let module = format!("package p\n{RULES}");
    let theirs = in_opa(&module, "[data.p.all, data.p.codes]", &input.to_string())?;
    let their_requests = peer.received();
    let ours = in_regate(&peer, &input)?;
    let our_requests = peer.received().split_off(their_requests.len());
    for rule in 0..2 {
        for (at, request) in requests.iter().enumerate() {
            let (theirs, ours) = (&theirs[rule][at], &ours[rule][at]);
            ensure!(same(theirs, ours), "{request}\nOPA:    {theirs}\nRegate: {ours}");
        }
    }
    arrived(&their_requests, &our_requests)
}

/// The same requests arrive, but for what each sender says of itself.
fn arrived(theirs: &[Received], ours: &[Received]) -> Result<()> {
    let shown = |received: &Received| {
        let line = received.head.lines().next().unwrap_or_default().to_owned();
        let headers = ["host", "content-length", "content-type", "x-one"]
            .map(|name| received.header(name).map(str::to_owned));
        (line, headers, received.body.clone())
    };
    let distinct = |all: &[Received]| all.iter().map(shown).collect::<std::collections::BTreeSet<_>>();
    let (theirs, ours) = (distinct(theirs), distinct(ours));
    ensure!(theirs.len() > 20, "only {} requests", theirs.len());
    let differ: Vec<_> = theirs.symmetric_difference(&ours).collect();
    ensure!(differ.is_empty(), "{differ:#?}");
    Ok(())
}

fn in_regate(peer: &Peer, input: &Value) -> Result<Value> {
    let mut file = tempfile::NamedTempFile::new()?;
    // As in OPA no authority is trusted by default that has signed for the peer.
    file.write_all(
        crate::pki::root(crate::pki::authority_params("another CA"))
            .pem()
            .as_bytes(),
    )?;
    let client = Client::start(&Settings {
        allowed: vec![AllowedHost::of(&peer.url("/"))?],
        authorities: Some(file.path().to_owned()),
    })?;
    let outside = Arc::new(Outside {
        http: Some(Arc::new(client)),
        ..Outside::default()
    });
    let policy = format!(
        "package kubernetes.admission.p\n{RULES}\ndeny contains {{\"msg\": \"x\", \"details\": [all, codes]}}\n"
    );
    let module = RegoFile {
        path: "p.rego".into(),
        text: policy,
        is_test: false,
        v0: false,
    };
    let files = Files {
        modules: vec![module],
        ..Files::default()
    };
    let set = load_with(&files, &outside).map_err(|findings| anyhow::anyhow!("refused: {findings:?}"))?;
    let limits = Limits {
        deadline: Instant::now() + Duration::from_secs(60),
        context: context_of_now(Gate::Validate),
    };
    let policy = set.policies().first().context("no policy")?;
    let outcome = set.evaluate(policy, &Document::from_json(input), &limits)?;
    let denial = outcome.deny.into_iter().next().context("no denial")?;
    denial.details.context("no details")
}
