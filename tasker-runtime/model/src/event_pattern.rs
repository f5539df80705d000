//! Which events somebody wants to hear of.

use std::{fmt, str::FromStr};

/// Names of events: words joined by dots, where `*` in the place of a word stands for any one word, and as the last
/// one for one word or more. `*` alone means every event.
///
/// ```
/// use tasker_model::EventPattern;
///
/// let payments: EventPattern = "payment.*".parse()?;
/// assert!(payments.matches("payment.processed") && payments.matches("payment.card.declined"));
/// assert!(!payments.matches("payment") && !payments.matches("order.paid"));
///
/// let paid: EventPattern = "*.paid".parse()?;
/// assert!(paid.matches("order.paid") && !paid.matches("shop.order.paid"));
/// assert!("payment..paid".parse::<EventPattern>().is_err());
/// # Ok::<(), String>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct EventPattern(String);

impl EventPattern {
    /// Every event.
    #[must_use]
    pub fn all() -> Self {
        Self("*".to_owned())
    }

    /// Whether it means events of this name.
    #[must_use]
    pub fn matches(&self, name: &str) -> bool {
        let (mut words, mut named) = (self.0.split('.').peekable(), name.split('.'));
        while let Some(word) = words.next() {
            let Some(other) = named.next() else { return false };
            if word == "*" && words.peek().is_none() {
                return true;
            }
            if word != "*" && word != other {
                return false;
            }
        }
        named.next().is_none()
    }

    /// As it is written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for EventPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for EventPattern {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match tasker_template::event_pattern_problem(text) {
            None => Ok(Self(text.to_owned())),
            Some(problem) => Err(problem),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn last_star_means_one_word_or_more_and_others_one() {
        let table = [
            ("*", "a", true),
            ("*", "a.b.c", true),
            ("a", "a", true),
            ("a", "a.b", false),
            ("a.*", "a", false),
            ("a.*", "a.b", true),
            ("a.*", "a.b.c", true),
            ("a.*", "b.b", false),
            ("*.b", "a.b", true),
            ("*.b", "a.a.b", false),
            ("a.*.c", "a.b.c", true),
            ("a.*.c", "a.c", false),
            ("a.*.c", "a.b.b.c", false),
            ("*.*", "a", false),
            ("*.*", "a.b.c", true),
        ];
        for (pattern, name, expected) in table {
            let parsed: EventPattern = pattern.parse().unwrap();
            assert_eq!(parsed.matches(name), expected, "{pattern} {name}");
        }
        for wrong in ["", ".", "a.", "a b", "a.**", "a*", "a.b.c.d.e.f.g.h.i"] {
            assert!(wrong.parse::<EventPattern>().is_err(), "{wrong}");
        }
    }
}
