//! A network as a range of addresses, for the builtins on networks.
//!
//! Addresses of both families are numbers of 128 bits, those of IPv4 where IPv6 maps them to; a network that lies wholly
//! there is one of IPv4, however it was written.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Where IPv6 has the addresses of IPv4.
const MAPPED: u128 = 0xffff_0000_0000;

/// The bits before them.
const MAPPED_PREFIX: u32 = 96;

/// A network: its first address, and how many bits all its addresses share.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Network {
    first: u128,
    prefix: u32,
}

/// The address that a text is, as a number.
pub(super) fn address(text: &str) -> Option<u128> {
    text.parse().ok().map(bits)
}

fn bits(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => address.to_ipv6_mapped().to_bits(),
        IpAddr::V6(address) => address.to_bits(),
    }
}

/// The bits of the hosts of a network with this prefix, all set.
const fn hosts(prefix: u32) -> u128 {
    match u128::MAX.checked_shr(prefix) {
        Some(hosts) => hosts,
        None => 0,
    }
}

const fn is_mapped(address: u128) -> bool {
    address & !hosts(MAPPED_PREFIX) == MAPPED
}

impl Network {
    fn new(address: u128, prefix: u32) -> Self {
        Self {
            first: address & !hosts(prefix),
            prefix,
        }
    }

    /// Reads CIDR notation.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (address, prefix) = text.split_once('/')?;
        let address: IpAddr = address.parse().ok()?;
        let digits = !prefix.is_empty() && prefix.bytes().all(|byte| byte.is_ascii_digit());
        let prefix: u32 = digits.then(|| prefix.parse().ok())??;
        let (most, before) = match address {
            IpAddr::V4(_) => (Ipv4Addr::BITS, MAPPED_PREFIX),
            IpAddr::V6(_) => (Ipv6Addr::BITS, 0),
        };
        (prefix <= most).then(|| Self::new(bits(address), prefix + before))
    }

    /// Reads CIDR notation, or an address, which is a network of its own.
    pub(super) fn parse_or_address(text: &str) -> Option<Self> {
        match address(text) {
            Some(address) => Some(Self::new(address, Ipv6Addr::BITS)),
            None => Self::parse(text),
        }
    }

    /// The network of an address of IPv4 before there were prefixes, and how OPA prints it: with the address.
    pub(super) fn of_class(address: u128) -> Option<(String, Self)> {
        let IpAddr::V4(plain) = plain(address) else {
            return None;
        };
        let prefix = match plain.octets() {
            [0..128, ..] => 8,
            [128..192, ..] => 16,
            [192..224, ..] => 24,
            // Those that stand for groups are in no network.
            _ => return None,
        };
        let network = Self::new(address, MAPPED_PREFIX + prefix);
        Some((format!("{plain}/{prefix}"), network))
    }

    pub(super) const fn host_bits(&self) -> u32 {
        Ipv6Addr::BITS - self.prefix
    }

    const fn last(&self) -> u128 {
        self.first | hosts(self.prefix)
    }

    /// Whether all addresses of the other are addresses of this one. No network of IPv6 contains one of IPv4.
    pub(super) const fn contains(&self, other: &Self) -> bool {
        is_mapped(self.first) == is_mapped(other.first)
            && self.first <= other.first
            && other.last() <= self.last()
    }

    /// Its addresses as texts, one after the other.
    pub(super) fn addresses(&self) -> impl Iterator<Item = String> {
        (self.first..=self.last()).map(|address| plain(address).to_string())
    }
}

/// An address in the family in which it is printed.
fn plain(address: u128) -> IpAddr {
    let address = Ipv6Addr::from_bits(address);
    address.to_ipv4_mapped().map_or(IpAddr::V6(address), IpAddr::V4)
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let before = if is_mapped(self.first) { MAPPED_PREFIX } else { 0 };
        write!(f, "{}/{}", plain(self.first), self.prefix.saturating_sub(before))
    }
}

/// The fewest networks that cover what these cover. What touches no other is printed as it came.
pub(super) fn merged(mut networks: Vec<(String, Network)>) -> Vec<String> {
    networks.sort_by_key(|(_, network)| (network.first, network.prefix));
    let mut texts = Vec::new();
    let mut networks = networks.into_iter().peekable();
    while let Some((text, network)) = networks.next() {
        let mut last = network.last();
        let mut is_alone = true;
        while let Some((_, next)) = networks.next_if(|(_, next)| touches(last, next)) {
            last = last.max(next.last());
            is_alone = false;
        }
        match is_alone {
            true => texts.push(text),
            false => texts.extend(covering(network.first, last)),
        }
    }
    texts
}

/// Whether a network begins at or directly behind this address, in the same family.
const fn touches(last: u128, next: &Network) -> bool {
    next.first <= last || (next.first - 1 == last && is_mapped(next.first) == is_mapped(last))
}

/// The fewest networks from one address to another.
fn covering(first: u128, last: u128) -> Vec<String> {
    let mut texts = Vec::new();
    let mut next = Some(first);
    while let Some(first) = next.filter(|first| *first <= last) {
        let mut prefix = Ipv6Addr::BITS;
        // Twice as large as long as it begins here and does not reach too far.
        while let Some(shorter) = prefix.checked_sub(1)
            && first & hosts(shorter) == 0
            && first | hosts(shorter) <= last
        {
            prefix = shorter;
        }
        let network = Network { first, prefix };
        texts.push(network.to_string());
        next = network.last().checked_add(1);
    }
    texts
}
