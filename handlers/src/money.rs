//! Money: whole cents inside, two decimals outside.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// An amount in whole cents, up to 2^53 of them either way. In JSON a number with two decimals at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Money(i64);

impl Money {
    /// Nothing.
    pub const ZERO: Self = Self(0);

    // From here on a double has no place for every cent.
    const LIMIT: i64 = 1 << 53;

    /// An amount without cents.
    pub const fn whole(amount: u32) -> Self {
        Self(amount as i64 * 100)
    }

    fn of_cents(cents: i64) -> Option<Self> {
        (-Self::LIMIT..=Self::LIMIT).contains(&cents).then_some(Self(cents))
    }

    /// The sum; `None` past the limit.
    pub fn plus(self, other: Self) -> Option<Self> {
        self.0.checked_add(other.0).and_then(Self::of_cents)
    }

    /// The price of `quantity` pieces; `None` past the limit.
    pub fn times(self, quantity: i64) -> Option<Self> {
        self.0.checked_mul(quantity).and_then(Self::of_cents)
    }

    /// `percent` hundredths of a positive amount, half a cent rounded up; `None` past the limit.
    pub fn percent(self, percent: i64) -> Option<Self> {
        let hundredths = self.0.checked_mul(percent)?.checked_add(50)?;
        Self::of_cents(hundredths.div_euclid(100))
    }
}

impl fmt::Display for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.0 < 0 { "-" } else { "" };
        let cents = self.0.unsigned_abs();
        write!(f, "{sign}{}.{:02}", cents / 100, cents % 100)
    }
}

impl Serialize for Money {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_f64(self.0 as f64 / 100.0)
    }
}

impl<'de> Deserialize<'de> for Money {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let amount = f64::deserialize(deserializer)?;
        // Saturates, and what saturated is past the limit.
        let money = Self::of_cents((amount * 100.0).round() as i64);
        money.filter(|money| money.0 as f64 / 100.0 == amount).ok_or_else(|| {
            de::Error::custom(format_args!(
                "{amount} is not an amount of money: two decimals at most, as in 12.50"
            ))
        })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn every_cent_survives_the_way_through_json() {
        for cents in (0..200_000).chain([999_999_999_999, Money::LIMIT - 1, Money::LIMIT]) {
            for money in [Money(cents), Money(-cents)] {
                let json = serde_json::to_string(&money).unwrap();
                assert_eq!(serde_json::from_str::<Money>(&json).unwrap(), money, "{json}");
            }
        }
        assert_eq!(serde_json::from_str::<Money>("29").unwrap(), Money(2900));
    }

    #[test]
    fn parts_of_a_cent_and_too_much_are_refused() {
        for json in ["0.001", "29.999", "1e300", "-1e300", "90071992547409.93", "\"1.00\""] {
            assert!(serde_json::from_str::<Money>(json).is_err(), "{json}");
        }
        let most = Money(Money::LIMIT);
        assert_eq!((most.plus(Money(1)), most.times(2), most.times(i64::MAX)), (None, None, None));
        assert_eq!(most.percent(101), None);
    }

    #[test]
    fn half_a_cent_of_tax_is_rounded_up() {
        let tax = [56, 57, 62, 63, 10_000].map(|cents| Money(cents).percent(8).unwrap());
        assert_eq!(tax, [4, 5, 5, 5, 800].map(Money));
        assert_eq!(Money(25).percent(2), Some(Money(1)));
    }

    #[test]
    fn amount_is_shown_with_two_decimals() {
        assert_eq!([5, 1200, -1234].map(|cents| Money(cents).to_string()), ["0.05", "12.00", "-12.34"]);
    }
}
