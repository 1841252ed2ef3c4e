//! The operand of `http.send`: which keys it may have, what each may be, and what of it is refused here.

use std::time::Duration;

use bytes::Bytes;
use regorus::Value;

use super::NAME;
use super::caching::Caching;
use crate::fetch::{Request, Tls};
use crate::policy::engine::builtins::{encoding, time};

/// The keys that OPA knows.
const KEYS: [&str; 28] = [
    "body",
    "cache",
    "cache_ignored_headers",
    "caching_mode",
    "enable_redirect",
    "force_cache",
    "force_cache_duration_seconds",
    "force_json_decode",
    "force_yaml_decode",
    "headers",
    "max_retry_attempts",
    "method",
    "raise_error",
    "raw_body",
    "timeout",
    "tls_ca_cert",
    "tls_ca_cert_env_variable",
    "tls_ca_cert_file",
    "tls_client_cert",
    "tls_client_cert_env_variable",
    "tls_client_cert_file",
    "tls_client_key",
    "tls_client_key_env_variable",
    "tls_client_key_file",
    "tls_insecure_skip_verify",
    "tls_server_name",
    "tls_use_system_certs",
    "url",
];

/// How long a request may take that says nothing of it.
const TIMEOUT: Duration = Duration::from_secs(5);

/// What a policy asks for.
pub(super) struct Asked {
    pub(super) request: Request,
    /// The longest time for one attempt; `None` for all that there is.
    pub(super) timeout: Option<Duration>,
    /// How often it is asked again.
    pub(super) retries: u64,
    pub(super) as_json: bool,
    pub(super) as_yaml: bool,
    /// Whether, and for how long, the answer is kept for other reviews.
    pub(super) caching: Option<Caching>,
}

impl Asked {
    /// Reads it all before anybody is asked.
    pub(super) fn read(operand: &Value) -> anyhow::Result<Self> {
        check_keys(operand)?;
        refuse(operand)?;
        let text = |key: &str| text(operand, key);
        let identity = text("tls_client_cert")?.zip(text("tls_client_key")?);
        let request = Request {
            method: text("method")?.unwrap_or_default().to_ascii_uppercase(),
            url: text("url")?.unwrap_or_default(),
            headers: headers(operand)?,
            body: body(operand)?,
            tls: Tls {
                // A policy may have it from where line ends are written out.
                authorities: text("tls_ca_cert")?.map(|pem| pem.replace("\\n", "\n")),
                and_default: flag(operand, "tls_use_system_certs", false)?,
                identity,
                server_name: text("tls_server_name")?,
            },
        };
        let retries = match member(operand, "max_retry_attempts") {
            None => Some(0),
            Some(Value::Number(retries)) => retries.as_u64(),
            Some(_) => None,
        };
        let Some(retries) = retries else {
            anyhow::bail!("{NAME}: invalid value for field \"max_retry_attempts\"");
        };
        Ok(Self {
            request,
            timeout: timeout(operand)?,
            retries,
            as_json: flag(operand, "force_json_decode", false)?,
            as_yaml: flag(operand, "force_yaml_decode", false)?,
            caching: Caching::read(operand)?,
        })
    }
}

/// The member of an object.
pub(super) fn member<'a>(operand: &'a Value, key: &str) -> Option<&'a Value> {
    match operand {
        Value::Object(members) => members.get(&Value::from(key)),
        _ => None,
    }
}

/// A switch, or what it is where it is not set.
pub(super) fn flag(operand: &Value, key: &str, default: bool) -> anyhow::Result<bool> {
    match member(operand, key) {
        None => Ok(default),
        Some(Value::Bool(value)) => Ok(*value),
        Some(_) => anyhow::bail!("{NAME}: invalid value for {key} field"),
    }
}

/// What makes two requests the same: all that they say, but for the headers that they say do not matter.
pub(super) fn key(operand: &Value) -> Value {
    let ignored = member(operand, "cache_ignored_headers").cloned();
    let mut key = operand.clone();
    let Ok(members) = key.as_object_mut() else {
        return key;
    };
    if let (Some(Value::Array(ignored)), Some(Value::Object(_))) =
        (ignored, members.get(&Value::from("headers")))
        && let Some(headers) = members.get_mut(&Value::from("headers"))
        && let Ok(headers) = headers.as_object_mut()
    {
        for name in ignored.iter() {
            headers.remove(name);
        }
    }
    members.insert(Value::from("cache_ignored_headers"), Value::Null);
    key
}

fn check_keys(operand: &Value) -> anyhow::Result<()> {
    let Value::Object(members) = operand else {
        anyhow::bail!("{NAME}: operand 1 must be an object");
    };
    // A key that is made of what was asked could be a secret: only how many there are is told.
    let known = |key: &Value| matches!(key, Value::String(key) if KEYS.contains(&&**key));
    let unknown = members.iter().filter(|(key, _)| !known(key)).count();
    if unknown > 0 {
        anyhow::bail!("{NAME}: operand 1: {unknown} invalid request parameter(s)");
    }
    for key in ["method", "url"] {
        if member(operand, key).is_none() {
            anyhow::bail!("{NAME}: operand 1: missing required request parameter \"{key}\"");
        }
    }
    Ok(())
}

/// Refuses what OPA would do and this does not.
fn refuse(operand: &Value) -> anyhow::Result<()> {
    if flag(operand, "enable_redirect", false)? {
        anyhow::bail!("{NAME}: redirects are not followed here: ask where they lead to");
    }
    if flag(operand, "tls_insecure_skip_verify", false)? {
        anyhow::bail!(
            "{NAME}: certificates are always verified here: give the authority's in \"tls_ca_cert\""
        );
    }
    let from_elsewhere = KEYS.iter().find(|key| {
        (key.ends_with("_file") || key.ends_with("_env_variable")) && member(operand, key).is_some()
    });
    match from_elsewhere {
        Some(key) => anyhow::bail!("{NAME}: \"{key}\": policies read neither files nor the environment here"),
        None => Ok(()),
    }
}

/// A string, without quotes around it.
fn text(operand: &Value, key: &str) -> anyhow::Result<Option<String>> {
    match member(operand, key) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.trim_matches('"').to_owned())),
        Some(_) => anyhow::bail!("{NAME}: \"{key}\" must be a string"),
    }
}

fn headers(operand: &Value) -> anyhow::Result<Vec<(String, String)>> {
    let ignored = member(operand, "cache_ignored_headers");
    if ignored.is_some_and(|ignored| !is_list_of_texts(ignored)) && member(operand, "headers").is_some() {
        anyhow::bail!("{NAME}: cache_ignored_headers must be an array of strings");
    }
    let members = match member(operand, "headers") {
        None => return Ok(Vec::new()),
        Some(Value::Object(members)) => members,
        Some(_) => anyhow::bail!("{NAME}: invalid type for headers key"),
    };
    let header = |(name, value): (&Value, &Value)| match (name, value) {
        (Value::String(name), Value::String(value)) => Ok((name.to_string(), value.to_string())),
        _ => anyhow::bail!("{NAME}: invalid type for headers value"),
    };
    members.iter().map(header).collect()
}

fn is_list_of_texts(value: &Value) -> bool {
    match value {
        Value::Array(items) => items.iter().all(|item| matches!(item, Value::String(_))),
        _ => false,
    }
}

/// `raw_body` as it is, or else `body` as JSON.
fn body(operand: &Value) -> anyhow::Result<Bytes> {
    if let Some(raw) = text(operand, "raw_body")? {
        return Ok(raw.into());
    }
    match member(operand, "body") {
        None => Ok(Bytes::new()),
        Some(body) => match encoding::json_marshal(std::slice::from_ref(body))? {
            Value::String(json) => Ok(Bytes::copy_from_slice(json.as_bytes())),
            _ => Ok(Bytes::new()),
        },
    }
}

/// Nanoseconds, or a text with a unit.
fn timeout(operand: &Value) -> anyhow::Result<Option<Duration>> {
    let nanoseconds = match member(operand, "timeout") {
        None => return Ok(Some(TIMEOUT)),
        Some(Value::Number(number)) => number.as_i64(),
        Some(Value::String(text)) => text.parse().ok().or_else(|| {
            let read = time::parse_duration_ns(&[Value::from(&**text)]).ok()?;
            read.as_number().ok()?.as_i64()
        }),
        Some(_) => anyhow::bail!("{NAME}: 'timeout' must be one of {{string, number}}"),
    };
    match nanoseconds {
        Some(0) => Ok(None),
        Some(nanoseconds) => Ok(Some(Duration::from_nanos(
            u64::try_from(nanoseconds).unwrap_or(0),
        ))),
        None => anyhow::bail!("{NAME}: invalid timeout value"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(more: &[(&str, Value)]) -> anyhow::Result<Asked> {
        let base = [("method", Value::from("get")), ("url", Value::from("https://a/"))];
        let members = base.into_iter().chain(more.iter().cloned());
        Asked::read(&super::super::object(members))
    }

    #[test]
    fn a_request_takes_five_seconds_unless_it_says_otherwise() {
        let timeout = |value: Value| asked(&[("timeout", value)]).unwrap().timeout;
        assert_eq!(asked(&[]).unwrap().timeout, Some(Duration::from_secs(5)));
        // As in OPA none is all the time that there is.
        assert_eq!(timeout(Value::from(0u64)), None);
        assert_eq!(timeout(Value::from("0")), None);
        assert_eq!(timeout(Value::from(7u64)), Some(Duration::from_nanos(7)));
        assert_eq!(timeout(Value::from("7")), Some(Duration::from_nanos(7)));
        assert_eq!(timeout(Value::from("2s")), Some(Duration::from_secs(2)));
        assert_eq!(timeout(Value::from(-1i64)), Some(Duration::ZERO));
    }
}
