//! `uri.parse` and `uri.is_valid`, as Go takes URIs apart.
//!
//! What it reads differs from the standards in many small ways, and what a policy allows by a host name must not depend
//! on who reads it: so each step is Go's, and the tests in OPA compare drawn ones.

use std::fmt;
use std::net::Ipv6Addr;

use regorus::Value;

use super::text;

/// `uri.parse(text)`: the parts that are there.
pub(super) fn parse(values: &[Value]) -> anyhow::Result<Value> {
    const NAME: &str = "uri.parse";
    // The operand may be a secret: no part of it goes into the message.
    let uri = Uri::parse(text(values, 0, NAME)?).ok_or_else(|| anyhow::anyhow!("{NAME}: not a URI"))?;
    let (hostname, port) = uri.hostname_and_port();
    let raw_path = uri.raw_path.as_deref().unwrap_or(&uri.path);
    let parts = [
        ("scheme", uri.scheme.as_str()),
        ("hostname", hostname),
        ("port", port),
        ("path", &uri.path),
        ("raw_path", raw_path),
        ("raw_query", &uri.query),
        ("fragment", &uri.fragment),
    ];
    let there = parts.into_iter().filter(|(_, part)| !part.is_empty());
    let there = there.map(|(key, part)| (Value::from(key), Value::from(part)));
    Ok(Value::from(there.collect::<std::collections::BTreeMap<_, _>>()))
}

/// Whether `uri.parse` would read it; what is no string, or empty, is not valid.
pub(super) fn is_valid(values: &[Value]) -> anyhow::Result<Value> {
    Ok(Value::from(match values.first() {
        Some(Value::String(text)) => !text.is_empty() && Uri::parse(text).is_some(),
        _ => false,
    }))
}

/// A URI taken apart.
#[derive(Default)]
pub(super) struct Uri {
    pub(super) scheme: String,
    /// What follows a scheme without a slash, as it was written.
    pub(super) opaque: String,
    /// Name and password.
    pub(super) user: Option<(String, Option<String>)>,
    pub(super) host: String,
    pub(super) path: String,
    /// How the path was written, if it is not how Go would write it.
    pub(super) raw_path: Option<String>,
    pub(super) query: String,
    /// Whether it ends with a `?`.
    pub(super) force_query: bool,
    /// Whether a path follows the scheme, with no place for a host.
    pub(super) omit_host: bool,
    pub(super) fragment: String,
    /// The same of the fragment as of the path.
    pub(super) raw_fragment: Option<String>,
}

/// What stands in a part decides what may be escaped there.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    Path,
    Host,
    Zone,
    User,
    Fragment,
}

impl Uri {
    pub(super) fn parse(text: &str) -> Option<Uri> {
        let (rest, fragment) = text.split_once('#').unwrap_or((text, ""));
        let mut uri = Self::without_fragment(rest)?;
        uri.fragment = unescape(fragment, Part::Fragment)?;
        uri.raw_fragment = (escaped(&uri.fragment, Part::Fragment) != fragment).then(|| fragment.to_owned());
        Some(uri)
    }

    fn without_fragment(text: &str) -> Option<Uri> {
        if text.bytes().any(|byte| byte.is_ascii_control()) {
            return None;
        }
        let mut uri = Uri::default();
        if text == "*" {
            uri.path = "*".into();
            return Some(uri);
        }
        let (scheme, rest) = scheme(text)?;
        uri.scheme = scheme.to_ascii_lowercase();
        uri.force_query = rest.find('?') == rest.len().checked_sub(1);
        let (mut rest, query) = rest.split_once('?').unwrap_or((rest, ""));
        uri.query = query.to_owned();
        if !rest.starts_with('/') {
            if !uri.scheme.is_empty() {
                uri.opaque = rest.to_owned();
                return Some(uri);
            }
            if rest.split('/').next()?.contains(':') {
                return None;
            }
        }
        let has_authority = !uri.scheme.is_empty() || !rest.starts_with("///");
        if let Some(authority) = rest.strip_prefix("//").filter(|_| has_authority) {
            let end = authority.find('/').unwrap_or(authority.len());
            let (authority, path) = authority.split_at_checked(end)?;
            (uri.user, uri.host) = user_and_host(authority, &uri.scheme)?;
            rest = path;
        } else {
            uri.omit_host = !uri.scheme.is_empty();
        }
        uri.path = unescape(rest, Part::Path)?;
        uri.raw_path = (escaped(&uri.path, Part::Path) != rest).then(|| rest.to_owned());
        Some(uri)
    }

    fn hostname_and_port(&self) -> (&str, &str) {
        let host = self.host.as_str();
        let (host, port) = match host.rsplit_once(':') {
            Some((host, port)) if is_port(port) => (host, port),
            _ => (host, ""),
        };
        let inside = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
        (inside.unwrap_or(host), port)
    }
}

/// The scheme, without its colon, and what follows; an empty one if there is none.
fn scheme(text: &str) -> Option<(&str, &str)> {
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' => {}
            b'0'..=b'9' | b'+' | b'-' | b'.' if at > 0 => {}
            b':' if at > 0 => return Some((text.get(..at)?, text.get(at + 1..)?)),
            b':' => return None,
            _ => break,
        }
    }
    Some(("", text))
}

impl fmt::Display for Uri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.scheme.is_empty() {
            write!(f, "{}:", self.scheme)?;
        }
        match self.opaque.as_str() {
            "" => self.write_host_and_path(f)?,
            opaque => f.write_str(opaque)?,
        }
        if self.force_query || !self.query.is_empty() {
            write!(f, "?{}", self.query)?;
        }
        if !self.fragment.is_empty() {
            let fragment = rewritten(&self.fragment, self.raw_fragment.as_deref(), Part::Fragment);
            write!(f, "#{fragment}")?;
        }
        Ok(())
    }
}

impl Uri {
    fn write_host_and_path(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let has_authority = !self.host.is_empty() || self.user.is_some();
        let may_have = !self.scheme.is_empty() && !self.omit_host && !self.path.is_empty();
        if has_authority || may_have {
            f.write_str("//")?;
        }
        if let Some((name, password)) = &self.user {
            f.write_str(&escaped(name, Part::User))?;
            if let Some(password) = password {
                write!(f, ":{}", escaped(password, Part::User))?;
            }
            f.write_str("@")?;
        }
        f.write_str(&escaped(&self.host, Part::Host))?;
        let path = match self.path.as_str() {
            "*" => "*".into(),
            path => rewritten(path, self.raw_path.as_deref(), Part::Path),
        };
        if !path.is_empty() && !path.starts_with('/') && !self.host.is_empty() {
            f.write_str("/")?;
        }
        let is_first = self.scheme.is_empty() && !has_authority;
        if is_first && path.split('/').next().is_some_and(|step| step.contains(':')) {
            f.write_str("./")?;
        }
        f.write_str(&path)
    }
}

/// A part as it was written if nothing in it had to be escaped and was not.
fn rewritten(part: &str, raw: Option<&str>, kind: Part) -> String {
    let is_allowed = |byte: u8| is_plain(byte, kind) || b"!$&'()*+,;=:@[]%".contains(&byte);
    match raw.filter(|raw| raw.bytes().all(is_allowed)) {
        Some(raw) => raw.to_owned(),
        None => escaped(part, kind),
    }
}

type User = Option<(String, Option<String>)>;

/// The parts of what stands between `//` and the path.
fn user_and_host(authority: &str, scheme: &str) -> Option<(User, String)> {
    let Some((user, host)) = authority.rsplit_once('@') else {
        return Some((None, host(authority, scheme)?));
    };
    let host = self::host(host, scheme)?;
    let is_allowed = |c: char| c.is_ascii_alphanumeric() || "-._:~!$&'()*+,;=%@".contains(c);
    if !user.chars().all(is_allowed) {
        return None;
    }
    let (name, password) = match user.split_once(':') {
        Some((name, password)) => (name, Some(unescape(password, Part::User)?)),
        None => (user, None),
    };
    Some((Some((unescape(name, Part::User)?, password)), host))
}

fn host(text: &str, scheme: &str) -> Option<String> {
    if let Some(opened) = text.rfind('[') {
        return (opened == 0).then(|| literal(text)).flatten();
    }
    if let Some(first) = text.find(':') {
        let last = text.rfind(':')?;
        // Other schemes list hosts, each with its port.
        let colon = if ["http", "https"].contains(&scheme) {
            first
        } else {
            last
        };
        is_port(text.get(colon + 1..)?).then_some(())?;
    }
    unescape(text, Part::Host)
}

/// `[::1%25eth0]:80`
fn literal(text: &str) -> Option<String> {
    let (inside, behind) = text.strip_prefix('[')?.rsplit_once(']')?;
    let port = match behind.strip_prefix(':') {
        Some(port) => is_port(port),
        None => behind.is_empty(),
    };
    if !port {
        return None;
    }
    let (address, zone) = match inside.find("%25") {
        Some(at) => inside.split_at_checked(at)?,
        None => (inside, ""),
    };
    let (address, zone) = (unescape(address, Part::Host)?, unescape(zone, Part::Zone)?);
    let is_zone = zone.is_empty() || zone.len() > 1;
    (address.parse::<Ipv6Addr>().is_ok() && is_zone).then_some(())?;
    Some(format!("[{address}{zone}]{behind}"))
}

fn is_port(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit())
}

/// A part with its escapes read; `None` if one is not allowed there, or gives no text.
fn unescape(text: &str, part: Part) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    let in_host = matches!(part, Part::Host | Part::Zone);
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            (!in_host || !byte.is_ascii() || is_plain(byte, part)).then_some(())?;
            bytes.push(byte);
            continue;
        }
        let value = 16 * digit(rest.next()?)? + digit(rest.next()?)?;
        let allowed = match part {
            Part::Host => !value.is_ascii() || value == b'%',
            Part::Zone => [b'%', b' '].contains(&value) || is_plain(value, Part::Host),
            _ => true,
        };
        allowed.then_some(())?;
        bytes.push(value);
    }
    String::from_utf8(bytes).ok()
}

fn digit(byte: u8) -> Option<u8> {
    u8::try_from(char::from(byte).to_digit(16)?).ok()
}

/// A part as Go would write it.
fn escaped(text: &str, part: Part) -> String {
    let one = |byte: u8| match is_plain(byte, part) {
        true => char::from(byte).to_string(),
        false => format!("%{byte:02X}"),
    };
    text.bytes().map(one).collect()
}

/// Whether a character stands in a part as it is.
fn is_plain(byte: u8, part: Part) -> bool {
    match byte {
        b'-' | b'_' | b'.' | b'~' => true,
        _ if byte.is_ascii_alphanumeric() => true,
        b'$' | b'&' | b'+' | b',' | b';' | b'=' => true,
        b':' => part != Part::User,
        b'/' | b'@' => matches!(part, Part::Path | Part::Fragment),
        b'?' => part == Part::Fragment,
        b'!' | b'(' | b')' | b'*' => matches!(part, Part::Host | Part::Zone | Part::Fragment),
        b'\'' | b'[' | b']' | b'<' | b'>' | b'"' => matches!(part, Part::Host | Part::Zone),
        _ => false,
    }
}
