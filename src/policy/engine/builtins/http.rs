//! `http.send` as OPA has it, within what the operator allows and the review's deadline.
//!
//! Other than in OPA: whoever is not on the list is not asked, nothing is followed, no certificate goes unchecked, and
//! what a review has asked once it is not asked again, whatever was answered. A failure names no more than the host.

mod caching;
mod request;

use std::time::{Duration, Instant};

use regorus::Value;

use self::request::Asked;
use super::once::{Failure, once};
use super::{EVALUATION, deadline, weight, yaml};
use crate::fetch::{self, Response};
use crate::policy::engine::{Document, Outside};

const NAME: &str = "http.send";

/// OPA's codes of failures.
const INTERNAL: &str = "eval_http_send_internal_error";
const NETWORK: &str = "eval_http_send_network_error";

/// What is left of a review's time so that its policies can still say something of a host that was late.
const RESERVE: Duration = Duration::from_millis(50);

/// `http.send(request)`
pub(super) fn send(values: &[Value], outside: &Outside) -> anyhow::Result<Value> {
    let Some(operand @ Value::Object(_)) = values.first() else {
        anyhow::bail!("{NAME}: operand 1 must be an object");
    };
    weight::check(operand, NAME)?;
    let raise = request::flag(operand, "raise_error", true)?;
    match once(NAME, request::key(operand), || answer(operand, outside)) {
        Ok(value) => Ok(value),
        Err(failure) if raise => Err(failure.into()),
        Err(Failure { code, message }) => Ok(object([
            ("status_code", Value::from(0u64)),
            (
                "error",
                object([("code", Value::from(code)), ("message", Value::from(message))]),
            ),
        ])),
    }
}

/// Until when a builtin may wait for others: nearly the end of its evaluation.
pub(super) fn patience() -> Instant {
    let end = deadline();
    let left = end.saturating_duration_since(Instant::now());
    end.checked_sub(RESERVE.min(left / 10)).unwrap_or(end)
}

/// What a failure of the client is.
pub(super) fn failure(builtin: &str, error: &fetch::Error) -> Failure {
    let code = match error {
        fetch::Error::Address(_)
        | fetch::Error::Busy(..)
        | fetch::Error::Connection { .. }
        | fetch::Error::Late(_)
        | fetch::Error::Name(_) => NETWORK,
        fetch::Error::Broken { .. }
        | fetch::Error::Ended
        | fetch::Error::NotAllowed(_)
        | fetch::Error::Request(_)
        | fetch::Error::TooLarge(_)
        | fetch::Error::Trust(_)
        | fetch::Error::Url(_) => INTERNAL,
    };
    Failure {
        code,
        message: format!("{builtin}: {error}"),
    }
}

fn answer(operand: &Value, outside: &Outside) -> Result<Value, Failure> {
    let internal = |message: String| Failure {
        code: INTERNAL,
        message,
    };
    let asked = Asked::read(operand).map_err(|error| internal(error.to_string()))?;
    let Some(client) = &outside.http else {
        return Err(internal(format!(
            "{NAME}: nobody may be asked: no host is allowed"
        )));
    };
    let now_ns = EVALUATION.get().context.now_ns;
    // Whether an answer may be kept is a part of the question.
    let question = Value::from(vec![Value::from(NAME), request::key(operand)]);
    if let Some(known) = outside.answers.get(&question, now_ns) {
        return Ok(known);
    }
    let response = exchange(client, &asked).map_err(|error| failure(NAME, &error))?;
    let value = value(&response, &asked);
    if let Some(caching) = asked.caching
        && let Some(until) = caching.until(&response, now_ns)
    {
        outside.answers.keep(question, value.clone(), now_ns, until);
    }
    Ok(value)
}

/// Asks, and asks again as often as the policy wants while there is time.
fn exchange(client: &fetch::Client, asked: &Asked) -> Result<Response, fetch::Error> {
    let patience = patience();
    let mut pause = Duration::from_millis(100);
    let mut left = asked.retries;
    loop {
        let now = Instant::now();
        let own = asked.timeout.and_then(|timeout| now.checked_add(timeout));
        let until = own.map_or(patience, |own| own.min(patience));
        let result = client.send(asked.request.clone(), until);
        let worth_it = matches!(
            result,
            Err(fetch::Error::Connection { .. } | fetch::Error::Late(_) | fetch::Error::Name(_))
        );
        let time = patience.saturating_duration_since(Instant::now()) > pause;
        if !worth_it || left == 0 || !time {
            return result;
        }
        // Nobody wakes it before, and if somebody did, it would only ask again sooner.
        std::thread::park_timeout(pause);
        pause = pause.mul_f64(1.6);
        left -= 1;
    }
}

/// The response as policies see it. A body that cannot be read as what it is to be read is null.
fn value(response: &Response, asked: &Asked) -> Value {
    let text = String::from_utf8_lossy(&response.body);
    let kind = response.headers.iter().find(|(name, _)| name == "content-type");
    let kind = kind.map_or_else(String::new, |(_, kind)| {
        String::from_utf8_lossy(kind).into_owned()
    });
    let body = if asked.as_json || is_json(&kind) {
        Document::parse(&response.body).map(|document| document.0).ok()
    } else if asked.as_yaml
        || ["application/yaml", "application/x-yaml"]
            .iter()
            .any(|yaml| kind.contains(yaml))
    {
        yaml::unmarshal(&[Value::from(&*text)]).ok()
    } else {
        None
    };
    object([
        (
            "status",
            Value::from(format!("{} {}", response.status, response.reason)),
        ),
        ("status_code", Value::from(u64::from(response.status))),
        ("body", body.unwrap_or(Value::Null)),
        ("raw_body", Value::from(&*text)),
        ("headers", headers(response)),
    ])
}

/// Whether a media type is that of JSON.
fn is_json(kind: &str) -> bool {
    let kind = kind
        .split(';')
        .next()
        .unwrap_or_default()
        .trim()
        .to_ascii_lowercase();
    kind.strip_prefix("application/")
        .is_some_and(|kind| kind == "json" || kind.ends_with("+json") && !kind.contains('/'))
}

/// Each header with all its values. As in Go what says how the message was framed is not among them.
fn headers(response: &Response) -> Value {
    let mut headers = std::collections::BTreeMap::<&str, Vec<Value>>::new();
    for (name, value) in &response.headers {
        let value = String::from_utf8_lossy(value);
        let framing = match name.as_str() {
            "connection" => value.eq_ignore_ascii_case("close"),
            name => ["trailer", "transfer-encoding"].contains(&name),
        };
        if framing {
            continue;
        }
        let value = Value::from(&*value);
        headers.entry(name).or_default().push(value);
    }
    let members = headers
        .into_iter()
        .map(|(name, values)| (name, Value::from(values)));
    object(members)
}

/// An object of these members.
pub(super) fn object<'a>(members: impl IntoIterator<Item = (&'a str, Value)>) -> Value {
    let members = members.into_iter().map(|(key, value)| (Value::from(key), value));
    Value::from(members.collect::<std::collections::BTreeMap<_, _>>())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::engine::builtins::TooMuch;
    use crate::policy::engine::builtins::external_data::external_data;

    #[test]
    fn a_policy_has_some_time_left_when_it_has_waited_for_others() {
        for (seconds, reserve) in [(10.0, 0.05), (0.1, 0.01)] {
            let deadline = Instant::now() + Duration::from_secs_f64(seconds);
            super::super::set_deadline(deadline);
            let rest = deadline.saturating_duration_since(patience()).as_secs_f64();
            // Some of a short time has passed meanwhile.
            assert!(rest <= reserve && (rest > 0.0 || seconds < 1.0), "{rest}");
            assert!(rest >= reserve || seconds < 1.0, "{rest}");
        }
        super::super::set_deadline(Instant::now());
        assert!(patience() <= Instant::now());
    }

    /// A value that holds itself twice in each of forty steps: nothing that goes through it ever ends.
    fn endless() -> Value {
        (0..40).fold(Value::from("x"), |value, _| {
            Value::from(vec![value.clone(), value])
        })
    }

    #[test]
    fn a_request_that_nobody_could_write_down_is_too_much() {
        let outside = Outside::default();
        let request = object([
            ("method", Value::from("get")),
            ("url", Value::from("x")),
            ("body", endless()),
        ]);
        let question = object([("provider", Value::from("p")), ("keys", endless())]);
        for (name, result) in [
            (NAME, send(&[request], &outside)),
            ("external_data", external_data(&[question], &outside)),
        ] {
            let error = result.unwrap_err();
            assert!(error.is::<TooMuch>(), "{error}");
            assert_eq!(
                error.to_string(),
                format!("{name}: the operands are more than 16 MiB")
            );
        }
    }
}
