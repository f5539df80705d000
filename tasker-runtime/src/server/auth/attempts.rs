//! How often somebody may show a credential that is not good.

use std::{
    collections::HashMap,
    net::{IpAddr, Ipv6Addr},
    sync::{Mutex, PoisonError},
    time::Duration,
};

use crate::model::Timestamp;

/// So many are looked at within a minute from one address.
const MAX: u32 = 20;
const MINUTE: Duration = Duration::from_secs(60);
/// So many addresses are remembered.
const ADDRESSES: usize = 10_000;

/// A minute that began with a failure, and how many there were.
#[derive(Clone, Copy, Debug)]
struct Failures {
    since: Timestamp,
    count: u32,
}

impl Failures {
    fn is_over(self, now: Timestamp) -> bool {
        now < self.since || now.since(self.since) >= MINUTE
    }
}

/// The failures of the last minute, by address.
#[derive(Debug, Default)]
pub(super) struct Attempts(Mutex<HashMap<IpAddr, Failures>>);

/// Whoever has one address of such a network has all of them.
fn network(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() >> 64 << 64).into(),
    }
}

impl Attempts {
    /// Seconds until somebody may try again, if they failed too often.
    pub(super) fn seconds_left(&self, address: IpAddr, now: Timestamp) -> Option<u64> {
        let failures = *self.0.lock().unwrap_or_else(PoisonError::into_inner).get(&network(address))?;
        let blocked = failures.count >= MAX && !failures.is_over(now);
        blocked.then(|| (MINUTE - now.since(failures.since)).as_secs() + 1)
    }

    /// Takes one more failure.
    pub(super) fn note(&self, address: IpAddr, now: Timestamp) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let address = network(address);
        if all.len() >= ADDRESSES && !all.contains_key(&address) {
            all.retain(|_, failures| !failures.is_over(now));
            let oldest = all.iter().min_by_key(|(_, failures)| failures.since).map(|(address, _)| *address);
            if let Some(oldest) = oldest.filter(|_| all.len() >= ADDRESSES) {
                all.remove(&oldest);
            }
        }
        let failures = all.entry(address).or_insert(Failures { since: now, count: 0 });
        if failures.is_over(now) {
            *failures = Failures { since: now, count: 0 };
        }
        failures.count = failures.count.saturating_add(1);
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const START: Timestamp = Timestamp::from_micros(1_700_000_000_000_000);

    #[test]
    fn twenty_a_minute_and_network_are_looked_at() {
        let attempts = Attempts::default();
        let [one, same, other]: [IpAddr; 3] =
            ["2001:db8::1", "2001:db8::ffff:1", "2001:db8:0:1::1"].map(|text| text.parse().unwrap());
        for _ in 0..MAX {
            assert_eq!(attempts.seconds_left(one, START), None);
            attempts.note(one, START);
        }
        assert_eq!(attempts.seconds_left(same, START + Duration::from_secs(10)), Some(51));
        assert_eq!(attempts.seconds_left(other, START), None);
        assert_eq!(attempts.seconds_left(one, START + MINUTE), None);
        attempts.note(one, START + MINUTE);
        assert_eq!(attempts.seconds_left(one, START + MINUTE), None, "a new minute");
    }

    #[test]
    fn addresses_are_not_remembered_without_bound() {
        let attempts = Attempts::default();
        for n in 0..u32::try_from(ADDRESSES).unwrap() + 100 {
            attempts.note(IpAddr::V4(n.into()), START + Duration::from_micros(n.into()));
        }
        let kept = attempts.0.lock().unwrap();
        assert_eq!(kept.len(), ADDRESSES);
        assert!(!kept.contains_key(&IpAddr::V4(0.into())) && kept.contains_key(&IpAddr::V4(10_099.into())));
    }
}
