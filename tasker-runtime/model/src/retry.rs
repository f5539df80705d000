//! When a failed attempt is followed by another.

use std::time::Duration;

use tasker_template::Backoff;

/// The retry policy of a step, with every value decided.
///
/// ```
/// use std::time::Duration;
/// use tasker_model::Retry;
/// use tasker_template::Backoff;
///
/// let s = Duration::from_secs;
/// let retry = Retry { max_attempts: 4, base: s(1), cap: s(3), ..Retry::default() };
/// assert_eq!(retry.backoff, Backoff::Exponential);
/// assert_eq!(retry.delay_after(1), Some(s(1)));
/// assert_eq!(retry.delay_after(3), Some(s(3))); // capped, not 4 s
/// assert_eq!(retry.delay_after(4), None);       // no attempt is left
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retry {
    /// All attempts, the first included; 0 counts as 1.
    pub max_attempts: u32,
    /// How the delay grows.
    pub backoff: Backoff,
    /// The delay after the first failed attempt.
    pub base: Duration,
    /// The longest delay, before jitter.
    pub cap: Duration,
    /// The longest delay that a server may ask for, with `Retry-After`.
    pub max_suggested: Duration,
}

impl Default for Retry {
    /// Three attempts, 1 s and 2 s apart, or as far as a server asks for, an hour at most.
    fn default() -> Self {
        Self {
            max_attempts: 3,
            backoff: Backoff::Exponential,
            base: Duration::from_secs(1),
            cap: Duration::from_secs(30),
            max_suggested: Duration::from_secs(60 * 60),
        }
    }
}

impl Retry {
    /// The delay before the next attempt, after attempt `attempt` (from 1) failed, without jitter.
    /// `None` when no attempt is left: the step has then failed for good.
    #[must_use]
    pub fn delay_after(self, attempt: u32) -> Option<Duration> {
        if attempt >= self.max_attempts.max(1) {
            return None;
        }
        let factor = match self.backoff {
            Backoff::None => 1,
            Backoff::Linear => attempt,
            Backoff::Exponential => 1u32.checked_shl(attempt.saturating_sub(1)).unwrap_or(u32::MAX),
            Backoff::Fibonacci => fibonacci(attempt),
        };
        Some(self.base.saturating_mul(factor).min(self.cap))
    }
}

/// `delay` moved by up to 15 % either way, the same for the same `seed`.
///
/// Spreads retries of many steps that failed together.
///
/// ```
/// use std::time::Duration;
/// use tasker_model::jittered;
///
/// let second = Duration::from_secs(1);
/// let delay = jittered(second, 7);
/// assert!(delay >= Duration::from_millis(850) && delay <= Duration::from_millis(1150));
/// assert_eq!(delay, jittered(second, 7));
/// ```
#[must_use]
pub fn jittered(delay: Duration, seed: u64) -> Duration {
    delay.mul_f64(0.85 + 0.30 * fastrand::Rng::with_seed(seed).f64())
}

/// The `n`th Fibonacci number from 1, 1, 2, 3, …, or the largest `u32`.
fn fibonacci(n: u32) -> u32 {
    let (mut this, mut next) = (1u32, 1u32);
    for _ in 1..n.min(64) {
        (this, next) = (next, this.saturating_add(next));
    }
    this
}

#[cfg(test)]
mod tests {
    use super::*;

    fn delays(backoff: Backoff) -> Vec<u64> {
        let (base, cap) = (Duration::from_secs(2), Duration::from_secs(20));
        let retry = Retry { max_attempts: 7, backoff, base, cap, ..Retry::default() };
        (1..).map_while(|attempt| retry.delay_after(attempt)).map(|delay| delay.as_secs()).collect()
    }

    #[test]
    fn delays_grow_as_their_backoff_says() {
        assert_eq!(delays(Backoff::None), [2, 2, 2, 2, 2, 2]);
        assert_eq!(delays(Backoff::Linear), [2, 4, 6, 8, 10, 12]);
        assert_eq!(delays(Backoff::Exponential), [2, 4, 8, 16, 20, 20]);
        assert_eq!(delays(Backoff::Fibonacci), [2, 2, 4, 6, 10, 16]);
    }

    #[test]
    fn no_attempts_means_one() {
        let retry = Retry { max_attempts: 0, ..Retry::default() };
        assert_eq!(retry.delay_after(1), None);
    }

    #[test]
    fn huge_attempt_numbers_stay_at_the_cap() {
        let retry = Retry { max_attempts: u32::MAX, cap: Duration::from_secs(9), ..Retry::default() };
        for backoff in [Backoff::Linear, Backoff::Exponential, Backoff::Fibonacci] {
            let delay = Retry { backoff, ..retry }.delay_after(u32::MAX - 1);
            assert_eq!(delay, Some(Duration::from_secs(9)), "{backoff:?}");
        }
    }
}
