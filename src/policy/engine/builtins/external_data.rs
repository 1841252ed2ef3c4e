//! `external_data`: what a provider of Gatekeeper's protocol says of keys. Gatekeeper's templates call it by this name.
//!
//! As there a provider that cannot be asked is an error of the builtin, and what the provider says itself (errors of
//! keys, a system error, the status) is the template's to judge. Other than there a key that the provider passed over
//! is an error of that key: a template that looks only for errors must not take silence for consent.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Instant;

use regorus::Value;

use super::http::{failure, object, patience};
use super::once::{Failure, once};
use super::{EVALUATION, encoding, weight};
use crate::fetch::{Request, Tls};
use crate::policy::engine::outside::{Provider, Providers};
use crate::policy::engine::{Document, Outside};

const NAME: &str = "external_data";

/// How long what a provider said of a key holds: three minutes, as in Gatekeeper.
const HOLDS_NS: i64 = 180_000_000_000;

/// The version of the protocol.
const API_VERSION: &str = "externaldata.gatekeeper.sh/v1beta1";

/// `external_data({"provider": name, "keys": [key, …]})`
pub(super) fn external_data(values: &[Value], outside: &Outside) -> anyhow::Result<Value> {
    let operand = values.first().cloned().unwrap_or(Value::Undefined);
    weight::check(&operand, NAME)?;
    let question = Question::read(&operand)?;
    Ok(once(NAME, operand, || answer(&question, outside))?)
}

/// What is asked of whom.
struct Question {
    provider: Arc<str>,
    keys: Vec<Arc<str>>,
}

impl Question {
    fn read(operand: &Value) -> anyhow::Result<Self> {
        let Value::Object(members) = operand else {
            anyhow::bail!("{NAME}: operand 1 must be an object");
        };
        let Some(Value::String(provider)) = members.get(&Value::from("provider")) else {
            anyhow::bail!("{NAME}: \"provider\" must be a string");
        };
        let texts = |items: &mut dyn Iterator<Item = &Value>| -> Option<Vec<Arc<str>>> {
            items
                .map(|item| match item {
                    Value::String(text) => Some(text.clone()),
                    _ => None,
                })
                .collect()
        };
        let keys = match members.get(&Value::from("keys")) {
            Some(Value::Array(keys)) => texts(&mut keys.iter()),
            Some(Value::Set(keys)) => texts(&mut keys.iter_sorted()),
            _ => None,
        };
        let Some(keys) = keys else {
            anyhow::bail!("{NAME}: \"keys\" must be an array of strings");
        };
        Ok(Self {
            provider: provider.clone(),
            keys,
        })
    }

    /// What an answer for one key is kept under.
    fn kept_as(&self, key: &str) -> Value {
        let names = [NAME, &*self.provider, key];
        Value::from(names.map(Value::from).to_vec())
    }
}

/// What a provider said.
#[derive(Default)]
struct Said {
    /// Pairs of a key and its value.
    responses: Vec<Value>,
    /// Pairs of a key and what is wrong with it.
    errors: Vec<Value>,
    system_error: String,
    status: u64,
}

fn pair(key: Value, value: Value) -> Value {
    Value::from(vec![key, value])
}

fn answer(question: &Question, outside: &Outside) -> Result<Value, Failure> {
    let providers = outside.providers.as_ref();
    let provider = providers.and_then(|providers| providers.named.get(&*question.provider));
    let (Some(providers), Some(provider)) = (providers, provider) else {
        return Err(internal(format!("{NAME}: there is no provider of this name")));
    };
    let now_ns = EVALUATION.get().context.now_ns;
    let mut said = Said {
        status: 200,
        ..Said::default()
    };
    let mut missing = BTreeSet::new();
    for key in &question.keys {
        match outside.answers.get(&question.kept_as(key), now_ns) {
            Some(value) => said.responses.push(pair(Value::String(key.clone()), value)),
            None => {
                missing.insert(key.clone());
            }
        }
    }
    if !missing.is_empty() {
        let asked = ask(providers, provider, &missing)?;
        if asked.status == 200 && asked.system_error.is_empty() {
            let failed: BTreeSet<_> = asked.errors.iter().filter_map(|error| at(error, 0)).collect();
            for response in &asked.responses {
                if let (Some(name @ Value::String(key)), Some(value)) = (at(response, 0), at(response, 1))
                    && missing.contains(key)
                    && !failed.contains(name)
                {
                    let until = now_ns.saturating_add(HOLDS_NS);
                    outside
                        .answers
                        .keep(question.kept_as(key), value.clone(), now_ns, until);
                }
            }
        }
        said.responses.extend(asked.responses);
        said.errors = asked.errors;
        (said.system_error, said.status) = (asked.system_error, asked.status);
    }
    Ok(object([
        ("responses", Value::from(said.responses)),
        ("errors", Value::from(said.errors)),
        ("system_error", Value::from(said.system_error)),
        ("status_code", Value::from(said.status)),
    ]))
}

fn at(value: &Value, index: usize) -> Option<&Value> {
    match value {
        Value::Array(items) => items.get(index),
        _ => None,
    }
}

fn internal(message: String) -> Failure {
    Failure { code: "", message }
}

/// Asks a provider for these keys.
fn ask(providers: &Providers, provider: &Provider, keys: &BTreeSet<Arc<str>>) -> Result<Said, Failure> {
    let keys: Vec<Value> = keys.iter().map(|key| Value::String(key.clone())).collect();
    let body = object([
        ("apiVersion", Value::from(API_VERSION)),
        ("kind", Value::from("ProviderRequest")),
        ("request", object([("keys", Value::from(keys.clone()))])),
    ]);
    let body = match encoding::json_marshal(&[body]) {
        Ok(Value::String(body)) => body,
        Ok(_) => return Err(internal(format!("{NAME}: the keys are no JSON"))),
        Err(error) => return Err(internal(format!("{NAME}: {error}"))),
    };
    let request = Request {
        method: "POST".into(),
        url: provider.url.clone(),
        headers: vec![("content-type".into(), "application/json".into())],
        body: body.as_bytes().to_vec().into(),
        tls: Tls {
            authorities: provider.authorities.clone(),
            ..Tls::default()
        },
    };
    let own = Instant::now().checked_add(provider.timeout);
    let until = own.map_or_else(patience, |own| own.min(patience()));
    let response = providers
        .client
        .send(request, until)
        .map_err(|error| failure(NAME, &error))?;
    let document = Document::parse(&response.body)
        .map_err(|_| internal(format!("{NAME}: the provider's answer is no JSON")))?;
    said(&document, &keys, u64::from(response.status))
}

/// Reads a `ProviderResponse`.
fn said(document: &Document, keys: &[Value], status: u64) -> Result<Said, Failure> {
    let Some(response) = document.get("response") else {
        return Err(internal(format!(
            "{NAME}: the provider's answer is no ProviderResponse"
        )));
    };
    let mut said = Said {
        status,
        ..Said::default()
    };
    if let Some(error) = response.get("systemError") {
        said.system_error = error
            .as_str()
            .unwrap_or("the provider's system error is no text")
            .to_owned();
    }
    let mut answered = BTreeSet::new();
    for item in response
        .get("items")
        .and_then(|items| items.items())
        .unwrap_or_default()
    {
        let key = item.get("key").map_or(Value::Null, |key| key.0);
        answered.insert(key.clone());
        match item.get("error").filter(|error| error.as_str() != Some("")) {
            Some(error) => said.errors.push(pair(key, error.0)),
            None => said
                .responses
                .push(pair(key, item.get("value").map_or(Value::Null, |value| value.0))),
        }
    }
    if said.system_error.is_empty() {
        for key in keys.iter().filter(|key| !answered.contains(key)) {
            said.errors.push(pair(
                key.clone(),
                Value::from("the provider says nothing of this key"),
            ));
        }
    }
    Ok(said)
}
