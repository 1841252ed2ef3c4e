//! `external_data`: Gatekeeper's protocol with a provider of the test.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use regate::fetch::{AllowedHost, Client, Settings};
use regate::gate::Gate;
use regate::policy::files::Files;
use regate::policy::load::load_with;
use regate::policy::{
    Document, Evaluate, Fault, Limits, Outside, PolicySet, Provider, Providers, context_of_now,
};
use serde_json::{Value, json};

use crate::outgoing::file;
use crate::peer::{Peer, Received};

const LONG: Duration = Duration::from_secs(60);

/// What lets policies ask this peer as `checks`, and at another path as `signatures`.
fn outside(peer: &Peer, timeout: Duration) -> Arc<Outside> {
    let url = peer.url("/validate");
    let client = Client::start(&Settings {
        allowed: vec![AllowedHost::of(&url).unwrap()],
        authorities: None,
    });
    let provider = |url| Provider {
        url,
        authorities: Some(peer.ca.clone()),
        timeout,
    };
    let signatures = provider(peer.url("/signatures"));
    let named = [("checks", provider(url)), ("signatures", signatures)];
    let named = named.map(|(name, provider)| (name.to_owned(), provider));
    Arc::new(Outside {
        providers: Some(Providers {
            client: client.unwrap(),
            named: BTreeMap::from(named),
        }),
        ..Outside::default()
    })
}

const ASKING: &str = "package kubernetes.admission.asking
deny contains json.marshal(external_data(input.request))
";

fn load(policy: &str, outside: &Arc<Outside>) -> Result<PolicySet, Vec<String>> {
    let files = Files {
        modules: vec![file("p.rego", policy)],
        ..Files::default()
    };
    load_with(&files, outside).map_err(|findings| findings.iter().map(ToString::to_string).collect())
}

fn ask_with(outside: &Arc<Outside>, request: &Value, later_ns: i64) -> Result<Value, Fault> {
    let set = load(ASKING, outside).unwrap();
    let mut limits = Limits {
        deadline: Instant::now() + LONG,
        context: context_of_now(Gate::Validate),
    };
    limits.context.now_ns += later_ns;
    let input = Document::from_json(&json!({"request": request}));
    let outcome = set.evaluate(&set.policies()[0], &input, &limits)?;
    Ok(serde_json::from_str(&outcome.deny[0].msg).unwrap())
}

fn ask(outside: &Arc<Outside>, keys: &[&str]) -> Result<Value, Fault> {
    ask_with(outside, &json!({"provider": "checks", "keys": keys}), 0)
}

/// The keys that were asked for, in the provider's form.
fn keys(request: &Received) -> Vec<String> {
    let request: Value = serde_json::from_slice(&request.body).unwrap();
    assert_eq!(request["apiVersion"], json!("externaldata.gatekeeper.sh/v1beta1"));
    assert_eq!(request["kind"], json!("ProviderRequest"));
    let keys = request["request"]["keys"].as_array().unwrap();
    keys.iter().map(|key| key.as_str().unwrap().to_owned()).collect()
}

/// A provider that finds every key good that does not begin with `bad`, and is silent of those that begin with `no`.
fn provider() -> Peer {
    Peer::start(|request, reply| {
        let keys = keys(request).into_iter().filter(|key| !key.starts_with("no"));
        let item = |key: String| match key.starts_with("bad") {
            true => json!({"key": key, "error": format!("{key} is bad")}),
            false => json!({"key": key, "value": format!("{key}@sha256:1"), "error": ""}),
        };
        let items: Vec<Value> = keys.map(item).collect();
        let response = json!({
            "apiVersion": "externaldata.gatekeeper.sh/v1beta1",
            "kind": "ProviderResponse",
            "response": {"idempotent": true, "items": items},
        });
        reply.json(&response.to_string());
    })
}

#[test]
fn values_and_errors_come_back_by_key() {
    let peer = provider();
    let outside = outside(&peer, LONG);
    assert_eq!(
        ask(&outside, &["a", "bad", "none", "b"]).unwrap(),
        json!({
            "responses": [["a", "a@sha256:1"], ["b", "b@sha256:1"]],
            "errors": [["bad", "bad is bad"], ["none", "the provider says nothing of this key"]],
            "status_code": 200,
            "system_error": "",
        })
    );
    let received = peer.received();
    assert!(
        received[0].head.starts_with("POST /validate HTTP/1.1"),
        "{}",
        received[0].head
    );
    assert_eq!(received[0].header("content-type"), Some("application/json"));
}

#[test]
fn what_was_said_of_a_key_holds_for_three_minutes_and_errors_do_not() {
    let peer = provider();
    let outside = outside(&peer, LONG);
    let request = json!({"provider": "checks", "keys": ["a", "bad"]});
    let first = ask_with(&outside, &request, 0).unwrap();
    assert_eq!(ask_with(&outside, &request, 0).unwrap(), first);
    let both = json!({"provider": "checks", "keys": ["b", "a"]});
    assert_eq!(
        ask_with(&outside, &both, 0).unwrap()["responses"],
        json!([["a", "a@sha256:1"], ["b", "b@sha256:1"]])
    );
    ask_with(
        &outside,
        &json!({"provider": "checks", "keys": ["a"]}),
        179_000_000_000,
    )
    .unwrap();
    ask_with(
        &outside,
        &json!({"provider": "checks", "keys": ["a"]}),
        181_000_000_000,
    )
    .unwrap();
    let asked: Vec<Vec<String>> = peer.received().iter().map(keys).collect();
    assert_eq!(asked, [vec!["a", "bad"], vec!["bad"], vec!["b"], vec!["a"]]);
}

#[test]
fn only_what_was_asked_and_found_without_an_error_holds() {
    let peer = Peer::start(|_, reply| {
        reply.json(
            r#"{"response": {"items": [{"key": "a", "value": 1}, {"key": "a", "error": "bad"}, {"key": "b", "value": 2}]}}"#,
        );
    });
    let outside = outside(&peer, LONG);
    let first = ask(&outside, &["a"]).unwrap();
    assert_eq!(first["errors"], json!([["a", "bad"]]));
    assert_eq!(ask(&outside, &["a"]).unwrap(), first);
    ask(&outside, &["b"]).unwrap();
    let asked: Vec<Vec<String>> = peer.received().iter().map(keys).collect();
    assert_eq!(asked, [["a"], ["a"], ["b"]]);
}

#[test]
fn nothing_of_an_answer_with_another_status_or_a_system_error_holds() {
    for (status, code, system_error) in [
        ("500 Internal Server Error", 500, ""),
        ("200 OK", 200, "half of it"),
    ] {
        let body = json!({"response": {"items": [{"key": "a", "value": 1}], "systemError": system_error}});
        let peer = Peer::start(move |_, reply| reply.answer(status, &[], &body.to_string()));
        let outside = outside(&peer, LONG);
        for _ in 0..2 {
            assert_eq!(
                ask(&outside, &["a"]).unwrap(),
                json!({"responses": [["a", 1]], "errors": [], "status_code": code, "system_error": system_error})
            );
        }
        assert_eq!(peer.received().len(), 2, "{status}");
    }
}

#[test]
fn what_one_provider_said_of_a_key_is_no_word_of_another() {
    let peer = Peer::start(|request, reply| {
        let path = request.head.split(' ').nth(1).unwrap();
        let items = [json!({"key": "a", "value": path})];
        reply.json(&json!({"response": {"items": items}}).to_string());
    });
    let outside = outside(&peer, LONG);
    for _ in 0..2 {
        for (provider, path) in [("checks", "/validate"), ("signatures", "/signatures")] {
            let said = ask_with(&outside, &json!({"provider": provider, "keys": ["a"]}), 0);
            assert_eq!(said.unwrap()["responses"], json!([["a", path]]));
        }
    }
    assert_eq!(peer.received().len(), 2);
}

#[test]
fn keys_may_be_a_set() {
    let peer = provider();
    let policy = "package kubernetes.admission.asking
deny contains json.marshal(external_data({\"provider\": \"checks\", \"keys\": {\"b\", \"a\"}}))
";
    let set = load(policy, &outside(&peer, LONG)).unwrap();
    let limits = Limits {
        deadline: Instant::now() + LONG,
        context: context_of_now(Gate::Validate),
    };
    let said = set.evaluate(&set.policies()[0], &Document::from_json(&json!({})), &limits);
    let said: Value = serde_json::from_str(&said.unwrap().deny[0].msg).unwrap();
    assert_eq!(
        said["responses"],
        json!([["a", "a@sha256:1"], ["b", "b@sha256:1"]])
    );
}

#[test]
fn what_the_provider_says_of_itself_is_given_to_the_policy() {
    let peer = Peer::start(|_, reply| {
        reply.answer("503 Busy", &[], r#"{"response": {"systemError": "no database"}}"#);
    });
    assert_eq!(
        ask(&outside(&peer, LONG), &["a"]).unwrap(),
        json!({"responses": [], "errors": [], "status_code": 503, "system_error": "no database"})
    );
    let odd = Peer::start(|_, reply| reply.json(r#"{"response": {"systemError": {"code": 7}}}"#));
    assert_eq!(
        ask(&outside(&odd, LONG), &["a"]).unwrap()["system_error"],
        json!("the provider's system error is no text")
    );
}

#[test]
fn a_provider_that_gives_no_answer_is_a_fault() {
    let message = |answer: &'static str, timeout| {
        let peer = Peer::start(move |_, reply| match answer {
            "" => reply.never(),
            answer => reply.json(answer),
        });
        match ask(&outside(&peer, timeout), &["secret"]).unwrap_err() {
            Fault::Builtin { message, .. } => message.replace(&peer.port.to_string(), "PORT"),
            fault => panic!("{fault:?}"),
        }
    };
    for (answer, timeout, expected) in [
        (
            "",
            Duration::from_millis(200),
            "external_data: 127.0.0.1:PORT did not answer in time",
        ),
        ("{", LONG, "external_data: the provider's answer is no JSON"),
        (
            "{}",
            LONG,
            "external_data: the provider's answer is no ProviderResponse",
        ),
    ] {
        let begin = Instant::now();
        let told = message(answer, timeout);
        assert!(begin.elapsed() < LONG / 4, "{:?}", begin.elapsed());
        assert!(told.contains(expected) && !told.contains("secret"), "{told}");
    }
}

#[test]
fn what_is_no_question_is_an_error() {
    let peer = provider();
    let outside = outside(&peer, LONG);
    for (request, expected) in [
        (json!("secret"), "operand 1 must be an object"),
        (json!({"keys": []}), "\"provider\" must be a string"),
        (
            json!({"provider": "checks"}),
            "\"keys\" must be an array of strings",
        ),
        (
            json!({"provider": "checks", "keys": [1]}),
            "\"keys\" must be an array of strings",
        ),
        (
            json!({"provider": "secret", "keys": ["a"]}),
            "there is no provider of this name",
        ),
    ] {
        let Err(Fault::Builtin { message, .. }) = ask_with(&outside, &request, 0) else {
            panic!("{request}")
        };
        assert!(
            message.contains(&format!("external_data: {expected}")),
            "{message}"
        );
        assert!(!message.contains("secret"), "{message}");
    }
    assert!(peer.received().is_empty());
}

#[test]
fn a_provider_that_nobody_knows_is_a_finding() {
    let peer = provider();
    let policy = |name: &str| {
        format!(
            "package kubernetes.admission.p\ndeny contains \"x\" if external_data({{\"provider\": \"{name}\", \"keys\": []}}).system_error != \"\"\n"
        )
    };
    assert!(load(&policy("checks"), &outside(&peer, LONG)).is_ok());
    assert_eq!(
        load(&policy("other"), &outside(&peer, LONG)).unwrap_err(),
        ["p.rego:2:22: `external_data`: there is no provider `other`"]
    );
    assert_eq!(
        load(&policy("checks"), &Arc::default()).unwrap_err(),
        [
            "p.rego:2:22: `external_data` is not offered here: no provider is known: name the file that says where it is with \
          --provider"
        ]
    );
}
