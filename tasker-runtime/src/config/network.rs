//! Ranges of addresses.

use std::{fmt, net::IpAddr, str::FromStr};

/// Addresses that share their first bits, or a single one.
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
pub struct Network {
    first: IpAddr,
    bits: u8,
}

/// A text that is no network.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no network: write an address, `10.1.2.3`, or a range, `10.0.0.0/8` or `fd00::/8`")]
pub struct NotANetwork(pub String);

impl Network {
    /// Whether `address` is one of them. An IPv4 address written as IPv6, `::ffff:10.0.0.1`, is the same
    /// address.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        match (self.first, address.to_canonical()) {
            (IpAddr::V4(first), IpAddr::V4(address)) => {
                (first.to_bits() ^ address.to_bits()).leading_zeros() >= u32::from(self.bits)
            }
            (IpAddr::V6(first), IpAddr::V6(address)) => {
                (first.to_bits() ^ address.to_bits()).leading_zeros() >= u32::from(self.bits)
            }
            _ => false,
        }
    }

    /// The networks of a list with commas between; none where it is empty.
    ///
    /// # Errors
    /// The first entry that is none.
    pub fn list(text: &str) -> Result<Vec<Self>, NotANetwork> {
        text.split(',').map(str::trim).filter(|entry| !entry.is_empty()).map(str::parse).collect()
    }
}

impl FromStr for Network {
    type Err = NotANetwork;

    fn from_str(text: &str) -> Result<Self, NotANetwork> {
        let wrong = || NotANetwork(text.to_owned());
        let (address, bits) = match text.split_once('/') {
            Some((address, bits)) => (address, Some(bits)),
            None => (text, None),
        };
        let first: IpAddr = address.parse().map_err(|_| wrong())?;
        let most = if first.is_ipv4() { 32 } else { 128 };
        let bits = bits.map_or(Ok(most), str::parse).map_err(|_| wrong())?;
        if bits > most { Err(wrong()) } else { Ok(Self { first, bits }) }
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.first, self.bits)
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
            ("fd00::/8", "fdff::1", "fe00::1"),
            ("::1", "::1", "::2"),
            ("172.16.0.0/12", "172.31.0.1", "172.32.0.1"),
        ] {
            assert!(contains(network, inside), "{inside} in {network}");
            assert!(!contains(network, outside), "{outside} in {network}");
        }
        assert!(contains("0.0.0.0/0", "8.8.8.8") && !contains("0.0.0.0/0", "2606::1"));
        assert!(contains("::/0", "2606::1"));
    }

    #[test]
    fn list_names_the_entry_that_is_wrong() {
        assert_eq!(Network::list(" 10.0.0.0/8 , ::1,").unwrap().len(), 2);
        assert_eq!(Network::list("").unwrap(), []);
        for wrong in ["localhost", "10.0.0.0/", "10.0.0.0/33", "::/129", "10.0.0.0/-1", "/8"] {
            assert_eq!(Network::list(&format!("::1, {wrong}")), Err(NotANetwork(wrong.to_owned())));
        }
    }
}
