//! The names that an authority may sign, and those that it may not.
//!
//! Every name of a certificate is judged by the constraints of all authorities above it, whatever name a caller asks
//! for. What cannot be judged is not permitted.

use std::net::IpAddr;

use regorus::Value;

use super::certificate::Certificate;
use super::der::{Der, SEQUENCE, field, group};
use super::extensions::{ALTERNATIVE_NAMES, NAME_CONSTRAINTS};
use super::names::{ascii, is_domain};
use super::value::{address, bytes, list, object, texts};
use crate::policy::engine::builtins::TooMuch;
use crate::policy::engine::builtins::uri::Uri;

/// The most comparisons of names with constraints in one verification.
pub(in crate::policy::engine::builtins) const MAX_COMPARISONS: usize = 250_000;

/// The longest name, or constraint, that is compared. Names of hosts have 253 characters at most.
const MAX_NAME: usize = 1024;

/// What a list of constraints names.
#[derive(Default)]
pub(super) struct Subtrees {
    hosts: Vec<String>,
    /// Addresses and masks, each half of the bytes.
    networks: Vec<Vec<u8>>,
    mailboxes: Vec<String>,
    uris: Vec<String>,
}

impl Subtrees {
    /// Reads what is permitted, what is excluded, and whether all kinds of names in it are known.
    pub(super) fn read(mut der: Der<'_>) -> Option<(Self, Self, bool)> {
        let mut both = der.take(SEQUENCE)?;
        let permitted = both.optional(group(0))?.unwrap_or_default();
        let excluded = both.optional(group(1))?.unwrap_or_default();
        let is_whole = der.is_empty() && both.is_empty();
        (is_whole && !(permitted.is_empty() && excluded.is_empty())).then_some(())?;
        let (permitted, one) = Self::of(permitted)?;
        let (excluded, other) = Self::of(excluded)?;
        Some((permitted, excluded, one && other))
    }

    fn of(mut der: Der<'_>) -> Option<(Self, bool)> {
        let (mut all, mut is_known) = (Self::default(), true);
        while !der.is_empty() {
            let base = der.take(SEQUENCE)?.any()?;
            let content = base.content.0;
            match base.tag {
                tag if tag == field(1) => {
                    let mailbox = ascii(content)?;
                    let is_one = match mailbox.contains('@') {
                        true => Mailbox::parse(&mailbox).is_some(),
                        false => is_domain(&mailbox, true),
                    };
                    is_one.then(|| all.mailboxes.push(mailbox))?;
                }
                tag if tag == field(2) => {
                    let host = ascii(content)?;
                    is_domain(&host, true).then(|| all.hosts.push(host))?;
                }
                tag if tag == field(6) => {
                    let host = ascii(content)?;
                    let is_one = host.parse::<IpAddr>().is_err() && is_domain(&host, true);
                    is_one.then(|| all.uris.push(host))?;
                }
                tag if tag == field(7) => {
                    let is_one = [8, 32].contains(&content.len()) && is_mask(content);
                    is_one.then(|| all.networks.push(content.to_vec()))?;
                }
                _ => is_known = false,
            }
        }
        Some((all, is_known))
    }

    /// The members of a certificate that they make.
    pub(super) fn members(&self, is_permitted: bool) -> impl Iterator<Item = (&'static str, Value)> {
        let names = match is_permitted {
            true => [
                "PermittedDNSDomains",
                "PermittedIPRanges",
                "PermittedEmailAddresses",
                "PermittedURIDomains",
            ],
            false => [
                "ExcludedDNSDomains",
                "ExcludedIPRanges",
                "ExcludedEmailAddresses",
                "ExcludedURIDomains",
            ],
        };
        let networks = self.networks.iter().filter_map(|network| {
            let (first, mask) = network.split_at_checked(network.len() / 2)?;
            let first = Value::from(address(first)?.to_string());
            Some(object([("IP", first), ("Mask", bytes(mask))]))
        });
        let values = [
            texts(&self.hosts),
            list(networks),
            texts(&self.mailboxes),
            texts(&self.uris),
        ];
        names.into_iter().zip(values)
    }
}

/// Whether the second half of these bytes begins with ones and goes on with zeros.
fn is_mask(bytes: &[u8]) -> bool {
    let mask = bytes.get(bytes.len() / 2..).unwrap_or_default();
    let ones = mask.iter().take_while(|byte| **byte == 0xff).count();
    let mut rest = mask.iter().skip(ones);
    let partly = rest.next().copied().unwrap_or_default();
    partly.leading_ones() + partly.trailing_zeros() == 8 && rest.all(|byte| *byte == 0)
}

/// What has a name: one that constraints of its kind can be compared with.
enum Name<'a> {
    Host(&'a str),
    Address(&'a [u8]),
    Mailbox(Mailbox),
    Uri(String),
}

impl Name<'_> {
    /// Whether constraints of its kind are there, and whether one of them holds for it.
    fn is_in(&self, subtrees: &Subtrees, is_excluded: bool, comparisons: &mut usize) -> (bool, bool) {
        let count = match self {
            Self::Host(_) => subtrees.hosts.len(),
            Self::Address(_) => subtrees.networks.len(),
            Self::Mailbox(_) => subtrees.mailboxes.len(),
            Self::Uri(_) => subtrees.uris.len(),
        };
        *comparisons = comparisons.saturating_add(count);
        if *comparisons > MAX_COMPARISONS {
            return (true, is_excluded);
        }
        let domain = |constraint: &str, name: &str| is_below(name, constraint, is_excluded);
        let holds = match self {
            Self::Host(name) => subtrees.hosts.iter().any(|host| domain(host, name)),
            Self::Uri(name) => subtrees.uris.iter().any(|host| domain(host, name)),
            // To whoever compares it with a network it is of one family or of the other.
            Self::Address(address) if is_mapped(address) => is_excluded && count > 0,
            Self::Address(address) => subtrees.networks.iter().any(|network| contains(network, address)),
            Self::Mailbox(mailbox) => subtrees.mailboxes.iter().any(|constraint| {
                let is_short = constraint.len() <= MAX_NAME;
                match is_short && constraint.contains('@') {
                    true => Mailbox::parse(constraint).as_ref() == Some(mailbox),
                    false => domain(constraint, &mailbox.domain),
                }
            }),
        };
        (count > 0, holds)
    }
}

/// The names of a certificate; `None` where one of them cannot be judged.
fn names<'a>(certificate: &'a Certificate<'_>) -> Option<Vec<Name<'a>>> {
    let all = &certificate.known.names;
    let is_short = |text: &str| text.len() <= MAX_NAME;
    let hosts = all.hosts.iter().map(|host| {
        let is_host = is_short(host) && is_domain(host, false);
        is_host.then_some(Name::Host(host))
    });
    let addresses = all.addresses.iter().map(|address| Some(Name::Address(address)));
    let uris = all
        .uris
        .iter()
        .map(|uri| uri_host(uri).filter(|host| is_short(host)).map(Name::Uri));
    let mailboxes = all.mailboxes.iter().map(|text| {
        let mailbox = is_short(text).then(|| Mailbox::parse(text)).flatten();
        mailbox.map(Name::Mailbox)
    });
    hosts.chain(addresses).chain(uris).chain(mailboxes).collect()
}

/// Whether the authorities of a chain, which begins with the one that all is about, may sign the names below them.
pub(super) fn hold(
    chain: &[&Certificate<'_>],
    comparisons: &mut usize,
    function: &str,
) -> anyhow::Result<bool> {
    for (at, certificate) in chain.iter().enumerate() {
        let above = chain.iter().skip(at + 1);
        let mut above = above
            .filter(|above| above.extension(&NAME_CONSTRAINTS).is_some())
            .peekable();
        if certificate.extension(&ALTERNATIVE_NAMES).is_none() || above.peek().is_none() {
            continue;
        }
        let Some(names) = names(certificate) else {
            return Ok(false);
        };
        for above in above {
            let known = &above.known;
            let mut is_permitted = |name: &Name<'_>| {
                let (has_permitted, is_permitted) = name.is_in(&known.permitted, false, comparisons);
                let (_, is_excluded) = name.is_in(&known.excluded, true, comparisons);
                (is_permitted || !has_permitted) && !is_excluded
            };
            let all = names.iter().all(&mut is_permitted);
            if *comparisons > MAX_COMPARISONS {
                let told =
                    format!("{function}: more than {MAX_COMPARISONS} comparisons of names with constraints");
                return Err(TooMuch(told).into());
            }
            if !all {
                return Ok(false);
            }
        }
    }
    Ok(true)
}

/// Whether an address of IPv4 is written as one of IPv6.
fn is_mapped(bytes: &[u8]) -> bool {
    bytes.len() == 16 && address(bytes).is_some_and(|address| address.is_ipv4())
}

/// Whether a network has an address of its family.
fn contains(network: &[u8], address: &[u8]) -> bool {
    let Some((first, mask)) = network.split_at_checked(address.len()) else {
        return false;
    };
    let mut bits = first.iter().zip(mask).zip(address);
    mask.len() == address.len() && bits.all(|((first, mask), byte)| first & mask == byte & mask)
}

/// Whether a name is that of a constraint or one below it; `.example.com` has only those below. A name with a `*` may
/// stand for one that is excluded.
fn is_below(name: &str, constraint: &str, is_excluded: bool) -> bool {
    if constraint.is_empty() || constraint.len() > MAX_NAME {
        return constraint.is_empty() || is_excluded;
    }
    let split = name.len().checked_sub(constraint.len());
    if let Some((before, end)) = split.and_then(|at| name.split_at_checked(at))
        && end.eq_ignore_ascii_case(constraint)
    {
        return before.is_empty() || constraint.starts_with('.') || before.ends_with('.');
    }
    let (above, other) = (name.find('.'), constraint.find('.'));
    let (above, other) = (
        above.and_then(|at| name.get(at..)),
        other.and_then(|at| constraint.get(at..)),
    );
    let is_same = above.is_some_and(|above| other.is_some_and(|other| above.eq_ignore_ascii_case(other)));
    is_excluded && name.starts_with('*') && is_same
}

/// The host of a URI; none where there is none, or it is an address.
fn uri_host(uri: &Uri) -> Option<String> {
    let host = uri.host.to_ascii_lowercase();
    let host = match host.split_once(':') {
        _ if host.is_empty() || host.starts_with('[') => return None,
        Some((host, port)) if !port.contains(':') => host.to_owned(),
        Some(_) => return None,
        None => host,
    };
    let is_name = host.parse::<IpAddr>().is_err() && is_domain(&host, false);
    is_name.then_some(host)
}

/// An address of mail, whose domain is in small letters.
#[derive(PartialEq, Eq)]
struct Mailbox {
    local: Vec<u8>,
    domain: String,
}

impl Mailbox {
    fn parse(text: &str) -> Option<Self> {
        let (local, rest) = match text.strip_prefix('"') {
            Some(rest) => quoted(rest.as_bytes())?,
            None => atoms(text.as_bytes())?,
        };
        let domain = std::str::from_utf8(rest.strip_prefix(b"@")?).ok()?;
        let is_one = domain.is_empty() || is_domain(domain, false);
        is_one.then(|| Self {
            local,
            domain: domain.to_ascii_lowercase(),
        })
    }
}

/// What stands before a closing quote, and behind it.
fn quoted(mut text: &[u8]) -> Option<(Vec<u8>, &[u8])> {
    let mut local = Vec::new();
    loop {
        let (&first, rest) = text.split_first()?;
        text = rest;
        match first {
            b'"' => return Some((local, text)),
            b'\\' => {
                let (&escaped, rest) = text.split_first()?;
                matches!(escaped, 1..=9 | 11 | 12 | 14..=127).then(|| local.push(escaped))?;
                text = rest;
            }
            1..=8 | 11 | 12 | 14..=33 | 35..=91 | 93..=127 => local.push(first),
            _ => return None,
        }
    }
}

/// What stands before the first character that needs quotes, and from there on.
fn atoms(mut text: &[u8]) -> Option<(Vec<u8>, &[u8])> {
    let mut local = Vec::new();
    while let Some((&first, rest)) = text.split_first() {
        let (byte, rest) = match first {
            b'\\' => rest.split_first().map(|(byte, rest)| (*byte, rest))?,
            _ if first.is_ascii_alphanumeric() || b"!#$%&'*+-/=?^_`{|}~.".contains(&first) => (first, rest),
            _ => break,
        };
        local.push(byte);
        text = rest;
    }
    let has_dots = local.first() == Some(&b'.')
        || local.last() == Some(&b'.')
        || local.windows(2).any(|pair| pair == b"..");
    (!local.is_empty() && !has_dots).then_some((local, text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_would_be_one_comparison_too_many_is_excluded_and_not_permitted() {
        let subtrees = Subtrees {
            hosts: vec!["a.test".to_owned()],
            ..Subtrees::default()
        };
        for (host, before, is_excluded, holds) in [
            ("a.test", MAX_COMPARISONS - 1, false, true),
            ("a.test", MAX_COMPARISONS, false, false),
            ("b.test", MAX_COMPARISONS - 1, true, false),
            ("b.test", MAX_COMPARISONS, true, true),
        ] {
            let mut comparisons = before;
            let found = Name::Host(host).is_in(&subtrees, is_excluded, &mut comparisons);
            assert_eq!(found, (true, holds), "{host} {before}");
            assert_eq!(comparisons, before + 1);
        }
    }
}
