//! Networks: which are valid, which contain or touch each other, the fewest that cover the same, and the addresses of
//! those that are small enough. Answers are OPA's; an address of IPv4 that is written as one of IPv6 is one of IPv4.

mod network;

use std::collections::BTreeSet;

use regorus::Value;

use self::network::{Network, address};
use super::bounded::{MAX_ITEMS, too_many};
use super::{TooMuch, text};

/// The bits of the addresses that are counted through: a /16 of IPv4.
const MAX_HOST_BITS: u32 = 16;

/// The most pairs of networks that are compared in one call.
const MAX_PAIRS: usize = 8 * MAX_ITEMS;

/// All addresses of a network, the network's own and the broadcast address included, as a set.
pub(super) fn cidr_expand(values: &[Value]) -> anyhow::Result<Value> {
    const NAME: &str = "net.cidr_expand";
    let network = operand(values, 0, NAME)?;
    if network.host_bits() > MAX_HOST_BITS {
        let message = format!(
            "{NAME}: the network has more than {} addresses",
            1u32 << MAX_HOST_BITS
        );
        return Err(TooMuch(message).into());
    }
    let addresses: BTreeSet<Value> = network.addresses().map(Value::from).collect();
    Ok(Value::from(addresses))
}

/// `net.cidr_is_valid(text)`; what is no string is not valid.
pub(super) fn cidr_is_valid(values: &[Value]) -> anyhow::Result<Value> {
    Ok(Value::from(match values.first() {
        Some(Value::String(text)) => Network::parse(text).is_some(),
        _ => false,
    }))
}

/// `net.cidr_contains(network, network_or_address)`
pub(super) fn cidr_contains(values: &[Value]) -> anyhow::Result<Value> {
    contains(values, "net.cidr_contains")
}

/// The name that it had before.
pub(super) fn cidr_overlap(values: &[Value]) -> anyhow::Result<Value> {
    contains(values, "net.cidr_overlap")
}

fn contains(values: &[Value], name: &str) -> anyhow::Result<Value> {
    let network = operand(values, 0, name)?;
    let inner = Network::parse_or_address(text(values, 1, name)?);
    let inner = inner.ok_or_else(|| anyhow::anyhow!("{name}: operand 2 must be an address or a network"))?;
    Ok(Value::from(network.contains(&inner)))
}

/// `net.cidr_intersects(network, network)`
pub(super) fn cidr_intersects(values: &[Value]) -> anyhow::Result<Value> {
    const NAME: &str = "net.cidr_intersects";
    let (one, other) = (operand(values, 0, NAME)?, operand(values, 1, NAME)?);
    Ok(Value::from(one.contains(&other) || other.contains(&one)))
}

/// `net.cidr_contains_matches(networks, networks_or_addresses)`: the pairs of what names a network of the first operand
/// and what names one of the second that it contains.
pub(super) fn cidr_contains_matches(values: &[Value]) -> anyhow::Result<Value> {
    const NAME: &str = "net.cidr_contains_matches";
    let mut operands = (0..2).map(|at| listed(values.get(at), at + 1, NAME));
    let outer = operands.next().unwrap_or_else(|| Ok(Vec::new()))?;
    // OPA does not look at the second operand when there is nothing to compare it with.
    let inner = match outer.is_empty() {
        true => Vec::new(),
        false => operands.next().unwrap_or_else(|| Ok(Vec::new()))?,
    };
    if outer.is_empty() || inner.is_empty() {
        return Ok(Value::from(BTreeSet::new()));
    }
    if outer.len().saturating_mul(inner.len()) > MAX_PAIRS {
        return Err(TooMuch(format!("{NAME}: more than {MAX_PAIRS} pairs of networks")).into());
    }
    let read = |listed: Vec<(&Value, Value)>, parse: fn(&str) -> Option<Network>| {
        let read = listed.into_iter().map(|(text, index)| match text {
            Value::String(text) => Some((parse(text)?, index)),
            _ => None,
        });
        read.collect::<Option<Vec<_>>>()
            .ok_or_else(|| anyhow::anyhow!("{NAME}: an item is no network in CIDR notation"))
    };
    let (outer, inner) = (
        read(outer, Network::parse)?,
        read(inner, Network::parse_or_address)?,
    );
    let mut pairs = Vec::new();
    for (network, index) in &outer {
        let inside = inner.iter().filter(|(inner, _)| network.contains(inner));
        pairs.extend(inside.map(|(_, other)| Value::from(vec![index.clone(), other.clone()])));
        too_many(pairs.len(), NAME)?;
    }
    Ok(Value::from(pairs.into_iter().collect::<BTreeSet<_>>()))
}

/// The networks of an operand, each with what names it: the text itself, a place, a key, or the item of a set. An item may
/// be a list that begins with its network.
fn listed<'a>(
    value: Option<&'a Value>,
    operand: usize,
    name: &str,
) -> anyhow::Result<Vec<(&'a Value, Value)>> {
    let network = |item: &'a Value| match item {
        Value::String(_) => Ok(item),
        Value::Array(items) => items.first().ok_or(()),
        _ => Err(()),
    };
    let all: Result<Vec<_>, ()> = match value {
        Some(text @ Value::String(_)) => Ok(vec![(text, text.clone())]),
        Some(Value::Array(items)) => items
            .iter()
            .enumerate()
            .map(|(at, item)| Ok((network(item)?, Value::from(at as u64))))
            .collect(),
        Some(Value::Set(items)) => items
            .iter()
            .map(|item| Ok((network(item)?, item.clone())))
            .collect(),
        Some(Value::Object(members)) => members
            .iter()
            .map(|(key, member)| Ok((network(member)?, key.clone())))
            .collect(),
        _ => Ok(Vec::new()),
    };
    all.map_err(|()| {
        anyhow::anyhow!("{name}: operand {operand}: an item must be a string or a list that begins with one")
    })
}

/// `net.cidr_merge(networks)`: the fewest networks that cover the same addresses. A plain address stands for the network
/// of its class, as in OPA.
pub(super) fn cidr_merge(values: &[Value]) -> anyhow::Result<Value> {
    const NAME: &str = "net.cidr_merge";
    let read = |item: &Value| match item {
        Value::String(text) => match address(text) {
            Some(address) => Network::of_class(address),
            None => Network::parse(text).map(|network| (network.to_string(), network)),
        },
        _ => None,
    };
    let read: Option<Vec<_>> = match values.first() {
        Some(Value::Array(items)) => items.iter().map(read).collect(),
        Some(Value::Set(items)) => items.iter().map(read).collect(),
        _ => anyhow::bail!("{NAME}: operand 1 must be an array or a set"),
    };
    let networks = read.ok_or_else(|| {
        anyhow::anyhow!("{NAME}: an item is neither a network in CIDR notation nor an address of IPv4")
    })?;
    too_many(networks.len(), NAME)?;
    let merged = network::merged(networks).into_iter().map(Value::from);
    Ok(Value::from(merged.collect::<BTreeSet<_>>()))
}

fn operand(values: &[Value], at: usize, name: &str) -> anyhow::Result<Network> {
    let network = Network::parse(text(values, at, name)?);
    network.ok_or_else(|| anyhow::anyhow!("{name}: operand {} must be a network in CIDR notation", at + 1))
}

#[cfg(test)]
mod tests {
    use std::slice;

    use super::*;

    fn networks(count: usize) -> Value {
        let texts =
            (0..count).map(|n| Value::from(format!("10.{}.{}.{}/32", n >> 16, n >> 8 & 255, n & 255)));
        Value::from(texts.collect::<Vec<_>>())
    }

    fn refused(answer: anyhow::Result<Value>) -> String {
        let error = answer.unwrap_err();
        assert!(error.is::<TooMuch>(), "{error}");
        error.to_string()
    }

    #[test]
    fn networks_of_more_than_65536_addresses_are_not_expanded() {
        let expand = |network: &str| cidr_expand(&[Value::from(network)]);
        assert_eq!(expand("10.0.0.0/16").unwrap().as_set().unwrap().len(), 65_536);
        for network in ["10.0.0.0/15", "0.0.0.0/0", "2001:db8::/111", "::/0"] {
            let told = refused(expand(network));
            assert_eq!(told, "net.cidr_expand: the network has more than 65536 addresses");
        }
    }

    #[test]
    fn an_address_stands_for_the_network_of_its_class_if_it_has_one() {
        let merge = |text: &str| cidr_merge(&[Value::from(vec![Value::from(text)])]);
        for (address, network) in [
            ("10.1.2.3", "10.1.2.3/8"),
            ("127.255.255.255", "127.255.255.255/8"),
            ("128.1.2.3", "128.1.2.3/16"),
            ("191.1.2.3", "191.1.2.3/16"),
            ("192.1.2.3", "192.1.2.3/24"),
            ("223.1.2.3", "223.1.2.3/24"),
        ] {
            assert_eq!(
                merge(address).unwrap(),
                Value::from(BTreeSet::from([Value::from(network)]))
            );
        }
        for address in ["224.0.0.1", "255.255.255.255", "2001:db8::1"] {
            assert_eq!(
                merge(address).unwrap_err().to_string(),
                "net.cidr_merge: an item is neither a network in CIDR notation nor an address of IPv4"
            );
        }
    }

    #[test]
    fn pairs_and_lists_of_networks_are_bounded() {
        let (most, more) = (networks(MAX_ITEMS), networks(MAX_ITEMS + 1));
        assert!(cidr_merge(slice::from_ref(&most)).is_ok());
        assert!(refused(cidr_merge(slice::from_ref(&more))).starts_with("net.cidr_merge: "));
        let told = refused(cidr_contains_matches(&[networks(9), more.clone()]));
        assert_eq!(
            told,
            format!("net.cidr_contains_matches: more than {MAX_PAIRS} pairs of networks")
        );
        let everything = Value::from("0.0.0.0/0");
        assert!(cidr_contains_matches(&[everything.clone(), most]).is_ok());
        let told = refused(cidr_contains_matches(&[everything, more]));
        assert!(told.starts_with("net.cidr_contains_matches: "), "{told}");
    }
}
