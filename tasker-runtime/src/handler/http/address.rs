//! Which addresses may be called.
//!
//! A URL that comes from data must not lead a worker to what only the worker can reach: its own machine,
//! its private network, the metadata service of its cloud. So every address is looked at before it is
//! connected to: written ones before the request, those of a name by the client's only resolver, whose
//! checked answer is what is connected to. There is no second look-up that could answer otherwise.

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    sync::Arc,
};

use reqwest::dns::{Name, Resolve, Resolving};

use crate::config::Network;

/// An address that must not be called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Refused {
    pub(super) address: IpAddr,
    /// What it belongs to.
    pub(super) kind: &'static str,
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} is {}", self.address, self.kind)
    }
}

impl std::error::Error for Refused {}

/// Looks at an address.
///
/// # Errors
/// Where it is no public one and none of `allowed` holds it.
pub(super) fn check(address: IpAddr, allowed: &[Network]) -> Result<(), Refused> {
    if allowed.iter().any(|network| network.contains(address)) {
        return Ok(());
    }
    let kind = match address {
        IpAddr::V4(address) => special_v4(address),
        IpAddr::V6(address) => special_v6(address),
    };
    kind.map_or(Ok(()), |kind| Err(Refused { address, kind }))
}

fn special_v4(address: Ipv4Addr) -> Option<&'static str> {
    let [a, b, c, d] = address.octets();
    Some(match (a, b, c, d) {
        (169, 254, 169, 254) | (100, 100, 100, 200) | (168, 63, 129, 16) | (192, 0, 0, 192) => {
            "the metadata service of a cloud"
        }
        (0, ..) => "no address of a server",
        (127, ..) => "this machine",
        (10, ..) | (172, 16..=31, ..) | (192, 168, ..) => "in a private network",
        (100, 64..=127, ..) => "in the network of a provider",
        (169, 254, ..) => "link-local",
        (192, 0, 0 | 2, _) | (198, 18..=19, ..) | (198, 51, 100, _) | (203, 0, 113, _) => "reserved",
        (224..=239, ..) => "multicast",
        (240..=255, ..) => "reserved",
        _ => return None,
    })
}

fn special_v6(address: Ipv6Addr) -> Option<&'static str> {
    let s = address.segments();
    let embedded =
        |high: u16, low: u16| special_v4(Ipv4Addr::from_bits(u32::from(high) << 16 | u32::from(low)));
    match s {
        [0, 0, 0, 0, 0, 0, 0, 0] => Some("no address of a server"),
        [0, 0, 0, 0, 0, 0, 0, 1] => Some("this machine"),
        // Written as IPv6, translated and tunnelled: what counts is the IPv4 address inside.
        [0, 0, 0, 0, 0, 0 | 0xffff, high, low]
        | [0, 0, 0, 0, 0xffff, 0, high, low]
        | [0x64, 0xff9b, 0, 0, 0, 0, high, low]
        | [0x2002, high, low, ..] => embedded(high, low),
        [0x64, 0xff9b, 1, ..] => Some("in a private network"),
        [0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254] => Some("the metadata service of a cloud"),
        [0xfc00..=0xfdff, ..] | [0xfec0..=0xfeff, ..] => Some("in a private network"),
        [0xfe80..=0xfebf, ..] => Some("link-local"),
        [0xff00..=0xffff, ..] => Some("multicast"),
        [0x2001, 0..=0x1ff, ..] | [0x2001, 0xdb8, ..] | [0x3fff, 0..=0xfff, ..] | [0x100, 0, 0, 0, ..] => {
            Some("reserved")
        }
        _ => None,
    }
}

/// How a name becomes addresses.
pub(super) type Lookup = fn(String) -> Looking;

/// A look-up that is under way.
pub(super) type Looking = std::pin::Pin<Box<dyn Future<Output = std::io::Result<Vec<IpAddr>>> + Send>>;

/// The machine's own way.
pub(super) fn system(name: String) -> Looking {
    Box::pin(async move {
        let found = tokio::net::lookup_host((name, 0)).await?;
        Ok(found.map(|address| address.ip()).collect())
    })
}

/// The only resolver of the client: every address it gives out is one that may be called.
#[derive(Clone)]
pub(super) struct Checked {
    pub(super) allowed: Arc<[Network]>,
    pub(super) lookup: Lookup,
}

impl Checked {
    async fn addresses(
        self,
        name: String,
    ) -> Result<Vec<SocketAddr>, Box<dyn std::error::Error + Send + Sync>> {
        let found = (self.lookup)(name).await?;
        // One bad address spoils the name: whoever answers so is not to be trusted with the others.
        for address in &found {
            check(*address, &self.allowed)?;
        }
        Ok(found.into_iter().map(|address| SocketAddr::new(address, 0)).collect())
    }
}

impl Resolve for Checked {
    fn resolve(&self, name: Name) -> Resolving {
        let looking = self.clone().addresses(name.as_str().to_owned());
        Box::pin(async move { Ok(Box::new(looking.await?.into_iter()) as reqwest::dns::Addrs) })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn refused(address: &str, allowed: &str) -> bool {
        check(address.parse().unwrap(), &Network::list(allowed).unwrap()).is_err()
    }

    #[test]
    fn only_public_addresses_may_be_called() {
        for public in
            ["8.8.8.8", "100.128.0.1", "172.32.0.1", "2606:4700::1111", "64:ff9b::808:808", "2002:808:808::1"]
        {
            assert!(!refused(public, ""), "{public}");
        }
        for private in [
            "127.0.0.1",
            "127.9.9.9",
            "0.0.0.0",
            "10.0.0.1",
            "172.16.0.1",
            "172.31.255.255",
            "192.168.1.1",
            "169.254.169.254",
            "169.254.1.1",
            "100.64.0.1",
            "100.100.100.200",
            "168.63.129.16",
            "192.0.0.192",
            "198.18.0.1",
            "224.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::ffff:127.0.0.1",
            "::ffff:a9fe:a9fe",
            "::7f00:1",
            "64:ff9b::a00:1",
            "64:ff9b:1::1",
            "2002:7f00:1::",
            "2002:a00:1::1",
            "fd00:ec2::254",
            "fc00::1",
            "fe80::1",
            "fec0::1",
            "ff02::1",
            "2001::1",
            "2001:db8::1",
        ] {
            assert!(refused(private, ""), "{private}");
        }
    }

    #[test]
    fn allowed_network_opens_itself_and_nothing_else() {
        assert!(!refused("10.1.2.3", "10.0.0.0/8"));
        assert!(!refused("::ffff:10.1.2.3", "10.0.0.0/8"));
        assert!(refused("169.254.169.254", "10.0.0.0/8, 127.0.0.1"));
        assert!(refused("127.0.0.2", "127.0.0.1"));
    }

    #[tokio::test]
    async fn name_with_one_private_address_is_refused_whole() {
        let mixed: Lookup = |_| Box::pin(async { Ok(vec![[8, 8, 8, 8].into(), [10, 0, 0, 1].into()]) });
        let error =
            Checked { allowed: [].into(), lookup: mixed }.addresses("x.test".to_owned()).await.unwrap_err();
        let refused = error.downcast::<Refused>().unwrap();
        assert_eq!(refused.to_string(), "10.0.0.1 is in a private network");

        let good: Lookup = |_| Box::pin(async { Ok(vec![[8, 8, 8, 8].into()]) });
        let found =
            Checked { allowed: [].into(), lookup: good }.addresses("x.test".to_owned()).await.unwrap();
        assert_eq!(found, ["8.8.8.8:0".parse().unwrap()]);
    }
}
