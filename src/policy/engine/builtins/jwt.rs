//! Tokens: `io.jwt.decode`, `io.jwt.decode_verify` and `io.jwt.verify_*`, as OPA has them.
//!
//! A token is text from anybody, so its errors say nothing of what it holds, and at authn a text that is no token is
//! undefined and not a fault. Only compact signed tokens are read; `exp` and `nbf` are judged by the time of the review.

mod algorithm;
mod keys;
mod sign;

use std::collections::BTreeMap;

use regorus::Value;

use self::algorithm::{Algorithm, Family};
use self::keys::{Key, member};
pub(super) use self::sign::{encode_sign, encode_sign_raw};
use super::encoding::{from_base64url, hex, undefined_at_authn};
use super::{EVALUATION, text};
use crate::policy::engine::json::Document;

/// Tokens in tokens that are opened; each is shorter than the one around it.
const MAX_NESTED: usize = 8;

/// A compact token: three parts between two dots.
struct Token<'a> {
    /// Header and payload as they were signed.
    signed: &'a str,
    header: &'a str,
    payload: &'a str,
    signature: &'a str,
}

/// What a header says of how to verify its token.
struct Header<'a> {
    algorithm: &'a str,
    id: &'a str,
    content: &'a str,
    has_unknown_critical: bool,
}

impl<'a> Header<'a> {
    fn of(header: &'a Value) -> anyhow::Result<Self> {
        let name = |key| match member(header, key) {
            None => Ok(""),
            Some(Value::String(name)) => Ok(&**name),
            Some(_) => Err(anyhow::anyhow!("`{key}` in the header must be a string")),
        };
        let (algorithm, id, content, _) = (name("alg")?, name("kid")?, name("cty")?, name("typ")?);
        let has_unknown_critical = match member(header, "crit") {
            None => false,
            Some(Value::Array(names)) if !names.is_empty() => {
                let mut unknown = false;
                for name in names.iter() {
                    let Value::String(name) = name else {
                        anyhow::bail!("`crit` in the header must be a list of names");
                    };
                    let known = ["alg", "kid", "typ", "cty", "crit"].contains(&&**name);
                    unknown |= !known && member(header, name).is_some();
                }
                unknown
            }
            Some(_) => anyhow::bail!("`crit` in the header must be a list of names"),
        };
        Ok(Self {
            algorithm,
            id,
            content,
            has_unknown_critical,
        })
    }
}

impl<'a> Token<'a> {
    fn read(text: &'a str) -> anyhow::Result<Self> {
        let mut parts = text.split('.');
        let (Some(header), Some(payload), Some(signature), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            anyhow::bail!("a token has three parts between two dots");
        };
        let signed = text.rsplit_once('.').map_or(text, |(signed, _)| signed);
        Ok(Self {
            signed,
            header,
            payload,
            signature,
        })
    }

    /// Its header, unless it is of an encrypted token.
    fn header(&self) -> anyhow::Result<Value> {
        let header = object(self.header)?;
        if member(&header, "enc").is_some() {
            anyhow::bail!("encrypted tokens are not supported");
        }
        Ok(header)
    }

    /// Whether one of the keys has signed it: the one that the header names if it is there, else any whose `alg` is
    /// not another one.
    fn is_signed_by(&self, header: &Header<'_>, keys: &[Key], algorithm: Algorithm) -> anyhow::Result<bool> {
        let signature = bytes(self.signature)?;
        let verifies = |key: &Key| key.verifies(algorithm, self.signed.as_bytes(), &signature);
        let named = keys
            .iter()
            .find(|key| !header.id.is_empty() && key.id == header.id);
        Ok(match named {
            Some(key) => verifies(key),
            None => keys
                .iter()
                .filter(|key| key.algorithm.is_empty() || key.algorithm == header.algorithm)
                .any(verifies),
        })
    }
}

fn bytes(part: &str) -> anyhow::Result<Vec<u8>> {
    from_base64url(part).map_err(|_| anyhow::anyhow!("a part of the token is not base64url"))
}

fn decoded(part: &str) -> anyhow::Result<String> {
    String::from_utf8(bytes(part)?).map_err(|_| anyhow::anyhow!("a part of the token is not UTF-8"))
}

fn object(part: &str) -> anyhow::Result<Value> {
    match Document::parse(decoded(part)?.as_bytes()) {
        Ok(Document(value @ Value::Object(_))) => Ok(value),
        _ => anyhow::bail!("a part of the token is not a JSON object"),
    }
}

/// The longest header in which the name of a key is looked for.
const MAX_HEADER: usize = 16 * 1024;

/// The name of the key that a token says it is signed with; `None` as well for what is no token.
pub(super) fn key_id(text: &str) -> Option<String> {
    let token = Token::read(text).ok()?;
    if token.header.len() > MAX_HEADER {
        return None;
    }
    let header = token.header().ok()?;
    let id = Header::of(&header).ok()?.id;
    (!id.is_empty()).then(|| id.to_owned())
}

/// The part of a text that verifies tokens of others, and the name of each of its keys.
pub(super) fn public_keys(text: &str) -> anyhow::Result<(String, Vec<String>)> {
    let (text, keys) = keys::public(text)?;
    Ok((text, keys.into_iter().map(|key| key.id).collect()))
}

/// `io.jwt.decode(token)`: header, payload and the signature in hexadecimal digits; nothing is verified.
pub(super) fn decode(values: &[Value]) -> anyhow::Result<Value> {
    named("io.jwt.decode", |name| {
        let mut text = text(values, 0, name)?.to_owned();
        for _ in 0..MAX_NESTED {
            let token = Token::read(&text)?;
            let header = token.header()?;
            match member(&header, "cty") {
                // Others write the inner token between quotes.
                Some(Value::String(content)) if &**content == "JWT" => {
                    text = decoded(token.payload)?.trim_matches(['"', '\'']).to_owned();
                }
                Some(Value::String(_)) | None => {
                    let signature = Value::from(hex(&bytes(token.signature)?));
                    return Ok(vec![header, object(token.payload)?, signature].into());
                }
                Some(_) => anyhow::bail!("`cty` in the header must be a string"),
            }
        }
        anyhow::bail!("too many tokens in each other")
    })
}

/// `io.jwt.verify_*(token, key)` of one algorithm: whether a key has signed the token with it.
fn verify(values: &[Value], name: &'static str, algorithm: Algorithm) -> anyhow::Result<Value> {
    named(name, |name| {
        let (token, key) = (text(values, 0, name)?, text(values, 1, name)?);
        let token = Token::read(token)?;
        if matches!(algorithm.family(), Family::Hmac(_)) {
            let signature = bytes(token.signature)?;
            let holds = keys::secret(key).verifies(algorithm, token.signed.as_bytes(), &signature);
            return Ok(Value::from(holds));
        }
        let keys = keys::read(key)?;
        let header = token.header()?;
        let header = Header::of(&header)?;
        Ok(Value::from(token.is_signed_by(&header, &keys, algorithm)?))
    })
}

/// The functions that verify by one algorithm.
macro_rules! verify {
    ($($function:ident $name:literal $algorithm:ident;)+) => {
        $(pub(super) fn $function(values: &[Value]) -> anyhow::Result<Value> {
            verify(values, $name, Algorithm::$algorithm)
        })+
    };
}

verify! {
    verify_rs256 "io.jwt.verify_rs256" Rs256;
    verify_rs384 "io.jwt.verify_rs384" Rs384;
    verify_rs512 "io.jwt.verify_rs512" Rs512;
    verify_ps256 "io.jwt.verify_ps256" Ps256;
    verify_ps384 "io.jwt.verify_ps384" Ps384;
    verify_ps512 "io.jwt.verify_ps512" Ps512;
    verify_es256 "io.jwt.verify_es256" Es256;
    verify_es384 "io.jwt.verify_es384" Es384;
    verify_es512 "io.jwt.verify_es512" Es512;
    verify_hs256 "io.jwt.verify_hs256" Hs256;
    verify_hs384 "io.jwt.verify_hs384" Hs384;
    verify_hs512 "io.jwt.verify_hs512" Hs512;
    verify_eddsa "io.jwt.verify_eddsa" EdDsa;
}

/// `io.jwt.decode_verify(token, constraints)`: whether a key of the constraints has signed the token and its claims
/// meet them, and header and payload if so.
pub(super) fn decode_verify(values: &[Value]) -> anyhow::Result<Value> {
    const NAME: &str = "io.jwt.decode_verify";
    // What the policy asks for is the author's, and its errors are faults at authn, too.
    let constraints = Constraints::read(values.get(1)).map_err(|error| anyhow::anyhow!("{NAME}: {error}"))?;
    named(NAME, |name| {
        let empty = || Value::from(BTreeMap::new());
        Ok(match constraints.verified(text(values, 0, name)?)? {
            Some((header, payload)) => vec![Value::from(true), header, payload].into(),
            None => vec![Value::from(false), empty(), empty()].into(),
        })
    })
}

/// What a token has to be to be verified.
struct Constraints {
    keys: Vec<Key>,
    algorithm: String,
    issuer: String,
    audience: String,
    /// Seconds since 1970.
    time: f64,
}

impl Constraints {
    fn read(value: Option<&Value>) -> anyhow::Result<Self> {
        let Some(Value::Object(members)) = value else {
            anyhow::bail!("operand 2 must be an object");
        };
        let now = EVALUATION.get().context.now_ns;
        let mut constraints = Self {
            keys: Vec::new(),
            algorithm: String::new(),
            issuer: String::new(),
            audience: String::new(),
            #[expect(clippy::cast_precision_loss, reason = "as OPA counts it")]
            time: now as f64 / 1e9,
        };
        let (mut certificate, mut secret) = (None, None);
        for (key, value) in members.iter() {
            let name = key.as_string().map(|name| name.to_string()).unwrap_or_default();
            if name == "time" {
                let time = float(value).filter(|time| *time >= 0.0);
                constraints.time =
                    time.ok_or_else(|| anyhow::anyhow!("`time` must be a number of nanoseconds"))? / 1e9;
                continue;
            }
            let Value::String(text) = value else {
                anyhow::bail!("constraint `{name}` must be a string");
            };
            match name.as_str() {
                "cert" => certificate = Some(keys::read(text)?),
                "secret" => secret = Some(&**text).filter(|secret| !secret.is_empty()),
                "alg" => constraints.algorithm = text.to_string(),
                "iss" => constraints.issuer = text.to_string(),
                "aud" => constraints.audience = text.to_string(),
                _ => anyhow::bail!("there is no constraint `{name}`"),
            }
        }
        constraints.keys = match (certificate, secret) {
            (Some(keys), None) => keys,
            (None, Some(secret)) => vec![keys::secret(secret)],
            (Some(_), Some(_)) => anyhow::bail!("`cert` and `secret` exclude each other"),
            (None, None) => anyhow::bail!("`cert` or `secret` must be there"),
        };
        Ok(constraints)
    }

    /// Header and payload of the innermost token if all around it and it itself are as they should be.
    fn verified(&self, text: &str) -> anyhow::Result<Option<(Value, Value)>> {
        let mut text = text.to_owned();
        for _ in 0..MAX_NESTED {
            let token = Token::read(&text)?;
            let object_of_header = token.header()?;
            let header = Header::of(&object_of_header)?;
            let wanted = self.algorithm.is_empty() || self.algorithm == header.algorithm;
            let (Some(algorithm), true, false) = (
                Algorithm::named(header.algorithm),
                wanted,
                header.has_unknown_critical,
            ) else {
                return Ok(None);
            };
            if !token.is_signed_by(&header, &self.keys, algorithm)? {
                return Ok(None);
            }
            if !header.content.eq_ignore_ascii_case("JWT") {
                let payload = object(token.payload)?;
                return Ok(self.accept(&payload)?.then_some((object_of_header, payload)));
            }
            text = decoded(token.payload)?;
        }
        anyhow::bail!("too many tokens in each other")
    }

    /// Whether the claims meet the constraints.
    fn accept(&self, payload: &Value) -> anyhow::Result<bool> {
        let is = |value: &Value, wanted: &str| matches!(value, Value::String(text) if &**text == wanted);
        let issuer = match member(payload, "iss") {
            _ if self.issuer.is_empty() => true,
            Some(issuer) => is(issuer, &self.issuer),
            None => false,
        };
        let audience = match member(payload, "aud") {
            Some(Value::Array(audiences)) => audiences.iter().any(|audience| is(audience, &self.audience)),
            Some(audience) => is(audience, &self.audience),
            None => self.audience.is_empty(),
        };
        if !issuer || !audience {
            return Ok(false);
        }
        let seconds = |claim| match member(payload, claim) {
            None => Ok(None),
            // One that cannot be compared is none that may be left out.
            Some(value) => match float(value) {
                Some(seconds) => Ok(Some(seconds)),
                None => Err(anyhow::anyhow!("`{claim}` must be a number of seconds")),
            },
        };
        if seconds("exp")?.is_some_and(|end| end <= self.time) {
            return Ok(false);
        }
        Ok(seconds("nbf")?.is_none_or(|begin| begin <= self.time))
    }
}

/// A number as near as a float comes to it.
fn float(value: &Value) -> Option<f64> {
    let Value::Number(number) = value else { return None };
    let float: f64 = number.format_decimal().parse().ok()?;
    float.is_finite().then_some(float)
}

/// Runs a function; its errors are told with its name, and at authn it is undefined instead.
fn named(
    name: &'static str,
    read: impl FnOnce(&'static str) -> anyhow::Result<Value>,
) -> anyhow::Result<Value> {
    undefined_at_authn(read(name).map_err(|error| match error.to_string() {
        told if told.starts_with(name) => error,
        told => anyhow::anyhow!("{name}: {told}"),
    }))
}
