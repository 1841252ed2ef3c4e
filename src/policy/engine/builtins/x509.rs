//! Certificates and requests for them: the `crypto.x509.*` builtins, as OPA has them.
//!
//! What is read is told in the form in which Go writes its own types as JSON, member by member. Certificates are text
//! from anybody: errors say nothing of what they hold, and at authn a text that is none is undefined and not a fault.
//! A chain that cannot be judged is never valid.

mod certificate;
mod constraints;
mod der;
mod extensions;
mod key;
mod moment;
mod name;
mod names;
mod pem;
mod request;
mod value;
mod verify;

use std::borrow::Cow;

use regorus::Value;

use self::certificate::Certificate;
#[cfg(test)]
pub(super) use self::constraints::MAX_COMPARISONS;
use self::verify::Options;
use super::encoding::{from_base64, undefined_at_authn};
use super::{EVALUATION, TooMuch, text};

/// The longest text that is read. Each of its bytes comes back several times, and every name as an object of its own.
pub(super) const MAX_TEXT: usize = 1024 * 1024;

const BEGIN: &str = "-----BEGIN";

/// `crypto.x509.parse_certificates(text)`: PEM blocks, or DER in base64.
pub(super) fn parse_certificates(values: &[Value]) -> anyhow::Result<Value> {
    const NAME: &str = "crypto.x509.parse_certificates";
    let read = || {
        let der = der_of(short_text(values, NAME)?);
        let certificates = der.as_deref().and_then(Certificate::read_all);
        let all = certificates.and_then(|all| told(&all, true));
        all.ok_or_else(|| anyhow::anyhow!("{NAME}: the text does not hold certificates only"))
    };
    undefined_at_authn(read())
}

/// `crypto.x509.parse_and_verify_certificates(text)`: whether the first certificate is that of an authority which the
/// last one leads back to, over those between, and the chain if so.
pub(super) fn parse_and_verify(values: &[Value]) -> anyhow::Result<Value> {
    const NAME: &str = "crypto.x509.parse_and_verify_certificates";
    let read = || {
        let der = der_of(short_text(values, NAME)?);
        match der.as_deref().and_then(Certificate::read_all) {
            Some(certificates) => verified(&certificates, &Options::of(NAME), true),
            None => Ok(not_verified()),
        }
    };
    undefined_at_authn(read())
}

/// The same with a time, a host, and uses of keys besides.
pub(super) fn parse_and_verify_with_options(values: &[Value]) -> anyhow::Result<Value> {
    const NAME: &str = "crypto.x509.parse_and_verify_certificates_with_options";
    let der = match short_text(values, NAME) {
        Ok(text) => der_of(text),
        Err(error) => return undefined_at_authn(Err(error)),
    };
    let is_object = matches!(values.get(1), Some(Value::Object(_)));
    if !is_object {
        anyhow::bail!("{NAME}: operand 2 must be an object");
    }
    let Some(certificates) = der.as_deref().and_then(Certificate::read_all) else {
        return Ok(not_verified());
    };
    // What the policy asks for is the author's, and its errors are faults at authn, too.
    let options = Options::read(values.get(1), NAME)?;
    undefined_at_authn(verified(&certificates, &options, false))
}

/// `crypto.x509.parse_certificate_request(text)`: a PEM block, or DER or such a block in base64.
pub(super) fn parse_certificate_request(values: &[Value]) -> anyhow::Result<Value> {
    const NAME: &str = "crypto.x509.parse_certificate_request";
    let read = || {
        let der = request_of(short_text(values, NAME)?);
        let request = der.as_deref().and_then(request::value);
        request.ok_or_else(|| anyhow::anyhow!("{NAME}: the text is no request for a certificate"))
    };
    undefined_at_authn(read())
}

fn short_text<'a>(values: &'a [Value], name: &'static str) -> anyhow::Result<&'a str> {
    let text = text(values, 0, name)?;
    match text.len() > MAX_TEXT {
        true => Err(TooMuch(format!("{name}: operand 1 is longer than 1 MiB")).into()),
        false => Ok(text),
    }
}

/// What certificates are in a text, one after the other.
fn der_of(text: &str) -> Option<Vec<u8>> {
    if text.starts_with(BEGIN) {
        return der_of_blocks(text);
    }
    let decoded = from_base64(text).ok()?;
    match decoded.starts_with(BEGIN.as_bytes()) {
        true => der_of_blocks(&String::from_utf8_lossy(&decoded)),
        false => Some(decoded),
    }
}

fn der_of_blocks(text: &str) -> Option<Vec<u8>> {
    let (mut rest, mut der) = (text, Vec::new());
    while let Some((block, after)) = pem::next(rest) {
        (block.label == "CERTIFICATE").then_some(())?;
        der.extend(block.bytes);
        rest = after;
    }
    Some(der)
}

fn request_of(text: &str) -> Option<Vec<u8>> {
    let decoded = match text.starts_with("-----BEGIN CERTIFICATE REQUEST-----") {
        true => Cow::Borrowed(text.as_bytes()),
        false => Cow::Owned(from_base64(text).ok()?),
    };
    match pem::next(&String::from_utf8_lossy(&decoded)) {
        Some((block, _)) => (block.label == "CERTIFICATE REQUEST").then_some(block.bytes),
        None => Some(decoded.into_owned()),
    }
}

/// `None` for numbers that are too long.
fn told<'c, 'a: 'c>(
    certificates: impl IntoIterator<Item = &'c Certificate<'a>>,
    with_texts: bool,
) -> Option<Value> {
    let values = certificates.into_iter().map(|one| one.value(with_texts));
    Some(Value::from(values.collect::<Option<Vec<_>>>()?))
}

fn not_verified() -> Value {
    vec![Value::from(false), Value::from(Vec::<Value>::new())].into()
}

fn verified(certificates: &[Certificate<'_>], options: &Options, with_texts: bool) -> anyhow::Result<Value> {
    let Some(chain) = verify::chain(certificates, options)? else {
        return Ok(not_verified());
    };
    let chain = told(chain, with_texts).ok_or_else(|| {
        let name = options.function;
        anyhow::anyhow!("{name}: a number in a certificate is too long")
    })?;
    Ok(vec![Value::from(true), chain].into())
}

/// What keys may be used for, by the names of the options; their places are Go's numbers.
const USAGES: [&str; 14] = [
    "KeyUsageAny",
    "KeyUsageServerAuth",
    "KeyUsageClientAuth",
    "KeyUsageCodeSigning",
    "KeyUsageEmailProtection",
    "KeyUsageIPSECEndSystem",
    "KeyUsageIPSECTunnel",
    "KeyUsageIPSECUser",
    "KeyUsageTimeStamping",
    "KeyUsageOCSPSigning",
    "KeyUsageMicrosoftServerGatedCrypto",
    "KeyUsageNetscapeServerGatedCrypto",
    "KeyUsageMicrosoftCommercialCodeSigning",
    "KeyUsageMicrosoftKernelCodeSigning",
];

impl Options {
    /// For any host, at the time of the review.
    fn of(function: &'static str) -> Self {
        Self {
            time: EVALUATION.get().context.now_ns.into(),
            host: String::new(),
            usages: Vec::new(),
            function,
        }
    }

    fn read(value: Option<&Value>, function: &'static str) -> anyhow::Result<Self> {
        let mut options = Self::of(function);
        let Some(Value::Object(members)) = value else {
            return Ok(options);
        };
        for (key, value) in members.iter() {
            // Keys that are no strings say nothing.
            let Value::String(key) = key else { continue };
            options
                .set(key, value)
                .map_err(|error| anyhow::anyhow!("{function}: {error}"))?;
        }
        Ok(options)
    }

    fn set(&mut self, key: &str, value: &Value) -> anyhow::Result<()> {
        let whole = |value: &Value| match value {
            Value::Number(number) => number.as_i64(),
            _ => None,
        };
        match key {
            "CurrentTime" => {
                let time = whole(value).ok_or_else(|| {
                    anyhow::anyhow!("`CurrentTime` must be a whole number of nanoseconds within 64 bits")
                })?;
                self.time = time.into();
            }
            "DNSName" => match value {
                Value::String(host) => self.host = host.trim_matches('"').to_owned(),
                _ => anyhow::bail!("`DNSName` must be a string"),
            },
            // How many there are is bounded in any case.
            "MaxConstraintComparisons" => match whole(value) {
                Some(_) => {}
                None => anyhow::bail!("`MaxConstraintComparisons` must be a whole number"),
            },
            "KeyUsages" => self.usages = usages(value)?,
            _ => anyhow::bail!("there is no option `{key}`"),
        }
        Ok(())
    }
}

/// The numbers of a list of uses; what is no string is none.
fn usages(value: &Value) -> anyhow::Result<Vec<usize>> {
    let names: Vec<&Value> = match value {
        Value::Array(names) => names.iter().collect(),
        Value::Set(names) => names.iter().collect(),
        _ => anyhow::bail!("`KeyUsages` must be an array or a set"),
    };
    let mut numbers = Vec::new();
    for name in names {
        let Value::String(name) = name else { continue };
        let name = name.trim_matches('"');
        let number = USAGES.iter().position(|usage| *usage == name);
        numbers.push(number.ok_or_else(|| anyhow::anyhow!("`KeyUsages`: there is no use `{name}`"))?);
    }
    Ok(numbers)
}
