//! Steps that go round: what a handler says instead of a result, to be called once more.

use std::time::Duration;

use tasker_template::LONGEST_WAIT_MS;

use super::{Json, Progress, Rules, StepError, StepIndex, Timestamp};

/// How many rounds a step goes at most, where nothing else is said.
pub const DEFAULT_ROUNDS: u32 = 10_000;

/// What an attempt came to that did not fail.
#[derive(Clone, Debug, PartialEq)]
pub enum Ended {
    /// It has a result.
    Done(Json),
    /// Its step is to be called once more.
    Again(Again),
}

impl From<Json> for Ended {
    fn from(result: Json) -> Self {
        Self::Done(result)
    }
}

/// What a handler says to be called once more.
#[derive(Clone, Debug, PartialEq)]
pub struct Again {
    /// What the next round is called with.
    pub state: Json,
    /// How long after this one it starts.
    pub after: Duration,
}

/// A round that is over.
#[derive(Clone, Debug, PartialEq)]
pub struct Round {
    /// Its number, from 1.
    pub number: u32,
    /// What the next one is called with.
    pub state: Json,
}

/// How an attempt ended that brought no result.
#[derive(Clone, Debug, PartialEq)]
pub enum NoResult {
    /// It failed.
    Failed(StepError),
    /// It was the last one of a round, which another follows.
    Again(Round),
}

impl NoResult {
    /// Why it failed, where it did.
    #[must_use]
    pub fn error(&self) -> Option<&StepError> {
        match self {
            Self::Failed(error) => Some(error),
            Self::Again(_) => None,
        }
    }
}

/// Where a step stands that has gone round.
#[derive(Clone, Debug, PartialEq)]
pub struct Rounds {
    /// The round that is over.
    pub last: Round,
    /// The attempts of all rounds so far.
    pub attempts: u32,
}

impl Progress {
    /// The round that an attempt at this step is of, from 1.
    #[must_use]
    pub fn round(&self, no: StepIndex) -> u32 {
        self.rounds(no).map_or(1, |rounds| rounds.last.number + 1)
    }

    /// What follows when a handler asks to be called once more: the round that ends, and when the next one starts.
    ///
    /// # Errors
    /// When it may not ask. The step has failed for good then.
    pub fn next_round(
        &self,
        no: StepIndex,
        again: Again,
        finished_at: Timestamp,
    ) -> Result<(Round, Timestamp), StepError> {
        let (most, number) = (self.rules().most_rounds(no), self.round(no));
        let Again { state, after } = again;
        if most == 0 {
            let message = "the handler asked for another round, and its step is called once: only a plain step goes \
                           round, whose handler says so";
            return Err(StepError::permanent("NOT_A_LOOP", message));
        }
        if number >= most {
            let message =
                format!("round {number} asked for another, and {most} are allowed: see `max_rounds`");
            return Err(StepError::permanent("TOO_MANY_ROUNDS", message));
        }
        if after > Duration::from_millis(LONGEST_WAIT_MS) {
            let message = format!(
                "the next round would start in {} days: ten years are the most",
                after.as_secs() / 86_400
            );
            return Err(StepError::permanent("INVALID_DELAY", message));
        }
        Ok((Round { number, state }, finished_at + after))
    }
}

impl Rules {
    /// Whether the step may be called once more after it was called without a failure.
    #[must_use]
    pub fn goes_round(&self, no: StepIndex) -> bool {
        self.most_rounds(no) > 0
    }

    /// How many rounds a step goes at most; 0: it is called once.
    fn most_rounds(&self, no: StepIndex) -> u32 {
        match no.index().is_none() && no.compensates().is_none() {
            true => self.steps[no.step() as usize].rounds,
            false => 0,
        }
    }
}
