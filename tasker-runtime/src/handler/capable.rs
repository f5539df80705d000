//! The traits behind the capability attributes, with helpers for handlers that are written by hand.

use serde::Serialize;
use serde_json::Value;

use super::{TaskSequenceStep, batch, plan};
use crate::model::{BatchOutcome, CursorConfig, DecisionOutcome, Json, StepError};

/// A handler that chooses among the steps below it. `#[decision]` implements it; by hand it looks like
/// this:
///
/// ```
/// use tasker_runtime::handler::{DecisionCapable, HandlerSpec};
/// use tasker_runtime::prelude::*;
///
/// struct RouteByAmount;
///
/// const ROUTES: &[&str] = &["auto_approve", "manager_approval"];
///
/// impl DecisionCapable for RouteByAmount {
///     fn routes(&self) -> &'static [&'static str] {
///         ROUTES
///     }
/// }
///
/// impl StepHandler for RouteByAmount {
///     fn name(&self) -> &str {
///         "route_by_amount"
///     }
///
///     fn spec(&self) -> HandlerSpec {
///         HandlerSpec::new().decision(ROUTES)
///     }
///
///     async fn call(&self, step: &TaskSequenceStep) -> Result<Json, StepError> {
///         match step.context::<u64>()? {
///             0 => self.skip_branches("nothing to approve"),
///             1..1_000 => self.decision_success(["auto_approve"], None),
///             1_000..5_000 => self.decision_success(["manager_approval"], None),
///             amount => self.decision_failure("TOO_MUCH", format!("nobody may approve {amount}")),
///         }
///     }
/// }
///
/// register_handler!(RouteByAmount);
/// ```
pub trait DecisionCapable {
    /// The routes it may take; none listed: whatever depends on it.
    fn routes(&self) -> &'static [&'static str] {
        &[]
    }

    /// The result that takes these steps, with data for those below.
    ///
    /// # Errors
    /// A permanent one, where a name is none of [`routes`](Self::routes), if any are listed.
    fn decision_success<N: Into<String>>(
        &self,
        routes: impl IntoIterator<Item = N>,
        data: Option<Value>,
    ) -> Result<Json, StepError> {
        let routes: Vec<String> = routes.into_iter().map(Into::into).collect();
        let listed = self.routes();
        match routes.iter().find(|route| !listed.is_empty() && !listed.contains(&route.as_str())) {
            Some(unlisted) => {
                let message = format!("`{unlisted}` is none of the routes: {}", listed.join(", "));
                Err(StepError::permanent("INVALID_OUTCOME", message))
            }
            None => written(&DecisionOutcome { routes, reason: None, data: data.map(text) }),
        }
    }

    /// The result that takes no step, and why.
    ///
    /// # Errors
    /// None; the form is that of [`StepHandler::call`](super::StepHandler::call).
    fn skip_branches(&self, reason: impl Into<String>) -> Result<Json, StepError> {
        written(&DecisionOutcome { reason: Some(reason.into()), ..DecisionOutcome::default() })
    }

    /// The failure of a decision that cannot be made.
    ///
    /// # Errors
    /// Always: a permanent one.
    fn decision_failure(&self, code: &'static str, message: impl Into<String>) -> Result<Json, StepError> {
        Err(StepError::permanent(code, message))
    }
}

/// A handler that cuts work into batches or works on one. `#[batch_analyzer]` and `#[batch_worker]`
/// implement it; by hand it looks like this:
///
/// ```
/// use tasker_runtime::handler::{BatchableCapable, HandlerSpec};
/// use tasker_runtime::prelude::*;
///
/// struct CutRows;
///
/// impl BatchableCapable for CutRows {}
///
/// impl StepHandler for CutRows {
///     fn name(&self) -> &str {
///         "cut_rows"
///     }
///
///     fn spec(&self) -> HandlerSpec {
///         HandlerSpec::new().batch_analyzer("add_up_rows")
///     }
///
///     async fn call(&self, step: &TaskSequenceStep) -> Result<Json, StepError> {
///         match step.context::<u64>()? {
///             0 => self.no_batches_outcome("there are no rows", None),
///             rows => self.batch_analyzer_success(self.create_cursor_ranges(rows, 200, Some(5))?, None),
///         }
///     }
/// }
///
/// register_handler!(CutRows);
/// ```
pub trait BatchableCapable {
    /// `total` items in `workers` batches whose sizes differ by one at most.
    ///
    /// # Errors
    /// A permanent `INVALID_PLAN`, where `workers` is 0 or above 65,535.
    fn create_cursor_configs(&self, total: u64, workers: u64) -> Result<Vec<CursorConfig>, StepError> {
        plan::parts(total, workers)
    }

    /// `total` items in batches of `batch_size`. Past `max_batches` the batches grow: no item is dropped.
    ///
    /// # Errors
    /// A permanent `INVALID_PLAN`, where a number is 0 or there would be more than 65,535 batches.
    fn create_cursor_ranges(
        &self,
        total: u64,
        batch_size: u64,
        max_batches: Option<u64>,
    ) -> Result<Vec<CursorConfig>, StepError> {
        plan::ranges(total, batch_size, max_batches)
    }

    /// The result of an analyzer: a batch for each cursor, with data for the steps below.
    ///
    /// # Errors
    /// None that a valid `data` could cause; the form is that of
    /// [`StepHandler::call`](super::StepHandler::call).
    fn batch_analyzer_success(
        &self,
        batches: Vec<CursorConfig>,
        data: Option<Value>,
    ) -> Result<Json, StepError> {
        written(&BatchOutcome { batches, reason: None, data: data.map(text) })
    }

    /// The result of an analyzer that found nothing to do in batches, and why.
    ///
    /// # Errors
    /// As [`batch_analyzer_success`](Self::batch_analyzer_success).
    fn no_batches_outcome(&self, reason: impl Into<String>, data: Option<Value>) -> Result<Json, StepError> {
        let data = data.map(text);
        written(&BatchOutcome { batches: Vec::new(), reason: Some(reason.into()), data })
    }

    /// The result of a worker that has worked on `items` items of its batch.
    ///
    /// # Errors
    /// A permanent `INVALID_OUTCOME`, where the batch does not have so many, or `result` does not
    /// serialize.
    fn batch_worker_success<T: Serialize>(
        &self,
        step: &TaskSequenceStep,
        items: u64,
        result: &T,
    ) -> Result<Json, StepError> {
        let size = batch::slice_of(step)?.size();
        if let Some(size) = size.filter(|size| items > *size) {
            let message = format!("`{}` has worked on {items} items of a batch that has {size}", step.name());
            return Err(StepError::permanent("INVALID_OUTCOME", message));
        }
        step.output(result)
    }

    /// The failure of a batch that no further attempt can mend.
    ///
    /// # Errors
    /// Always: a permanent one.
    fn batch_failure(&self, code: &'static str, message: impl Into<String>) -> Result<Json, StepError> {
        Err(StepError::permanent(code, message))
    }
}

fn written<T: Serialize>(outcome: &T) -> Result<Json, StepError> {
    Json::of(outcome).map_err(|error| super::input_error::output(&error))
}

/// A tree as text, which every tree has.
fn text(data: Value) -> Json {
    Json::stored(&data.to_string())
}
