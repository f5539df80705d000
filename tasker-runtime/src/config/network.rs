//! Ranges of addresses.

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr},
    str::FromStr,
};

use ipnet::{IpNet, Ipv4Net};

/// Addresses that share their first bits, or a single one.
///
/// IPv4 addresses that are written as IPv6, `::ffff:10.0.0.1`, are the same addresses.
///
/// ```
/// use tasker_runtime::config::Network;
///
/// let network: Network = "10.1.0.0/16".parse()?;
/// assert!(network.contains("10.1.2.3".parse()?));
/// assert!(!network.contains("10.2.0.1".parse()?));
/// assert!("10.1.0.0/33".parse::<Network>().is_err());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network(IpNet);

/// A text that is not a network.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a network: write an address, `10.1.2.3`, or a range, `10.0.0.0/8` or `fd00::/8`")]
pub struct NotANetwork(pub String);

impl Network {
    /// Whether `address` is one of them.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        self.0.contains(&address.to_canonical())
    }

    /// The networks of a list with commas between; none where it is empty.
    ///
    /// # Errors
    /// The first entry that is not a network.
    pub fn list(text: &str) -> Result<Vec<Self>, NotANetwork> {
        text.split(',').map(str::trim).filter(|entry| !entry.is_empty()).map(str::parse).collect()
    }
}

impl From<IpAddr> for Network {
    fn from(address: IpAddr) -> Self {
        Self(address.to_canonical().into())
    }
}

impl FromStr for Network {
    type Err = NotANetwork;

    fn from_str(text: &str) -> Result<Self, NotANetwork> {
        if let Ok(address) = text.parse::<IpAddr>() {
            return Ok(address.into());
        }
        let network: IpNet = text.parse().map_err(|_| NotANetwork(text.to_owned()))?;
        Ok(Self(mapped(network).unwrap_or(network).trunc()))
    }
}

/// The IPv4 network that one of IPv6 is, where it is written so.
fn mapped(network: IpNet) -> Option<IpNet> {
    let IpNet::V6(network) = network else { return None };
    let first: Ipv4Addr = network.addr().to_ipv4_mapped()?;
    Some(Ipv4Net::new(first, network.prefix_len().checked_sub(96)?).ok()?.into())
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn contains(network: &str, address: &str) -> bool {
        network.parse::<Network>().unwrap().contains(address.parse().unwrap())
    }

    #[test]
    fn network_holds_the_addresses_that_share_its_bits_and_no_others() {
        for (network, inside, outside) in [
            ("127.0.0.0/8", "127.255.255.255", "128.0.0.0"),
            ("10.1.2.3", "10.1.2.3", "10.1.2.4"),
            ("10.0.0.0/8", "::ffff:10.9.8.7", "::ffff:11.0.0.0"),
            ("10.1.2.3/8", "10.0.0.0", "11.0.0.0"),
            ("::ffff:10.1.2.3", "10.1.2.3", "10.1.2.4"),
            ("::ffff:10.0.0.0/104", "10.1.2.3", "11.0.0.0"),
            ("fd00::/8", "fdff::1", "fe00::1"),
            ("::1", "::1", "::2"),
            ("172.16.0.0/12", "172.31.0.1", "172.32.0.1"),
        ] {
            assert!(contains(network, inside), "{inside} in {network}");
            assert!(!contains(network, outside), "{outside} in {network}");
        }
        assert!(contains("0.0.0.0/0", "8.8.8.8") && !contains("0.0.0.0/0", "2606::1"));
        assert!(contains("::/0", "2606::1") && !contains("::/0", "10.0.0.1"));
    }

    #[test]
    fn list_names_the_entry_that_is_wrong() {
        assert_eq!(Network::list(" 10.0.0.0/8 , ::1,").unwrap().len(), 2);
        assert_eq!(Network::list("").unwrap(), []);
        for wrong in [
            "localhost",
            "10.0.0.0/",
            "10.0.0.0/33",
            "::/129",
            "10.0.0.0/-1",
            "/8",
            "10.0.0/8",
            "1.2.3.4/8/8",
        ] {
            assert_eq!(Network::list(&format!("::1, {wrong}")), Err(NotANetwork(wrong.to_owned())));
        }
    }

    #[test]
    fn network_is_shown_as_the_range_it_is() {
        for (written, shown) in
            [("10.1.2.3", "10.1.2.3/32"), ("10.1.2.3/8", "10.0.0.0/8"), ("::ffff:10.0.0.0/104", "10.0.0.0/8")]
        {
            assert_eq!(written.parse::<Network>().unwrap().to_string(), shown);
        }
    }
}
