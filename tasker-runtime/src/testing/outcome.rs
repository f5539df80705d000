//! What came of one attempt, and what an upstream step is said to have returned.

use std::time::Duration;

use serde::{Serialize, de::DeserializeOwned};

use crate::{
    handler::{BatchPlan, Decision, Routes, Saved, Upstream},
    model::{Again, BatchOutcome, CursorConfig, DecisionOutcome, Json, StepError},
};

/// What came of one attempt. See [`run_step`](super::run_step).
#[derive(Clone, Debug)]
pub struct StepOutcome {
    result: Result<Json, StepError>,
    again: Option<Again>,
    saved: Vec<Saved<Json, Json>>,
}

impl StepOutcome {
    pub(super) fn new(
        result: Result<Json, StepError>,
        again: Option<Again>,
        saved: Vec<Saved<Json, Json>>,
    ) -> Self {
        Self { result, again, saved }
    }

    /// What the next round of a step that goes round is called with, and how much later; `None` where it is done.
    ///
    /// # Errors
    /// Why the attempt failed; a permanent `INVALID_STATE` where the state has another shape than `S`.
    pub fn next_round<S: DeserializeOwned>(&self) -> Result<Option<(S, Duration)>, StepError> {
        self.json()?;
        let Some(Again { state, after }) = &self.again else { return Ok(None) };
        let state = state.parse().map_err(|error| {
            let message = format!("the state has another shape: {error}: {}", state.as_str());
            StepError::permanent("INVALID_STATE", message)
        })?;
        Ok(Some((state, *after)))
    }

    /// The result as the step after it would read it.
    ///
    /// # Errors
    /// Why the attempt failed; a permanent `INVALID_RESULT` where the result has another shape than `T`.
    pub fn result<T: DeserializeOwned>(&self) -> Result<T, StepError> {
        let json = self.json()?;
        json.parse().map_err(|error| {
            let message = format!("the result has another shape: {error}: {}", json.as_str());
            StepError::permanent("INVALID_RESULT", message)
        })
    }

    /// The result as the journal would keep it.
    ///
    /// # Errors
    /// Why the attempt failed.
    pub fn json(&self) -> Result<&Json, StepError> {
        self.result.as_ref().map_err(Clone::clone)
    }

    /// Why the attempt failed; `None` where it did not.
    #[must_use]
    pub fn error(&self) -> Option<&StepError> {
        self.result.as_ref().err()
    }

    /// Whether the attempt failed and another one would follow, if any is left.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        self.error().is_some_and(StepError::is_retryable)
    }

    /// The names of the routes that a decision takes; none where the step decided nothing.
    #[must_use]
    pub fn routes(&self) -> Vec<String> {
        self.result::<DecisionOutcome>().map(|outcome| outcome.routes).unwrap_or_default()
    }

    /// The slices that a batch analyzer cut; none where the step cut nothing.
    #[must_use]
    pub fn batches(&self) -> Vec<CursorConfig> {
        self.result::<BatchOutcome>().map(|outcome| outcome.batches).unwrap_or_default()
    }

    /// What a batch worker saved during this attempt, in order. `P` and `C` are those of its
    /// `Checkpoint<P, C>`.
    ///
    /// # Errors
    /// A permanent `INVALID_CHECKPOINT`, where something of another shape was saved.
    pub fn checkpoints<P: DeserializeOwned, C: DeserializeOwned>(
        &self,
    ) -> Result<Vec<Saved<P, C>>, StepError> {
        let read = |saved: &Saved<Json, Json>| {
            Ok(Saved { cursor: saved.cursor.parse()?, items: saved.items, partial: saved.partial.parse()? })
        };
        let all: serde_json::Result<Vec<Saved<P, C>>> = self.saved.iter().map(read).collect();
        all.map_err(|error| {
            StepError::permanent("INVALID_CHECKPOINT", format!("the saved progress does not fit: {error}"))
        })
    }
}

/// What a step can be said to have returned: whatever serializes, a [`Decision`] and a [`BatchPlan`].
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be given as the result of a step",
    label = "does not implement `serde::Serialize`"
)]
pub trait Given {
    /// As the step after it finds it.
    ///
    /// # Errors
    /// A permanent one, where it is no JSON.
    #[doc(hidden)]
    fn given(&self) -> Result<Upstream, StepError>;
}

#[diagnostic::do_not_recommend]
impl<T: Serialize> Given for T {
    fn given(&self) -> Result<Upstream, StepError> {
        complete(self)
    }
}

/// As the step after it finds a decision that is an enum.
///
/// # Errors
/// A permanent one, where its data is no JSON.
pub fn given<R: Routes>(routes: &R) -> Result<Upstream, StepError> {
    routes.decision().given()
}

impl Given for Decision {
    fn given(&self) -> Result<Upstream, StepError> {
        complete(self.outcome()?)
    }
}

impl<C> Given for BatchPlan<C> {
    fn given(&self) -> Result<Upstream, StepError> {
        complete(&self.outcome()?)
    }
}

fn complete(value: &(impl Serialize + ?Sized)) -> Result<Upstream, StepError> {
    let json = Json::of(value).map_err(|error| StepError::permanent("NOT_JSON", error.to_string()))?;
    Ok(Upstream::Complete(json))
}
