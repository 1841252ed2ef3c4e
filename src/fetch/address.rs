//! What kind of address one is: policies may not be a way into the network that Regate stands in.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Who has to have said that an address may be connected to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Anybody's: the entry of its name is enough.
    Public,
    /// Of a network that is not public, or of this machine: the entry has to say so.
    Private,
    /// Never behind a name: link-local (where clouds tell machines their credentials), multicast, unspecified and
    /// reserved. Only an entry that is this address admits it.
    Special,
}

/// Where clouds tell machines their credentials, outside of the link-local networks.
const METADATA_V4: [Ipv4Addr; 2] = [Ipv4Addr::new(100, 100, 100, 200), Ipv4Addr::new(168, 63, 129, 16)];

/// The kind of an address; one of version 6 that stands for one of version 4 is of that one's kind.
pub(super) fn kind(address: IpAddr) -> Kind {
    match address {
        IpAddr::V4(address) => kind_v4(address),
        IpAddr::V6(address) => kind_v6(address),
    }
}

fn kind_v4(address: Ipv4Addr) -> Kind {
    if METADATA_V4.contains(&address) {
        return Kind::Special;
    }
    match address.octets() {
        [10 | 127, ..] | [172, 16..=31, ..] | [192, 168, ..] | [100, 64..=127, ..] => Kind::Private,
        [0 | 224..=255, ..]
        | [169, 254, ..]
        | [192, 0, 0 | 2, _]
        | [198, 18 | 19, ..]
        | [198, 51, 100, _]
        | [203, 0, 113, _] => Kind::Special,
        _ => Kind::Public,
    }
}

fn kind_v6(address: Ipv6Addr) -> Kind {
    let v4 = |high: u16, low: u16| {
        let [a, b] = high.to_be_bytes();
        let [c, d] = low.to_be_bytes();
        kind_v4(Ipv4Addr::new(a, b, c, d))
    };
    match address.segments() {
        // The same of version 6, of two clouds.
        [0xfd00, 0xec2, ..] | [0xfd20, 0xce, ..] => Kind::Special,
        [0, 0, 0, 0, 0, 0, 0, 1] => Kind::Private,
        // Mapped, compatible, translated and tunnelled addresses of version 4.
        [0, 0, 0, 0, 0, 0 | 0xffff, high, low] | [0x64, 0xff9b, 0, 0, 0, 0, high, low] => v4(high, low),
        [0x2002, high, low, ..] => v4(high, low),
        // Teredo, and what is for documents.
        [0x2001, 0 | 0xdb8, ..] => Kind::Special,
        [0xfc00..=0xfdff | 0xfec0..=0xfeff, ..] => Kind::Private,
        [0x2000..=0x3fff, ..] => Kind::Public,
        _ => Kind::Special,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_told_apart_by_who_can_be_behind_them() {
        for (kind_of, addresses) in [
            (
                Kind::Public,
                "1.1.1.1 8.8.8.8 172.15.0.1 172.32.0.1 100.63.0.1 100.128.0.1 2606:4700::1111 64:ff9b::808:808 2002:808:808::1",
            ),
            (
                Kind::Private,
                "10.0.0.1 127.0.0.1 127.9.9.9 172.16.0.1 172.31.255.255 192.168.1.1 100.64.0.1 ::1 fd00::1 fc00::1 \
                 fec0::1 ::ffff:10.0.0.1 ::ffff:127.0.0.1 ::10.0.0.1 64:ff9b::a00:1 2002:a00:1::1",
            ),
            (
                Kind::Special,
                "0.0.0.0 0.1.2.3 169.254.169.254 169.254.0.1 224.0.0.1 255.255.255.255 240.0.0.1 192.0.0.192 192.0.2.1 \
                 198.18.0.1 100.100.100.200 168.63.129.16 fd00:ec2::254 fd00:ec2::23 fd20:ce::254 :: fe80::1 ff02::1 ::ffff:169.254.169.254 \
                 64:ff9b::a9fe:a9fe 2002:a9fe:a9fe::1 64:ff9b:1::1 2001::1 2001:db8::1 4000::1",
            ),
        ] {
            for address in addresses.split_whitespace() {
                assert_eq!(kind(address.parse().unwrap()), kind_of, "{address}");
            }
        }
    }
}
