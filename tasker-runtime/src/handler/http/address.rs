//! Which addresses may be called.
//!
//! A URL that comes from data must not lead a worker to what only the worker can reach: its own machine, its
//! private network, the metadata service of its cloud. So every address is checked before anything connects to
//! it: one in a URL before the request, those of a name by the client's only resolver, whose checked answer
//! is what is connected to. There is no second look-up that could answer otherwise.

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    sync::Arc,
};

use reqwest::dns::{Name, Resolve, Resolving};

use super::special;
use crate::config::Network;

/// An address that must not be called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Refused {
    pub(super) address: IpAddr,
    /// What it is.
    pub(super) kind: &'static str,
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} is {}", self.address, self.kind)
    }
}

impl std::error::Error for Refused {}

/// Whether an address may be called. One that carries IPv4 addresses is judged by them alone, as packets go
/// to them.
///
/// # Errors
/// Where it is not globally reachable and none of the `allowed` networks holds it.
pub(super) fn check(address: IpAddr, allowed: &[Network]) -> Result<(), Refused> {
    if allowed.iter().any(|network| network.contains(address)) {
        return Ok(());
    }
    let refused = |kind| Refused { address, kind };
    let inner = match address {
        IpAddr::V4(_) => [None, None],
        IpAddr::V6(address) => carried(address),
    };
    if inner == [None, None] {
        return special::kind(address).map_or(Ok(()), |kind| Err(refused(kind)));
    }
    let mut inner = inner.into_iter().flatten();
    inner.try_for_each(|inner| check(inner.into(), allowed)).map_err(|inside| refused(inside.kind))
}

/// The IPv4 addresses in an IPv6 address that is only a form of them: mapped, translated (NAT64), or the ends
/// of a tunnel (6to4, and Teredo with its server and, inverted, its client).
fn carried(address: Ipv6Addr) -> [Option<Ipv4Addr>; 2] {
    let v4 = |high: u16, low: u16| Some(Ipv4Addr::from_bits(u32::from(high) << 16 | u32::from(low)));
    match address.segments() {
        [0, 0, 0, 0, 0, 0xffff, high, low]
        | [0x64, 0xff9b, 0, 0, 0, 0, high, low]
        | [0x2002, high, low, ..] => [v4(high, low), None],
        [0x2001, 0, high, low, _, _, client_high, client_low] => {
            [v4(high, low), v4(!client_high, !client_low)]
        }
        _ => [None, None],
    }
}

/// Finds the addresses of a name.
pub(super) type Lookup = fn(String) -> Looking;

/// A look-up that is under way.
pub(super) type Looking = std::pin::Pin<Box<dyn Future<Output = std::io::Result<Vec<IpAddr>>> + Send>>;

/// Asks the system.
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
        // One bad address spoils the name: whoever answers with it is not to be trusted with the others.
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
    fn address_that_carries_another_is_judged_by_it() {
        // Mapped, translated, 6to4, Teredo with its server and its client (inverted).
        let forms = |inner: Ipv4Addr| {
            let (high, low) = ((inner.to_bits() >> 16) as u16, inner.to_bits() as u16);
            [
                Ipv6Addr::new(0, 0, 0, 0, 0, 0xffff, high, low),
                Ipv6Addr::new(0x64, 0xff9b, 0, 0, 0, 0, high, low),
                Ipv6Addr::new(0x2002, high, low, 0, 0, 0, 0, 1),
                Ipv6Addr::new(0x2001, 0, high, low, 0x8000, 0x63bf, !0x0808, !0x0808),
                Ipv6Addr::new(0x2001, 0, 0x0808, 0x0808, 0x8000, 0x63bf, !high, !low),
            ]
        };
        for (inner, kind) in [
            ([8, 8, 8, 8], None),
            ([192, 0, 0, 9], None),
            ([10, 0, 0, 1], Some("in a private network")),
            ([127, 0, 0, 1], Some("this machine")),
            ([169, 254, 169, 254], Some("the metadata service of a cloud")),
            ([0, 0, 0, 0], Some("not the address of a server")),
            ([255, 255, 255, 255], Some("reserved")),
            ([192, 88, 99, 1], Some("a retired relay")),
        ] {
            for form in forms(inner.into()) {
                let wanted = kind.map_or(Ok(()), |kind| Err(Refused { address: form.into(), kind }));
                assert_eq!(check(form.into(), &[]), wanted, "{form} of {inner:?}");
                // What is allowed is allowed in every form.
                let own = [Network::from(IpAddr::from(inner)), Network::from(IpAddr::from([8, 8, 8, 8]))];
                assert_eq!(check(form.into(), &own), Ok(()), "{form} of {inner:?}");
            }
        }
    }

    #[test]
    fn forms_that_nobody_translates_are_reserved() {
        // IPv4-compatible, IPv4-translated, and a NAT64 prefix of a network's own.
        for address in
            ["::8.8.8.8", "::7f00:1", "::ffff:0:8.8.8.8", "64:ff9b:1::8.8.8.8", "64:ff9b:0:1::8.8.8.8"]
        {
            assert!(refused(address, ""), "{address}");
        }
    }

    #[test]
    fn allowed_network_opens_itself_and_nothing_else() {
        assert!(!refused("10.1.2.3", "10.0.0.0/8"));
        assert!(!refused("::ffff:10.1.2.3", "10.0.0.0/8"));
        assert!(!refused("10.1.2.3", "::ffff:10.0.0.0/104"));
        assert!(refused("10.1.2.3", "::/0") && refused("fd00::1", "0.0.0.0/0"));
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
