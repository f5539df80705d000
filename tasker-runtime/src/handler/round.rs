//! Steps that go round: what they return, and what each round is called with.

use std::{
    marker::PhantomData,
    ops::{Deref, DerefMut},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use serde::{Serialize, de::DeserializeOwned};
use tasker_template::{DURATION_FORM, duration_ms};

use super::param::Fallback;
use super::returned::{StepFailure, StepReturn};
use super::{FromStep, StepOutput, TaskSequenceStep, input_error};
use crate::model::{self, Again, Json, StepError};

/// What a handler returns that may have to be called once more: its result, or the state that the next round is called
/// with.
///
/// This is how a workflow waits for a job elsewhere, and how an agent works until it is done. Each round is recorded
/// before the next one starts and takes the place of the last one, so that a step of ten thousand rounds needs no more
/// room than one of two. A round has attempts of its own: one that fails is tried again with the same state. Between
/// rounds nothing is held, neither a permit nor, where the next one is more than a few seconds away, the task. A crash
/// loses the round that ran and no other.
///
/// ```
/// use serde::{Deserialize, Serialize};
/// use tasker_runtime::{prelude::*, testing};
///
/// #[derive(Default, Serialize, Deserialize)]
/// struct Polled {
///     seen: u64,
/// }
///
/// #[step_handler(max_rounds = 100)]
/// async fn wait_for_export(rows: u64, mut polled: Round<Polled>) -> Loop<Polled, String> {
///     polled.seen += 400;
///     if polled.seen < rows {
///         return Loop::again(polled).after("30s");
///     }
///     Loop::done(format!("{rows} rows in {} rounds", polled.number()))
/// }
///
/// workflow!(export = [wait_for_export]);
///
/// # tokio::runtime::Runtime::new()?.block_on(async {
/// // Time moves by itself in tests: two waits of half a minute take no time.
/// let exported = testing::run(export, &1000).await?;
/// assert_eq!(exported.result::<String>()?, "1000 rows in 3 rounds");
/// assert_eq!(exported.took.as_secs(), 60);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// The macro knows it by its name: a type alias hides it. Steps below read what [`done`](Self::done) is given.
#[derive(Clone, Debug, PartialEq)]
pub struct Loop<S, T>(Turn<S, T>);

#[derive(Clone, Debug, PartialEq)]
enum Turn<S, T> {
    Again {
        state: S,
        after: Duration,
    },
    Done(T),
    /// It cannot be followed.
    Mistaken(StepError),
}

impl<S, T> Loop<S, T> {
    /// Once more, at once, with this state: a value, or the [`Round`] at hand, changed or not.
    #[must_use]
    pub fn again(state: impl NextState<S>) -> Self {
        Self(Turn::Again { state: state.next_state(), after: Duration::ZERO })
    }

    /// The same, so much later: a [`Duration`], or a text as options have it, `"10s"` or `"1h30m"`. Ten years are the
    /// most. A text of another form, and a delay of what is done, fail the step for good, as `INVALID_DELAY`.
    #[must_use]
    pub fn after(self, delay: impl IntoDelay) -> Self {
        Self(match (self.0, delay.into_delay()) {
            (Turn::Again { state, .. }, Ok(after)) => Turn::Again { state, after },
            (Turn::Again { .. }, Err(problem)) => invalid_delay(problem),
            (Turn::Done(_), _) => invalid_delay(
                "a loop that is done waits for nothing: give the delay to `Loop::again`".to_owned(),
            ),
            (mistaken @ Turn::Mistaken(_), _) => mistaken,
        })
    }

    /// This is the result of the step.
    #[must_use]
    pub fn done(result: T) -> Self {
        Self(Turn::Done(result))
    }

    /// The result; `None` where another round follows.
    #[must_use]
    pub fn result(&self) -> Option<&T> {
        match &self.0 {
            Turn::Done(result) => Some(result),
            _ => None,
        }
    }

    /// What the next round is called with, and how much later; `None` where there is none.
    #[must_use]
    pub fn next(&self) -> Option<(&S, Duration)> {
        match &self.0 {
            Turn::Again { state, after } => Some((state, *after)),
            _ => None,
        }
    }
}

fn invalid_delay<S, T>(problem: String) -> Turn<S, T> {
    Turn::Mistaken(StepError::permanent("INVALID_DELAY", problem))
}

/// What the next round can be called with: a state, or the round at hand.
pub trait NextState<S> {
    /// It.
    fn next_state(self) -> S;
}

impl<S> NextState<S> for S {
    fn next_state(self) -> S {
        self
    }
}

impl<S> NextState<S> for Round<S> {
    fn next_state(self) -> S {
        self.state
    }
}

/// What a delay can be given as.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a delay: it has no unit",
    label = "expected a text like `\"10s\"`, or a `Duration`"
)]
pub trait IntoDelay {
    /// The delay.
    ///
    /// # Errors
    /// What is wrong with a text, and what to write.
    fn into_delay(self) -> Result<Duration, String>;
}

impl IntoDelay for Duration {
    fn into_delay(self) -> Result<Duration, String> {
        Ok(self)
    }
}

impl IntoDelay for &str {
    fn into_delay(self) -> Result<Duration, String> {
        match duration_ms(self) {
            Some(millis) => Ok(Duration::from_millis(millis)),
            None => Err(format!("`{self}` is not a delay: {DURATION_FORM}")),
        }
    }
}

impl IntoDelay for String {
    fn into_delay(self) -> Result<Duration, String> {
        self.as_str().into_delay()
    }
}

/// The round at hand of a step that goes round: what the last one left, and which one it is.
///
/// The first round gets the default of the state. A handler whose state or result says something else than its
/// [`Loop`] does not compile.
///
/// ```
/// use tasker_runtime::prelude::*;
///
/// #[step_handler]
/// async fn count_down(from: u64, left: Round<Option<u64>>) -> Loop<Option<u64>, String> {
///     match left.unwrap_or(from) {
///         0 => Loop::done(format!("after {} rounds", left.number())),
///         more => Loop::again(Some(more - 1)),
///     }
/// }
///
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// let first = count_down(2, Round::new(1, None)).await;
/// assert_eq!(first.next().map(|(left, _)| *left), Some(Some(1)));
/// assert_eq!(count_down(2, Round::new(3, Some(0))).await.result().unwrap(), "after 3 rounds");
/// # });
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Round<S> {
    number: u32,
    state: S,
}

impl<S> Round<S> {
    /// A round for a test: its number, from 1, and what the last one left.
    #[must_use]
    pub fn new(number: u32, state: S) -> Self {
        Self { number, state }
    }

    /// Its number, from 1. An attempt that failed and is made again is of the same round.
    #[must_use]
    pub fn number(&self) -> u32 {
        self.number
    }

    /// What the last one left.
    #[must_use]
    pub fn into_state(self) -> S {
        self.state
    }
}

impl<S> Deref for Round<S> {
    type Target = S;

    fn deref(&self) -> &S {
        &self.state
    }
}

impl<S> DerefMut for Round<S> {
    fn deref_mut(&mut self) -> &mut S {
        &mut self.state
    }
}

/// What can be carried from round to round.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be carried from round to round",
    label = "is written as JSON after each round, and the first one gets its default",
    note = "add `#[derive(Default, serde::Serialize, serde::Deserialize)]` to `{Self}`, or carry an `Option` of it"
)]
pub trait RoundState: Default + Serialize + DeserializeOwned + Send + 'static {}

#[diagnostic::do_not_recommend]
impl<S: Default + Serialize + DeserializeOwned + Send + 'static> RoundState for S {}

impl<S: RoundState> FromStep for Round<S> {
    fn from_step(step: &TaskSequenceStep) -> Result<Self, StepError> {
        Ok(Self { number: step.round()?, state: step.round_state()?.unwrap_or_default() })
    }
}

/// What the call of a step that goes round is made with, and what it asks for.
#[derive(Clone, Debug)]
pub struct Rounds(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    last: Option<model::Round>,
    again: Mutex<Option<Again>>,
}

impl Rounds {
    /// After this round; `None`: it is the first one.
    #[must_use]
    pub fn after(last: Option<model::Round>) -> Self {
        Self(Arc::new(Inner { last, again: Mutex::default() }))
    }

    /// What was asked for.
    #[must_use]
    pub fn asked(&self) -> Option<Again> {
        self.0.again.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl TaskSequenceStep {
    fn rounds(&self) -> Result<&Rounds, StepError> {
        self.parts().rounds.as_ref().ok_or_else(|| {
            let message = format!(
                "step `{}` is called once: a handler that returns a `Loop` goes round, or one written by hand whose \
                 `HandlerSpec` says `.rounds(..)`",
                self.name()
            );
            StepError::permanent("NOT_A_LOOP", message)
        })
    }

    /// Which round this is, from 1.
    ///
    /// # Errors
    /// A permanent one, `NOT_A_LOOP`, where the step does not go round.
    pub fn round(&self) -> Result<u32, StepError> {
        Ok(self.rounds()?.0.last.as_ref().map_or(1, |last| last.number + 1))
    }

    /// What the last round left for this one; `None` in the first one.
    ///
    /// # Errors
    /// A permanent one, where the step does not go round, `NOT_A_LOOP`, or where the state has another shape,
    /// `INVALID_STATE`.
    pub fn round_state<S: DeserializeOwned>(&self) -> Result<Option<S>, StepError> {
        let last = self.rounds()?.0.last.as_ref();
        let read = |last: &model::Round| {
            last.state.parse().map_err(|error| input_error::round_state(&last.state, &error))
        };
        last.map(read).transpose()
    }

    /// Has the step called once more, so much later, with this state; the result of this call is what a handler
    /// returns then. For handlers that are written by hand:
    ///
    /// ```
    /// use std::time::Duration;
    /// use tasker_runtime::{handler::HandlerSpec, prelude::*, testing};
    ///
    /// struct Count;
    ///
    /// impl StepHandler for Count {
    ///     fn name(&self) -> &str {
    ///         "count"
    ///     }
    ///
    ///     fn spec(&self) -> HandlerSpec {
    ///         HandlerSpec::new().rounds(10)
    ///     }
    ///
    ///     async fn call(&self, step: &TaskSequenceStep) -> Result<Json, StepError> {
    ///         match step.round_state::<u64>()?.unwrap_or_default() {
    ///             3 => step.output("three"),
    ///             count => step.again(&(count + 1), Duration::from_secs(1)),
    ///         }
    ///     }
    /// }
    ///
    /// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
    /// let outcome = testing::run_handler(&Count).round(3, &2).await;
    /// assert_eq!(outcome.next_round::<u64>()?, Some((3, Duration::from_secs(1))));
    /// # Ok::<(), StepError>(())
    /// # }).unwrap();
    /// ```
    ///
    /// # Errors
    /// A permanent one, where the step does not go round, `NOT_A_LOOP`, or where the state is not JSON,
    /// `INVALID_OUTPUT`.
    pub fn again<S: Serialize + ?Sized>(&self, state: &S, after: Duration) -> Result<Json, StepError> {
        let rounds = self.rounds()?;
        let state = Json::output(state).map_err(|error| input_error::output(&error))?;
        *rounds.0.again.lock().unwrap_or_else(PoisonError::into_inner) = Some(Again { state, after });
        Ok(Json::null())
    }

    pub(crate) fn asked_again(&self) -> Option<Again> {
        self.parts().rounds.as_ref()?.asked()
    }
}

/// A return type that goes round.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is called `Loop` and is none: a step that goes round returns `tasker_runtime::prelude::Loop`",
    label = "not `Loop<State, T>`",
    note = "write `self::Loop` where it is a type of your own"
)]
pub trait Looping {
    /// What is carried from round to round.
    type State;
    /// The result of the step.
    type Done;

    /// The end of a call.
    ///
    /// # Errors
    /// Why it cannot be followed.
    fn end(self, step: &TaskSequenceStep) -> Result<Json, StepError>
    where
        Self::State: RoundState,
        Self::Done: StepOutput;
}

impl<S, T> Looping for Loop<S, T> {
    type State = S;
    type Done = T;

    fn end(self, step: &TaskSequenceStep) -> Result<Json, StepError>
    where
        S: RoundState,
        T: StepOutput,
    {
        match self.0 {
            Turn::Again { state, after } => step.again(&state, after),
            Turn::Done(result) => result.write(),
            Turn::Mistaken(error) => Err(error),
        }
    }
}

/// Whether the state of a round can be carried; [`Fallback`] answers for all that cannot.
#[derive(Debug)]
pub struct Carryable<R>(PhantomData<R>);

impl<S: RoundState> Carryable<Round<S>> {
    /// It can.
    pub const YES: bool = true;
}

impl<R> Fallback for Carryable<R> {}

/// The end of a call of a handler that returns a [`Loop`]. Where the state of the round that it takes cannot be `CARRIED`,
/// which is said of the type of that, nothing is asked of what it returns.
#[derive(Debug)]
pub struct LoopEnd<const CARRIED: bool>;

impl LoopEnd<true> {
    /// The result, or the state of the next round.
    ///
    /// # Errors
    /// The failure of the handler, or that what it returned is not JSON.
    pub fn loop_result<How, const OWN: bool, R, Into>(
        step: &TaskSequenceStep,
        returned: R,
    ) -> Result<Json, StepError>
    where
        R: StepReturn<How>,
        R::Output: Looping,
        <R::Output as Looping>::State: RoundState,
        <R::Output as Looping>::Done: StepOutput,
        R::Error: StepFailure<OWN, Into>,
    {
        returned.split().map_err(StepFailure::into_step_error)?.end(step)
    }
}

impl LoopEnd<false> {
    /// No end.
    ///
    /// # Errors
    /// Always: nothing that calls it is ever compiled.
    pub fn loop_result<How, const OWN: bool, R, Into>(
        step: &TaskSequenceStep,
        _: R,
    ) -> Result<Json, StepError>
    where
        R: StepReturn<How>,
        R::Error: StepFailure<OWN, Into>,
    {
        Err(StepError::permanent("NOT_A_LOOP", step.name()))
    }
}

/// A round of a loop that carries `S`.
#[diagnostic::on_unimplemented(
    message = "this round has another state than the `Loop` that the handler returns, which carries `{S}`",
    label = "expected `Round<{S}>`"
)]
pub trait RoundOf<S> {}

impl<S> RoundOf<S> for Round<S> {}

/// Refuses a round of another loop.
pub const fn carries<R: RoundOf<L::State>, L: Looping>() {}
