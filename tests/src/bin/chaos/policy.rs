//! What each step of a task does by itself, whoever runs it: which is slow or fails, which routes are taken,
//! how many batches there are.
//!
//! All of it follows from the task's id and the step's name alone, so that every process, and the checker
//! afterwards, says the same.

use std::time::Duration;

use uuid::Uuid;

use super::workflows::POLLING;

/// So many positions has each batch.
pub(crate) const SLICE: u64 = 12;

/// Batches keep their progress each time they have done so many positions.
pub(crate) const STRIDE: u64 = 4;

/// The most batches of a task.
const MOST_BATCHES: u64 = 8;

/// What a step of a task does by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Policy {
    /// How long an attempt takes.
    pub(crate) takes: Duration,
    /// How many of its first attempts fail.
    pub(crate) failures: u32,
    /// How long a failed attempt asks to wait; without it, the template's delay.
    pub(crate) delay: Option<Duration>,
    /// Whether the attempt after these fails for good.
    pub(crate) doomed: bool,
}

/// Longer than a process keeps a task for a retry: it gives the task back and somebody takes it anew.
const DISTANT: Duration = Duration::from_millis(5_500);

impl Policy {
    /// Most steps return at once, some take milliseconds, one in twenty-five long enough to be cut off or
    /// repeated elsewhere meanwhile; one in twelve fails at first.
    pub(crate) fn of(task: Uuid, step: &str) -> Self {
        let dice = Dice::of(task, step);
        let takes = match dice.roll(0, 100) {
            0..64 => 0,
            64..96 => 1 + dice.roll(1, 8),
            _ => 300 + dice.roll(1, 900),
        };
        let (failures, delay) = match dice.roll(2, 480) {
            // Its rounds are counted as attempts.
            _ if step == POLLING.1 => (0, None),
            0 => (1, Some(DISTANT)),
            1..8 => (2, None),
            8..40 => (1, None),
            _ => (0, None),
        };
        Self { takes: Duration::from_millis(takes), failures, delay, doomed: doomed(task, step) }
    }
}

/// Whether the step of the task fails for good.
fn doomed(task: Uuid, step: &str) -> bool {
    match Dice::of(task, "doom").roll(0, 10) {
        0..5 => ["order_ship", "doomed_middle"].contains(&step),
        5..7 => step == "order_notify",
        _ => false,
    }
}

/// What is sent to the task.
pub(crate) fn answer(task: Uuid) -> u64 {
    Dice::of(task, "answer").roll(0, 1 << 50)
}

/// The routes a decision of the task takes: any of those it has, or none.
pub(crate) fn routes(task: Uuid, decision: &str) -> Vec<&'static str> {
    let all: &[&str] = match decision {
        "route_choose" => &["route_left", "route_right", "route_again"],
        "route_again" => &["route_deep", "route_side"],
        _ => &[],
    };
    let taken = Dice::of(task, decision).roll(3, 1 << all.len());
    (0..).zip(all).filter(|(bit, _)| taken >> bit & 1 == 1).map(|(_, route)| *route).collect()
}

/// How many batches the task has.
pub(crate) fn batches(task: Uuid) -> u64 {
    Dice::of(task, "batches").roll(0, MOST_BATCHES + 1)
}

/// How many rounds the step of the task goes that goes round.
pub(crate) fn rounds(task: Uuid) -> u32 {
    1 + u32::try_from(Dice::of(task, "rounds").roll(0, 6)).unwrap_or_default()
}

/// How long after this round the next one is to start: mostly at once or soon.
pub(crate) fn pause(task: Uuid, round: u32) -> Duration {
    match Dice::of(task, "pauses").roll(u64::from(round), 60) {
        0 => DISTANT,
        1..30 => Duration::from_millis(u64::from(round) * 7),
        _ => Duration::ZERO,
    }
}

/// How many deliveries of this event of the task fail before one does not.
pub(crate) fn unheard(task: Uuid, sequence: u32) -> u32 {
    match Dice::of(task, "events").roll(u64::from(sequence), 40) {
        0 => 2,
        1 => 1,
        _ => 0,
    }
}

/// How many tasks the task starts.
pub(crate) fn children(task: Uuid) -> u64 {
    Dice::of(task, "children").roll(0, 6)
}

/// Numbers that follow from a task and a step.
struct Dice(u64);

impl Dice {
    fn of(task: Uuid, step: &str) -> Self {
        // FNV-1a.
        let hash = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3);
        Self(task.as_bytes().iter().chain(step.as_bytes()).fold(0xcbf2_9ce4_8422_2325, hash))
    }

    /// The `turn`-th number, below `sides`.
    fn roll(&self, turn: u64, sides: u64) -> u64 {
        fastrand::Rng::with_seed(self.0.wrapping_add(turn)).u64(..sides)
    }
}

#[cfg(test)]
mod tests {
    use super::{super::workflows::MAX_ATTEMPTS, *};

    fn tasks() -> impl Iterator<Item = Uuid> {
        (0..10_000u128).map(|n| Uuid::from_u128(n.wrapping_mul(0x9e37_79b9_7f4a_7c15)))
    }

    #[test]
    fn some_steps_fail_and_some_are_slow_but_most_are_neither() {
        let count =
            |test: fn(Policy) -> bool| tasks().filter(|task| test(Policy::of(*task, "mixed_left"))).count();
        assert!((300..500).contains(&count(|policy| policy.takes > Duration::from_millis(300))));
        assert!((700..950).contains(&count(|policy| policy.failures > 0)));
        assert!((5..50).contains(&count(|policy| policy.delay.is_some())));
        assert_eq!(count(|policy| policy.failures >= MAX_ATTEMPTS || policy.doomed), 0);
    }

    #[test]
    fn every_choice_is_made_by_some_tasks() {
        let share = |test: &dyn Fn(Uuid) -> bool| tasks().filter(|task| test(*task)).count();
        for (taken, at_least) in [(0, 1_000), (1, 3_000), (3, 1_000)] {
            assert!(share(&|task| routes(task, "route_choose").len() == taken) > at_least, "{taken} routes");
        }
        for count in [0, 1, MOST_BATCHES] {
            assert!(share(&|task| batches(task) == count) > 800, "{count} batches");
        }
        assert!((4_500..5_500).contains(&share(&|task| Policy::of(task, "order_ship").doomed)));
        assert!((1_500..2_500).contains(&share(&|task| Policy::of(task, "order_notify").doomed)));
    }
}
