//! The other names of a subject: hosts, mailboxes, addresses and URIs.

use std::net::IpAddr;

use regorus::Value;

use super::der::{Der, SEQUENCE, field};
use super::value::{address, list, object, texts};
use crate::policy::engine::builtins::uri::Uri;

#[derive(Default)]
pub(super) struct Names<'a> {
    pub(super) hosts: Vec<String>,
    pub(super) mailboxes: Vec<String>,
    /// Each of 4 or 16 bytes.
    pub(super) addresses: Vec<&'a [u8]>,
    pub(super) uris: Vec<Uri>,
}

impl<'a> Names<'a> {
    pub(super) fn read(mut der: Der<'a>) -> Option<Self> {
        let mut list = der.take(SEQUENCE)?;
        let mut names = Self::default();
        while !list.is_empty() {
            let name = list.any()?;
            let bytes = name.content.0;
            match name.tag {
                tag if tag == field(1) => names.mailboxes.push(ascii(bytes)?),
                tag if tag == field(2) => names.hosts.push(ascii(bytes)?),
                tag if tag == field(6) => {
                    let uri = Uri::parse(&ascii(bytes)?)?;
                    is_domain(&uri.host, false).then_some(())?;
                    names.uris.push(uri);
                }
                tag if tag == field(7) => {
                    [4, 16].contains(&bytes.len()).then_some(())?;
                    names.addresses.push(bytes);
                }
                _ => {}
            }
        }
        Some(names)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.hosts.is_empty()
            && self.mailboxes.is_empty()
            && self.addresses.is_empty()
            && self.uris.is_empty()
    }

    pub(super) fn uri_texts(&self) -> Value {
        list(self.uris.iter().map(|uri| Value::from(uri.to_string())))
    }

    pub(super) fn members(&self) -> impl Iterator<Item = (&'static str, Value)> {
        let addresses = self.addresses.iter().filter_map(|bytes| address(bytes));
        [
            ("DNSNames", texts(&self.hosts)),
            ("EmailAddresses", texts(&self.mailboxes)),
            (
                "IPAddresses",
                list(addresses.map(|address| Value::from(address.to_string()))),
            ),
            ("URIs", list(self.uris.iter().map(parts))),
        ]
        .into_iter()
    }

    /// Whether a host or an address is one of these names.
    pub(super) fn has(&self, host: &str) -> bool {
        let inside = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
        if let Ok(wanted) = inside
            .filter(|inside| !inside.is_empty())
            .unwrap_or(host)
            .parse::<IpAddr>()
        {
            let wanted = mapped(wanted);
            let mut addresses = self.addresses.iter().filter_map(|bytes| address(bytes));
            return addresses.any(|address| mapped(address) == wanted);
        }
        let host = host.to_ascii_lowercase();
        let plain = host.strip_suffix('.').unwrap_or(&host);
        self.hosts.iter().any(|name| {
            let name = name.to_ascii_lowercase();
            if is_host(plain, false) && is_host(&name, true) {
                is_matched(&name, plain)
            } else {
                !["", "."].contains(&name.as_str()) && name == host
            }
        })
    }
}

fn mapped(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => address.to_ipv6_mapped().to_bits(),
        IpAddr::V6(address) => address.to_bits(),
    }
}

pub(super) fn ascii(bytes: &[u8]) -> Option<String> {
    let is_ascii = bytes.is_ascii();
    is_ascii.then(|| bytes.iter().copied().map(char::from).collect())
}

/// The parts of a URI by Go's names.
fn parts(uri: &Uri) -> Value {
    let text = |text: &str| Value::from(text);
    object([
        ("Scheme", text(&uri.scheme)),
        ("Opaque", text(&uri.opaque)),
        // Whatever its name and password are, Go shows nothing of them.
        ("User", uri.user.as_ref().map_or(Value::Null, |_| object([]))),
        ("Host", text(&uri.host)),
        ("Path", text(&uri.path)),
        ("Fragment", text(&uri.fragment)),
        ("RawQuery", text(&uri.query)),
        ("RawPath", text(uri.raw_path.as_deref().unwrap_or_default())),
        (
            "RawFragment",
            text(uri.raw_fragment.as_deref().unwrap_or_default()),
        ),
        ("ForceQuery", Value::from(uri.force_query)),
        ("OmitHost", Value::from(uri.omit_host)),
    ])
}

/// Whether a name has labels of printed characters between its dots; one of a constraint may begin with a dot.
pub(super) fn is_domain(name: &str, of_constraint: bool) -> bool {
    if name.is_empty() {
        return true;
    }
    let labels = match name.strip_prefix('.') {
        Some(rest) if of_constraint => rest,
        _ => name,
    };
    !name.ends_with('.')
        && labels
            .split('.')
            .all(|label| !label.is_empty() && label.bytes().all(|byte| byte.is_ascii_graphic()))
}

/// Whether a name is one of hosts, or a pattern, which may have a `*` as a label. No host has one, so that one that is
/// not the first is never matched.
fn is_host(name: &str, is_pattern: bool) -> bool {
    let mut labels = name.split('.');
    name != "*"
        && labels.all(|label| match label {
            "*" => is_pattern,
            _ => {
                let allowed = |c: char| c.is_ascii_alphanumeric() || "-_".contains(c);
                !label.is_empty() && !label.starts_with('-') && label.chars().all(allowed)
            }
        })
}

/// Whether a host has the labels of a pattern.
fn is_matched(pattern: &str, host: &str) -> bool {
    let is_same = pattern == host;
    let behind = |name: &str| name.split_once('.').map(|(_, rest)| rest.to_owned());
    let rest = pattern.strip_prefix("*.").map(str::to_owned);
    is_same || rest.is_some() && rest == behind(host)
}
