//! Whole numbers that are exact or an error, never wrong.

use std::{fmt, ops::Mul};

use num_bigint::BigUint;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use tasker_runtime::prelude::*;

/// A context with the number to begin with.
#[derive(Debug, Deserialize)]
pub struct Start {
    even_number: Option<i64>,
}

impl Start {
    /// The number, if it is even and from 2 to 100.
    ///
    /// # Errors
    ///
    /// Permanent `MISSING_CONTEXT_FIELD` without it, permanent `VALIDATION_ERROR` for any other number.
    pub fn even_number(&self) -> Result<Exact, StepError> {
        match self.even_number {
            None => Err(StepError::permanent("MISSING_CONTEXT_FIELD", "the context has no `even_number`")),
            Some(n) if n % 2 == 0 && (2..=100).contains(&n) => Ok(Exact(n.unsigned_abs().into())),
            Some(n) => Err(StepError::permanent(
                "VALIDATION_ERROR",
                format!("`even_number` must be an even number from 2 to 100, not {n}"),
            )),
        }
    }
}

/// What a step says whose numbers do not fit into 64 bits.
pub fn overflow() -> StepError {
    StepError::permanent("OVERFLOW", "the result does not fit into 64 bits")
}

/// A whole number of any size. In JSON it is a number below 2^63, a decimal string from there on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exact(BigUint);

impl Exact {
    /// The number times itself.
    pub fn square(&self) -> Self {
        Self(self.0.pow(2))
    }
}

impl Mul for Exact {
    type Output = Self;

    fn mul(self, other: Self) -> Self {
        Self(self.0 * other.0)
    }
}

impl Serialize for Exact {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match i64::try_from(&self.0) {
            Ok(small) => serializer.serialize_i64(small),
            Err(_) => serializer.collect_str(&self.0),
        }
    }
}

impl<'de> Deserialize<'de> for Exact {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ExactVisitor)
    }
}

struct ExactVisitor;

impl de::Visitor<'_> for ExactVisitor {
    type Value = Exact;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a whole number, or one as a decimal string")
    }

    fn visit_u64<E: de::Error>(self, number: u64) -> Result<Exact, E> {
        Ok(Exact(number.into()))
    }

    fn visit_str<E: de::Error>(self, digits: &str) -> Result<Exact, E> {
        let plain = digits.bytes().all(|byte| byte.is_ascii_digit());
        let number = plain.then(|| digits.parse().ok()).flatten();
        number.map(Exact).ok_or_else(|| E::invalid_value(de::Unexpected::Str(digits), &self))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn even(json: &str) -> Result<Exact, StepError> {
        serde_json::from_str::<Start>(json).unwrap().even_number()
    }

    #[test]
    fn only_even_numbers_from_2_to_100_start_a_run() {
        assert_eq!(even(r#"{"even_number": 2}"#).unwrap(), Exact(2_u8.into()));
        assert_eq!(even(r#"{"even_number": 100}"#).unwrap(), Exact(100_u8.into()));
        for (json, code) in [
            ("{}", "MISSING_CONTEXT_FIELD"),
            (r#"{"even_number": null}"#, "MISSING_CONTEXT_FIELD"),
            (r#"{"even_number": 7}"#, "VALIDATION_ERROR"),
            (r#"{"even_number": 0}"#, "VALIDATION_ERROR"),
            (r#"{"even_number": -4}"#, "VALIDATION_ERROR"),
            (r#"{"even_number": 102}"#, "VALIDATION_ERROR"),
        ] {
            let error = even(json).unwrap_err();
            assert_eq!((error.code(), error.is_retryable()), (code, false), "{json}");
        }
    }

    #[test]
    fn json_is_a_number_below_2_to_the_63_and_a_string_from_there_on() {
        for json in
            ["0", "36", "9223372036854775807", r#""9223372036854775808""#, r#""18446744073709551616""#]
        {
            let number: Exact = serde_json::from_str(json).unwrap();
            assert_eq!(serde_json::to_string(&number).unwrap(), json);
        }
        for json in ["-1", "1.5", r#""-1""#, r#""6 apples""#, r#""+6""#, r#""1_000""#, r#""""#, "null"] {
            assert!(serde_json::from_str::<Exact>(json).is_err(), "{json}");
        }
    }
}
