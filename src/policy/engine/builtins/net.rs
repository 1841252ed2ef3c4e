//! Networks: which are valid, and the addresses of those that are small enough.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use regorus::Value;

use super::{TooMuch, text};

const NAME: &str = "net.cidr_expand";

/// The bits of the addresses that are counted through: a /16 of IPv4.
const MAX_HOST_BITS: u32 = 16;

/// All addresses of a network, the network's own and the broadcast address included, as a set.
pub(super) fn cidr_expand(values: &[Value]) -> anyhow::Result<Value> {
    let text = text(values, 0, NAME)?;
    let Some((address, prefix)) = parse(text) else {
        anyhow::bail!("{NAME}: operand 1 must be a network in CIDR notation");
    };
    let (all, first) = match address {
        IpAddr::V4(address) => (Ipv4Addr::BITS, u128::from(address.to_bits())),
        IpAddr::V6(address) => (Ipv6Addr::BITS, address.to_bits()),
    };
    let host_bits = all.saturating_sub(prefix);
    if host_bits > MAX_HOST_BITS {
        let message = format!(
            "{NAME}: the network has more than {} addresses",
            1u32 << MAX_HOST_BITS
        );
        return Err(TooMuch(message).into());
    }
    let first = first >> host_bits << host_bits;
    let addresses: BTreeSet<Value> = (0..1u128 << host_bits)
        .map(|host| Value::from(printed(address, first | host)))
        .collect();
    Ok(Value::from(addresses))
}

/// `net.cidr_is_valid(text)`; what is no string is not valid.
pub(super) fn cidr_is_valid(values: &[Value]) -> anyhow::Result<Value> {
    Ok(Value::from(match values.first() {
        Some(Value::String(text)) => parse(text).is_some(),
        _ => false,
    }))
}

fn parse(text: &str) -> Option<(IpAddr, u32)> {
    let (address, prefix) = text.split_once('/')?;
    let address: IpAddr = address.parse().ok()?;
    let digits = !prefix.is_empty() && prefix.bytes().all(|byte| byte.is_ascii_digit());
    let prefix: u32 = digits.then(|| prefix.parse().ok())??;
    let most = if address.is_ipv4() {
        Ipv4Addr::BITS
    } else {
        Ipv6Addr::BITS
    };
    (prefix <= most).then_some((address, prefix))
}

/// An address of the same family, in the form that OPA prints.
fn printed(family: IpAddr, bits: u128) -> String {
    let address = Ipv6Addr::from_bits(bits);
    match (family, u32::try_from(bits)) {
        (IpAddr::V4(_), Ok(bits)) => Ipv4Addr::from_bits(bits).to_string(),
        _ => match address.to_ipv4_mapped() {
            Some(address) => address.to_string(),
            None => address.to_string(),
        },
    }
}
