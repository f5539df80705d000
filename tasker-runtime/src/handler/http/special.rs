//! Which addresses are globally reachable.
//!
//! The word for it is that of IANA, in the registries of special-purpose addresses for [IPv4] and [IPv6], as they
//! are with the dummy prefix of RFC 9780. Of two rows that hold an address the narrower one counts. What
//! they leave open is:
//!
//! - Rows without a word ("N/A") are not reachable. Of 6to4 and Teredo, whose word depends on the address inside,
//!   `address.rs` looks at that one.
//! - Multicast, which has registries of its own, is not reachable: no server listens there.
//! - What no row names is reachable in IPv4, and in IPv6 where it is global unicast, in [`2000::/3`][space].
//! - The address where Azure serves metadata and more to its machines lies in public space and is refused all
//!   the same.
//!
//! [IPv4]: https://www.iana.org/assignments/iana-ipv4-special-registry/
//! [IPv6]: https://www.iana.org/assignments/iana-ipv6-special-registry/
//! [space]: https://www.iana.org/assignments/ipv6-address-space/

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

/// What its addresses are; `None` where they are globally reachable.
type Row = (IpNet, Option<&'static str>);

const NO_SERVER: Option<&str> = Some("not the address of a server");
const MACHINE: Option<&str> = Some("this machine");
const PRIVATE: Option<&str> = Some("in a private network");
const PROVIDER: Option<&str> = Some("in the network of a provider");
const LINK_LOCAL: Option<&str> = Some("link-local");
const METADATA: Option<&str> = Some("the metadata service of a cloud");
const EXAMPLE: Option<&str> = Some("for examples in documents");
const BENCHMARK: Option<&str> = Some("for benchmarks");
const RETIRED: Option<&str> = Some("a retired relay");
const RESERVED: Option<&str> = Some("reserved");
const MULTICAST: Option<&str> = Some("multicast");
const GLOBAL: Option<&str> = None;

/// From wide to narrow where one holds another: the last row that holds an address counts.
const ROWS: [Row; 61] = [
    v4([0, 0, 0, 0], 8, NO_SERVER),
    v4([10, 0, 0, 0], 8, PRIVATE),
    v4([100, 64, 0, 0], 10, PROVIDER),
    v4([100, 100, 100, 200], 32, METADATA),
    v4([127, 0, 0, 0], 8, MACHINE),
    v4([168, 63, 129, 16], 32, METADATA),
    v4([169, 254, 0, 0], 16, LINK_LOCAL),
    v4([169, 254, 169, 254], 32, METADATA),
    v4([172, 16, 0, 0], 12, PRIVATE),
    // Protocol assignments, with the anycast addresses of PCP and TURN.
    v4([192, 0, 0, 0], 24, RESERVED),
    v4([192, 0, 0, 0], 29, RESERVED),
    v4([192, 0, 0, 8], 32, RESERVED),
    v4([192, 0, 0, 9], 32, GLOBAL),
    v4([192, 0, 0, 10], 32, GLOBAL),
    v4([192, 0, 0, 170], 32, RESERVED),
    v4([192, 0, 0, 171], 32, RESERVED),
    v4([192, 0, 0, 192], 32, METADATA),
    v4([192, 0, 2, 0], 24, EXAMPLE),
    // AS112 and AMT.
    v4([192, 31, 196, 0], 24, GLOBAL),
    v4([192, 52, 193, 0], 24, GLOBAL),
    // 6to4 relays and, within, 6a44.
    v4([192, 88, 99, 0], 24, RETIRED),
    v4([192, 88, 99, 2], 32, RETIRED),
    v4([192, 168, 0, 0], 16, PRIVATE),
    v4([192, 175, 48, 0], 24, GLOBAL),
    v4([198, 18, 0, 0], 15, BENCHMARK),
    v4([198, 51, 100, 0], 24, EXAMPLE),
    v4([203, 0, 113, 0], 24, EXAMPLE),
    v4([224, 0, 0, 0], 4, MULTICAST),
    v4([240, 0, 0, 0], 4, RESERVED),
    v4([255, 255, 255, 255], 32, RESERVED),
    v6([0, 0, 0, 0], 0, RESERVED),
    v6([0x2000, 0, 0, 0], 3, GLOBAL),
    (IpNet::V6(Ipv6Net::new_assert(Ipv6Addr::UNSPECIFIED, 128)), NO_SERVER),
    (IpNet::V6(Ipv6Net::new_assert(Ipv6Addr::LOCALHOST, 128)), MACHINE),
    (IpNet::V6(Ipv6Net::new_assert(Ipv4Addr::UNSPECIFIED.to_ipv6_mapped(), 96)), RESERVED),
    // NAT64, everybody's and a network's own.
    v6([0x64, 0xff9b, 0, 0], 96, GLOBAL),
    v6([0x64, 0xff9b, 1, 0], 48, PRIVATE),
    // For packets that are thrown away, and for addresses that nobody has.
    v6([0x100, 0, 0, 0], 64, RESERVED),
    v6([0x100, 0, 0, 1], 64, RESERVED),
    // Protocol assignments: Teredo, anycast addresses of PCP, TURN and SRP, benchmarks, AMT, AS112, ORCHID (the
    // retired one first), drones.
    v6([0x2001, 0, 0, 0], 23, RESERVED),
    v6([0x2001, 0, 0, 0], 32, RESERVED),
    anycast(1),
    anycast(2),
    anycast(3),
    v6([0x2001, 2, 0, 0], 48, BENCHMARK),
    v6([0x2001, 3, 0, 0], 32, GLOBAL),
    v6([0x2001, 4, 0x112, 0], 48, GLOBAL),
    v6([0x2001, 0x10, 0, 0], 28, RESERVED),
    v6([0x2001, 0x20, 0, 0], 28, GLOBAL),
    v6([0x2001, 0x30, 0, 0], 28, GLOBAL),
    v6([0x2001, 0xdb8, 0, 0], 32, EXAMPLE),
    v6([0x2002, 0, 0, 0], 16, RESERVED),
    v6([0x2620, 0x4f, 0x8000, 0], 48, GLOBAL),
    v6([0x3fff, 0, 0, 0], 20, EXAMPLE),
    // SRv6.
    v6([0x5f00, 0, 0, 0], 16, RESERVED),
    v6([0xfc00, 0, 0, 0], 7, PRIVATE),
    (IpNet::V6(Ipv6Net::new_assert(Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254), 128)), METADATA),
    (IpNet::V6(Ipv6Net::new_assert(Ipv6Addr::new(0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254), 128)), METADATA),
    v6([0xfe80, 0, 0, 0], 10, LINK_LOCAL),
    v6([0xfec0, 0, 0, 0], 10, PRIVATE),
    v6([0xff00, 0, 0, 0], 8, MULTICAST),
];

const fn v4([a, b, c, d]: [u8; 4], bits: u8, kind: Option<&'static str>) -> Row {
    (IpNet::V4(Ipv4Net::new_assert(Ipv4Addr::new(a, b, c, d), bits)), kind)
}

const fn v6([a, b, c, d]: [u16; 4], bits: u8, kind: Option<&'static str>) -> Row {
    (IpNet::V6(Ipv6Net::new_assert(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0), bits)), kind)
}

const fn anycast(last: u16) -> Row {
    (IpNet::V6(Ipv6Net::new_assert(Ipv6Addr::new(0x2001, 1, 0, 0, 0, 0, 0, last), 128)), GLOBAL)
}

/// What an address is that is not globally reachable; `None` for all others.
pub(super) fn kind(address: IpAddr) -> Option<&'static str> {
    ROWS.iter().rev().find(|(network, _)| network.contains(&address)).and_then(|(_, kind)| *kind)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic)]
mod tests {
    use super::*;

    /// The registries, row by row: the network, whether it is globally reachable, and the same of the address
    /// before its first and after its last one. For a row within another the neighbours are of the wider one.
    const REGISTRIES: &str = "
        0.0.0.0/8            no   -    yes
        0.0.0.0/32           no   -    no
        10.0.0.0/8           no   yes  yes
        100.64.0.0/10        no   yes  yes
        127.0.0.0/8          no   yes  yes
        169.254.0.0/16       no   yes  yes
        172.16.0.0/12        no   yes  yes
        192.0.0.0/24         no   yes  yes
        192.0.0.0/29         no   yes  no
        192.0.0.8/32         no   no   yes
        192.0.0.9/32         yes  no   yes
        192.0.0.10/32        yes  yes  no
        192.0.0.170/32       no   no   no
        192.0.0.171/32       no   no   no
        192.0.2.0/24         no   yes  yes
        192.31.196.0/24      yes  yes  yes
        192.52.193.0/24      yes  yes  yes
        192.88.99.0/24       no   yes  yes
        192.88.99.2/32       no   no   no
        192.168.0.0/16       no   yes  yes
        192.175.48.0/24      yes  yes  yes
        198.18.0.0/15        no   yes  yes
        198.51.100.0/24      no   yes  yes
        203.0.113.0/24       no   yes  yes
        240.0.0.0/4          no   no   -
        255.255.255.255/32   no   no   -
        ::1/128              no   no   no
        ::/128               no   -    no
        ::ffff:0:0/96        no   no   no
        64:ff9b::/96         yes  no   no
        64:ff9b:1::/48       no   no   no
        100::/64             no   no   no
        100:0:0:1::/64       no   no   no
        2001::/23            no   yes  yes
        2001::/32            no   yes  no
        2001:1::1/128        yes  no   yes
        2001:1::2/128        yes  yes  yes
        2001:1::3/128        yes  yes  no
        2001:2::/48          no   no   no
        2001:3::/32          yes  no   no
        2001:4:112::/48      yes  no   no
        2001:10::/28         no   no   yes
        2001:20::/28         yes  no   yes
        2001:30::/28         yes  yes  no
        2001:db8::/32        no   yes  yes
        2002::/16            no   yes  yes
        2620:4f:8000::/48    yes  yes  yes
        3fff::/20            no   yes  yes
        5f00::/16            no   no   no
        fc00::/7             no   no   no
        fe80::/10            no   no   no
        224.0.0.0/4          no   yes  no
        2000::/3             yes  no   no
        fec0::/10            no   no   no
        ff00::/8             no   no   -
    ";

    fn reachable(address: IpAddr) -> &'static str {
        if kind(address).is_none() { "yes" } else { "no" }
    }

    fn moved(address: IpAddr, up: bool) -> Option<IpAddr> {
        let by =
            |bits: u128, most: u128| if up { (bits < most).then(|| bits + 1) } else { bits.checked_sub(1) };
        match address {
            IpAddr::V4(address) => {
                let bits = by(u128::from(address.to_bits()), u128::from(u32::MAX))?;
                Some(Ipv4Addr::from_bits(u32::try_from(bits).unwrap()).into())
            }
            IpAddr::V6(address) => Some(Ipv6Addr::from_bits(by(address.to_bits(), u128::MAX)?).into()),
        }
    }

    #[test]
    fn every_row_of_the_registries_counts_from_its_first_address_to_its_last() {
        let rows: Vec<Vec<&str>> = REGISTRIES
            .lines()
            .map(|line| line.split_whitespace().collect())
            .filter(|row: &Vec<_>| !row.is_empty())
            .collect();
        assert_eq!(rows.len(), 55);
        for row in &rows {
            let [network, global, before, after] = row[..] else { panic!("{row:?}") };
            let network: IpNet = network.parse().unwrap();
            let (first, last) = (network.network(), network.broadcast());
            // Another row may begin or end where this one does.
            let narrower = |address: IpAddr| {
                let others = rows.iter().map(|row| row[0].parse::<IpNet>().unwrap());
                others
                    .filter(|other| other.contains(&address))
                    .any(|other| other.prefix_len() > network.prefix_len())
            };
            for address in [first, last] {
                if !narrower(address) {
                    assert_eq!(reachable(address), global, "{address}, an end of {network}");
                }
            }
            for (neighbour, wanted) in [(moved(first, false), before), (moved(last, true), after)] {
                let found = neighbour.map_or("-", reachable);
                assert_eq!(found, wanted, "{neighbour:?}, beside {network}");
            }
        }
    }

    #[test]
    fn rows_go_from_wide_to_narrow_and_none_stands_twice() {
        for (at, (network, _)) in ROWS.iter().enumerate() {
            assert_eq!(network.addr(), network.network(), "{network} has bits behind its end");
            for (later, _) in &ROWS[at + 1..] {
                assert!(!later.contains(network), "{network} can never count: {later} holds it");
            }
        }
    }

    #[test]
    fn addresses_in_the_middle_of_public_space_are_reachable() {
        for public in ["8.8.8.8", "1.1.1.1", "100.128.0.1", "223.255.255.255", "2606:4700::1111", "2a00::1"] {
            assert_eq!(kind(public.parse().unwrap()), None, "{public}");
        }
        for metadata in [
            "169.254.169.254",
            "100.100.100.200",
            "168.63.129.16",
            "192.0.0.192",
            "fd00:ec2::254",
            "fd20:ce::254",
        ] {
            assert_eq!(kind(metadata.parse().unwrap()), METADATA, "{metadata}");
        }
        assert_eq!(kind("168.63.129.17".parse().unwrap()), None);
    }
}
