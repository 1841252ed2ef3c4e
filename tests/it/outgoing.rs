//! `http.send` in policies, against servers of the test: what it gives, what it refuses, what is asked once.

use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use regate::fetch::{AllowedHost, Client, HostPattern, Settings};
use regate::gate::Gate;
use regate::policy::files::{Files, RegoFile};
use regate::policy::load::load_with;
use regate::policy::{Document, Evaluate, Fault, Limits, Outside, PolicySet, context_of_now};
use serde_json::{Value, json};

use crate::peer::{Kind, Peer, Reply};

/// Longer than any evaluation takes.
const LONG: Duration = Duration::from_secs(60);

pub(crate) fn file(path: &str, text: &str) -> RegoFile {
    RegoFile {
        path: path.into(),
        text: text.into(),
        is_test: false,
        v0: false,
    }
}

fn outside_of(allowed: Vec<AllowedHost>, ca: &str) -> Arc<Outside> {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(ca.as_bytes()).unwrap();
    let client = Client::start(&Settings {
        allowed,
        authorities: Some(file.path().to_owned()),
    });
    Arc::new(Outside {
        http: Some(Arc::new(client.unwrap())),
        ..Outside::default()
    })
}

/// What lets policies ask this peer.
fn outside(peer: &Peer) -> Arc<Outside> {
    let entry = AllowedHost {
        host: HostPattern::Address([127, 0, 0, 1].into()),
        port: peer.port,
        plain: false,
        private: false,
    };
    outside_of(vec![entry], &peer.ca)
}

fn load(policies: &[&str], outside: &Arc<Outside>) -> Result<PolicySet, Vec<String>> {
    let modules = policies.iter().enumerate();
    let files = Files {
        modules: modules
            .map(|(at, text)| file(&format!("{at}.rego"), text))
            .collect(),
        ..Files::default()
    };
    load_with(&files, outside).map_err(|findings| findings.iter().map(ToString::to_string).collect())
}

fn limits(time: Duration) -> Limits {
    Limits {
        deadline: Instant::now() + time,
        context: context_of_now(Gate::Validate),
    }
}

/// A policy that gives the answer to the request that the input has.
const ASKING: &str = "package kubernetes.admission.asking
deny contains json.marshal(http.send(input.request))
";

fn evaluate(set: &PolicySet, request: &Value, limits: &Limits) -> Result<Vec<String>, Fault> {
    let input = Document::from_json(&json!({"request": request}));
    let mut said = Vec::new();
    for policy in set.policies() {
        said.extend(
            set.evaluate(policy, &input, limits)?
                .deny
                .into_iter()
                .map(|message| message.msg),
        );
    }
    Ok(said)
}

fn send(outside: &Arc<Outside>, request: &Value) -> Result<Value, String> {
    let set = load(&[ASKING], outside).unwrap();
    match evaluate(&set, request, &limits(LONG)) {
        Ok(said) => Ok(serde_json::from_str(&said[0]).unwrap()),
        Err(Fault::Builtin { message, .. }) => Err(message),
        Err(fault) => panic!("{fault:?}"),
    }
}

#[test]
fn the_answer_is_given_in_opas_form() {
    let peer = Peer::start(|request, reply| match request.header("x-want") {
        Some("json") => reply.answer(
            "200 OK",
            &[
                ("Content-Type", "application/json; charset=utf-8"),
                ("X-A", "1"),
                ("X-A", "2"),
            ],
            r#"{"a": 1}"#,
        ),
        Some("problem") => reply.answer(
            "404 Not Found",
            &[("Content-Type", "application/problem+json")],
            "[1]",
        ),
        Some("yaml") => reply.answer("200 OK", &[("Content-Type", "application/yaml")], "a: [1, b]"),
        Some("broken") => reply.json("{"),
        _ => reply.answer("200 Fine", &[("Content-Type", "text/plain")], r#"{"a": 1}"#),
    });
    let outside = outside(&peer);
    let ask = |more: &[(&str, Value)]| {
        let mut request = json!({"method": "get", "url": peer.url("/")});
        for (key, value) in more {
            request[*key] = value.clone();
        }
        send(&outside, &request).unwrap()
    };
    assert_eq!(
        ask(&[("headers", json!({"X-Want": "json"}))]),
        json!({
            "status": "200 OK",
            "status_code": 200,
            "body": {"a": 1},
            "raw_body": "{\"a\": 1}",
            "headers": {"content-type": ["application/json; charset=utf-8"], "x-a": ["1", "2"], "content-length": ["8"]},
        })
    );
    let problem = ask(&[("headers", json!({"X-Want": "problem"}))]);
    assert_eq!(
        (&problem["status_code"], &problem["body"]),
        (&json!(404), &json!([1]))
    );
    assert_eq!(
        ask(&[("headers", json!({"X-Want": "yaml"}))])["body"],
        json!({"a": [1, "b"]})
    );
    let broken = ask(&[("headers", json!({"X-Want": "broken"}))]);
    assert_eq!(
        (&broken["body"], &broken["raw_body"]),
        (&Value::Null, &json!("{"))
    );
    let plain = ask(&[]);
    assert_eq!(
        (&plain["body"], &plain["status"]),
        (&Value::Null, &json!("200 Fine"))
    );
    assert_eq!(
        ask(&[("force_json_decode", json!(true))])["body"],
        json!({"a": 1})
    );
    assert_eq!(
        ask(&[("force_yaml_decode", json!(true))])["body"],
        json!({"a": 1})
    );
}

#[test]
fn bodies_are_sent_as_they_are_or_as_json() {
    let peer = Peer::start(|_, reply| reply.json("1"));
    let outside = outside(&peer);
    let request = |more: Value| {
        let mut request = json!({"method": "POST", "url": peer.url("/")});
        request
            .as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        request
    };
    for (more, body) in [
        (json!({"body": {"a": [1, "<"]}}), r#"{"a":[1,"\u003c"]}"#),
        (json!({"raw_body": "text"}), "text"),
        (json!({"raw_body": "text", "body": {}}), "text"),
        (json!({}), ""),
    ] {
        send(&outside, &request(more)).unwrap();
        let received = peer.received();
        assert_eq!(String::from_utf8_lossy(&received.last().unwrap().body), body);
        assert!(received.last().unwrap().head.starts_with("POST / HTTP/1.1"));
    }
}

#[test]
fn what_the_operand_may_not_be_is_an_error_before_anybody_is_asked() {
    let peer = Peer::start(|_, reply| reply.json("1"));
    let outside = outside(&peer);
    let with = |key: &str, value: Value| {
        let mut request = json!({"method": "get", "url": peer.url("/")});
        request[key] = value;
        request
    };
    let url = with("method", json!("get"))["url"].clone();
    for (request, expected) in [
        (json!("secret"), "operand 1 must be an object"),
        (
            with("secret", json!(1)),
            "operand 1: 1 invalid request parameter(s)",
        ),
        (
            json!({"url": url}),
            "operand 1: missing required request parameter \"method\"",
        ),
        (
            json!({"method": "get"}),
            "operand 1: missing required request parameter \"url\"",
        ),
        (with("url", json!(1)), "\"url\" must be a string"),
        (
            with("raise_error", json!("no")),
            "invalid value for raise_error field",
        ),
        (
            with("enable_redirect", json!(true)),
            "redirects are not followed here",
        ),
        (
            with("tls_insecure_skip_verify", json!(true)),
            "certificates are always verified here",
        ),
        (
            with("tls_ca_cert_file", json!("/etc/x")),
            "policies read neither files nor the environment here",
        ),
        (
            with("tls_client_key_env_variable", json!("X")),
            "policies read neither files nor the environment here",
        ),
        (
            with("tls_ca_cert", json!("secret")),
            "the authorities are not certificates in PEM",
        ),
        (with("timeout", json!("soon")), "invalid timeout value"),
        (
            with("timeout", json!([])),
            "'timeout' must be one of {string, number}",
        ),
        (
            {
                let mut request = with("headers", json!({"a": "b"}));
                request["cache_ignored_headers"] = json!("a");
                request
            },
            "cache_ignored_headers must be an array of strings",
        ),
        (with("headers", json!([])), "invalid type for headers key"),
        (with("headers", json!({"a": 1})), "invalid type for headers value"),
        (
            with("headers", json!({"Host": "evil"})),
            "it has a header that is not its sender's to set",
        ),
        (
            with("max_retry_attempts", json!(-1)),
            "invalid value for field \"max_retry_attempts\"",
        ),
        (
            with("caching_mode", json!("x")),
            "invalid value for \"caching_mode\"",
        ),
        (with("cache", json!(1)), "invalid value for cache field"),
        (
            with("force_cache", json!(true)),
            "'force_cache_duration_seconds' parameter is missing",
        ),
        (
            with("url", json!("https://evil.example/?secret")),
            "evil.example:443 is not on the list of allowed hosts",
        ),
        (
            with("url", json!("https://evil.example\\@x/?secret")),
            "not an URL that can be asked: it cannot be read",
        ),
    ] {
        let error = send(&outside, &request).unwrap_err();
        assert!(
            error.contains(&format!("http.send: {expected}")) || error.contains(expected),
            "{request}: {error}"
        );
        assert!(
            error.contains("http.send: ") && !error.contains("secret"),
            "{error}"
        );
    }
    assert!(peer.received().is_empty());
}

#[test]
fn a_failure_is_a_value_where_the_policy_wants_it_so() {
    let peer = Peer::start(|_, _| {});
    let outside = outside(&peer);
    let mut request = json!({"method": "get", "url": peer.url("/?secret"), "raise_error": false});
    let host = format!("127.0.0.1:{}", peer.port);
    assert_eq!(
        send(&outside, &request).unwrap(),
        json!({
            "status_code": 0,
            "error": {
                "code": "eval_http_send_network_error",
                "message": format!("http.send: {host}: connection closed before message completed"),
            },
        })
    );
    request["enable_redirect"] = json!(true);
    assert_eq!(
        send(&outside, &request).unwrap()["error"]["code"],
        json!("eval_http_send_internal_error")
    );
    let mut request = json!({"method": "get", "url": "https://evil.example", "raise_error": false});
    assert_eq!(
        send(&outside, &request).unwrap()["error"]["message"],
        json!("http.send: evil.example:443 is not on the list of allowed hosts")
    );
    request["raise_error"] = json!(true);
    assert!(send(&outside, &request).is_err());
}

#[test]
fn a_host_that_does_not_answer_costs_no_more_than_the_time_there_is() {
    let peer = Peer::start(|_, reply| reply.never());
    let outside = outside(&peer);
    let set = load(&[ASKING], &outside).unwrap();
    let late = format!("http.send: 127.0.0.1:{} did not answer in time", peer.port);
    let url = peer.url("/?secret");
    let begin = Instant::now();
    let request = json!({"method": "get", "url": url, "timeout": "100ms", "raise_error": false});
    let said = evaluate(&set, &request, &limits(LONG)).unwrap();
    let said: Value = serde_json::from_str(&said[0]).unwrap();
    assert_eq!(said["error"]["message"], json!(late));
    // The review's, with a little left for the policy to say something of it.
    let request = json!({"method": "get", "url": url, "timeout": "10h", "max_retry_attempts": 1000000, "raise_error": false});
    let said = evaluate(&set, &request, &limits(Duration::from_millis(900)));
    let told = said
        .as_ref()
        .is_ok_and(|said| said[0].contains("did not answer in time"));
    // A busy machine may be too slow for that.
    assert!(told || said == Err(Fault::Deadline), "{said:?}");
    assert!(begin.elapsed() < LONG / 2, "{:?}", begin.elapsed());
}

#[test]
fn who_refuses_connections_is_asked_again_as_often_as_the_policy_wants() {
    let count = Arc::new(AtomicUsize::new(0));
    let attempts = Arc::clone(&count);
    let peer = Peer::start(move |_, reply: &mut Reply<'_>| {
        if attempts.fetch_add(1, Ordering::Relaxed) == 2 {
            reply.json("1");
        }
    });
    let outside = outside(&peer);
    let mut request = json!({"method": "get", "url": peer.url("/"), "max_retry_attempts": 1});
    assert!(send(&outside, &request).is_err());
    assert_eq!(count.load(Ordering::Relaxed), 2);
    request["max_retry_attempts"] = json!(3);
    assert_eq!(send(&outside, &request).unwrap()["body"], json!(1));
    assert_eq!(count.load(Ordering::Relaxed), 3);
}

/// A peer that answers each request with another number.
fn counting(headers: &'static [(&'static str, &'static str)]) -> Peer {
    let count = AtomicUsize::new(0);
    Peer::start(move |_, reply| {
        let number = count.fetch_add(1, Ordering::Relaxed).to_string();
        reply.answer("200 OK", headers, &number);
    })
}

#[test]
fn one_review_asks_once_and_the_next_one_again() {
    let peer = counting(&[]);
    let outside = outside(&peer);
    let other = "package kubernetes.admission.other
deny contains http.send(input.request).raw_body
deny contains http.send(object.union(input.request, {\"headers\": {\"X-A\": \"1\"}})).raw_body
";
    let asking = "package kubernetes.admission.asking\ndeny contains http.send(input.request).raw_body\n";
    let set = load(&[asking, other], &outside).unwrap();
    let request = json!({"method": "post", "url": peer.url("/")});
    let review = limits(LONG);
    for _ in 0..2 {
        assert_eq!(evaluate(&set, &request, &review).unwrap(), ["0", "0", "1"]);
    }
    assert_eq!(peer.received().len(), 2);
    assert_eq!(evaluate(&set, &request, &limits(LONG)).unwrap(), ["2", "2", "3"]);
}

#[test]
fn a_failure_too_is_asked_for_once_in_a_review() {
    let peer = Peer::start(|_, _| {});
    let outside = outside(&peer);
    let set = load(&[ASKING], &outside).unwrap();
    let request = json!({"method": "get", "url": peer.url("/")});
    let review = limits(LONG);
    for _ in 0..3 {
        assert!(matches!(
            evaluate(&set, &request, &review),
            Err(Fault::Builtin { .. })
        ));
    }
    assert_eq!(peer.received().len(), 1);
}

#[test]
fn answers_are_kept_for_other_reviews_only_where_the_policy_and_the_answer_say_so() {
    const LONG_LIVED: &[(&str, &str)] = &[("Expires", "Fri, 31 Dec 2199 23:59:59 GMT")];
    const NEVER: &[(&str, &str)] = &[("Cache-Control", "no-store")];
    for (headers, more, again) in [
        (LONG_LIVED, json!({}), true),
        (LONG_LIVED, json!({"cache": true}), false),
        (NEVER, json!({"cache": true}), true),
        (&[], json!({"cache": true}), true),
        (
            NEVER,
            json!({"force_cache": true, "force_cache_duration_seconds": 1000}),
            false,
        ),
    ] {
        let peer = counting(headers);
        let outside = outside(&peer);
        let mut request = json!({"method": "get", "url": peer.url("/")});
        request
            .as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        let first = send(&outside, &request).unwrap();
        let second = send(&outside, &request).unwrap();
        assert_eq!(first != second, again, "{headers:?} {more}");
        assert_eq!(
            peer.received().len(),
            if again { 2 } else { 1 },
            "{headers:?} {more}"
        );
        request["headers"] = json!({"X-Trace": "1"});
        request["cache_ignored_headers"] = json!(["X-Trace"]);
        let third = send(&outside, &request).unwrap();
        request["headers"] = json!({"X-Trace": "2"});
        let fourth = send(&outside, &request).unwrap();
        assert_eq!(third != fourth, again, "{headers:?} {more}");
        request["cache_ignored_headers"] = json!(["X-Trace", "X-Other"]);
        let fifth = send(&outside, &request).unwrap();
        assert_eq!(fourth != fifth, again, "{headers:?} {more}");
        request["cache_ignored_headers"] = json!([]);
        request["headers"] = json!({"X-Other": "2"});
        let received = peer.received().len();
        send(&outside, &request).unwrap();
        assert_eq!(peer.received().len(), received + 1);
    }
}

#[test]
fn whom_to_trust_and_who_to_be_is_the_request_s_to_say() {
    let asks = Kind {
        asks_client: true,
        ..Kind::default()
    };
    let peer = Peer::of_kind(&asks, |_, reply| reply.json("1"));
    let open = Peer::start(|_, reply| reply.json("1"));
    let entry = |port| AllowedHost {
        host: HostPattern::Address([127, 0, 0, 1].into()),
        port,
        plain: false,
        private: false,
    };
    // By itself the client trusts the one of them only.
    let outside = outside_of(vec![entry(peer.port), entry(open.port)], &open.ca);
    let (certificate, key) = peer.client();
    let shows = json!({"tls_client_cert": certificate, "tls_client_key": key});
    let with = |url: String, more: [&Value; 2]| {
        let mut request = json!({"method": "get", "url": url});
        for more in more {
            request
                .as_object_mut()
                .unwrap()
                .extend(more.as_object().unwrap().clone());
        }
        send(&outside, &request).map(|answer| answer["status_code"].clone())
    };
    let of_peer = json!({"tls_ca_cert": peer.ca});
    let on_one_line = json!({"tls_ca_cert": peer.ca.replace('\n', "\\n")});
    let besides = json!({"tls_ca_cert": peer.ca, "tls_use_system_certs": true});
    for ca in [&of_peer, &on_one_line, &besides] {
        assert_eq!(with(peer.url("/"), [ca, &shows]), Ok(json!(200)), "{ca}");
    }
    assert!(with(peer.url("/"), [&of_peer, &json!({})]).is_err());
    assert!(with(peer.url("/"), [&json!({}), &shows]).is_err());
    assert!(with(open.url("/"), [&of_peer, &json!({})]).is_err());
    assert_eq!(with(open.url("/"), [&besides, &json!({})]), Ok(json!(200)));
}

#[test]
fn a_review_is_decided_with_what_was_answered_and_a_fault_names_no_more_than_the_place() {
    let peer = Peer::start(|_, reply| reply.answer("500 Internal Server Error", &[], "secret"));
    let outside = outside(&peer);
    let policy = "package kubernetes.admission.p
deny contains sprintf(\"asked: %d\", [http.send(input.request).status_code])
";
    let set = load(&[policy], &outside).unwrap();
    let request = json!({"method": "get", "url": peer.url("/?secret")});
    assert_eq!(evaluate(&set, &request, &limits(LONG)).unwrap(), ["asked: 500"]);
    let request = json!({"method": "get", "url": "https://evil.example/?secret"});
    let fault = evaluate(&set, &request, &limits(LONG)).unwrap_err();
    assert_eq!(fault.place(), "0.rego:2:46: a builtin failed");
}

#[test]
fn where_nobody_may_be_asked_a_call_is_a_finding() {
    let found = load(&[ASKING], &Arc::default()).unwrap_err();
    assert_eq!(
        found,
        [
            "0.rego:2:28: `http.send` is not offered here: nobody may be asked: give data that changes as data files, or \
             allow hosts with --http-allow"
        ]
    );
}

#[test]
fn an_url_that_is_written_out_and_not_on_the_list_is_a_finding() {
    let peer = Peer::start(|_, reply| reply.json("1"));
    let outside = outside(&peer);
    let policy = |url: &str| {
        format!(
            "package kubernetes.admission.p\ndeny contains \"x\" if http.send({{\"method\": \"get\", \"url\": {url}}}).body == 1\n"
        )
    };
    assert!(load(&[&policy(&format!("\"{}\"", peer.url("/")))], &outside).is_ok());
    assert!(load(&[&policy("input.url")], &outside).is_ok());
    for (url, finding) in [
        (
            "\"https://evil.example/?secret\"",
            "`http.send`: evil.example:443 is not on the list of allowed hosts",
        ),
        (
            "`https://evil.example`",
            "`http.send`: evil.example:443 is not on the list of allowed hosts",
        ),
        (
            "\"unix://localhost/x?socket=%2Fsecret\"",
            "`http.send`: not an URL that can be asked: it begins neither with https:// nor with http://",
        ),
    ] {
        let found = load(&[&policy(url)], &outside).unwrap_err();
        assert_eq!(found, [format!("0.rego:2:22: {finding}")]);
    }
}
