//! The results of other steps, as parameters take them.

use super::batch::{self, Batches};
use super::param::Readable;
use super::{TaskSequenceStep, Upstream, input_error, wiring};
use crate::model::{Json, StepError};

/// A parameter that takes what the upstream step returns, `U`, or what its variant carries where that is an
/// enum of routes.
#[diagnostic::on_unimplemented(
    message = "step dependency type mismatch: this parameter is `{Self}` but the upstream step returns `{U}`",
    label = "expected `{U}`, the output of the upstream step",
    note = "take the upstream's own type, or `Option` of it, of the `Batches<T>` of a batch worker `Vec<T>`; `#[depends_on(\"name\")]` reads another shape when the step runs"
)]
pub trait OutputOf<U>: Sized {
    /// Whether it copes with a branch that was not taken.
    const OPTIONAL: bool;
    /// The routes to which an enum of routes carries it; none: it is there whatever was decided.
    const CARRIED: &'static [&'static str] = &[];

    /// The parameter for a result; `None` where the decision that it is of took another route.
    fn some(result: U) -> Option<Self>;

    /// The parameter for a branch that was not taken, if there is one.
    fn none() -> Option<Self>;

    /// The parameter for a result as it is stored; `None` as for [`some`](Self::some).
    ///
    /// # Errors
    /// Where it has another shape.
    fn read(json: &Json) -> serde_json::Result<Option<Self>>
    where
        U: Readable,
    {
        U::read(json).map(Self::some)
    }
}

#[diagnostic::do_not_recommend]
impl<T> OutputOf<T> for T {
    const OPTIONAL: bool = false;

    fn some(result: T) -> Option<Self> {
        Some(result)
    }

    fn none() -> Option<Self> {
        None
    }
}

#[diagnostic::do_not_recommend]
impl<T> OutputOf<T> for Option<T> {
    const OPTIONAL: bool = true;

    fn some(result: T) -> Option<Self> {
        Some(Some(result))
    }

    fn none() -> Option<Self> {
        Some(None)
    }
}

// Of the batches of a worker, the results may be taken alone.
#[diagnostic::do_not_recommend]
impl<T> OutputOf<Batches<T>> for Vec<T> {
    const OPTIONAL: bool = false;

    fn some(batches: Batches<T>) -> Option<Self> {
        Some(batches.into_results())
    }

    fn none() -> Option<Self> {
        None
    }
}

#[diagnostic::do_not_recommend]
impl<T> OutputOf<Batches<T>> for Option<Vec<T>> {
    const OPTIONAL: bool = true;

    fn some(batches: Batches<T>) -> Option<Self> {
        Some(Some(batches.into_results()))
    }

    fn none() -> Option<Self> {
        Some(None)
    }
}

/// A parameter that takes what is undone, of a step that returns `U`.
#[diagnostic::on_unimplemented(
    message = "step dependency type mismatch: this parameter is `{Self}` but the upstream step returns `{U}`",
    label = "expected `{U}`, the output of the upstream step",
    note = "take the upstream's own type, of a batch worker that of one batch; `#[depends_on(\"name\")]` reads another shape when the step runs"
)]
pub trait CompensatedOf<U>: Sized {
    /// Whether it is all that the step returns.
    const WHOLE: bool;

    /// Reads the result.
    ///
    /// # Errors
    /// Where it has another shape.
    fn read(json: &Json) -> serde_json::Result<Self>;
}

#[diagnostic::do_not_recommend]
impl<T: Readable> CompensatedOf<T> for T {
    const WHOLE: bool = true;

    fn read(json: &Json) -> serde_json::Result<Self> {
        Readable::read(json)
    }
}

#[diagnostic::do_not_recommend]
impl<T: Readable> CompensatedOf<T> for Option<T> {
    const WHOLE: bool = true;

    fn read(json: &Json) -> serde_json::Result<Self> {
        Readable::read(json).map(Some)
    }
}

#[diagnostic::do_not_recommend]
impl<T: Readable> CompensatedOf<Batches<T>> for T {
    const WHOLE: bool = false;

    fn read(json: &Json) -> serde_json::Result<Self> {
        Readable::read(json)
    }
}

pub(super) fn compensated_result<T: CompensatedOf<U>, U>(
    step: &TaskSequenceStep,
    name: &'static str,
) -> Result<T, StepError> {
    let json = upstream(step, name, true)?.ok_or_else(|| input_error::not_taken(step, name))?;
    T::read(&json).map_err(|error| input_error::result(name, &json, &error))
}

pub(super) fn exact<T: OutputOf<U>, U: Readable>(
    step: &TaskSequenceStep,
    name: &'static str,
) -> Result<T, StepError> {
    match upstream(step, name, true)? {
        Some(json) => match T::read(&json) {
            Ok(result) => result.ok_or_else(|| input_error::not_carried(step, name)),
            Err(error) => Err(input_error::result(name, &json, &error)),
        },
        None => T::none().ok_or_else(|| input_error::not_taken(step, name)),
    }
}

pub(super) fn loose<T: Readable, const GATHERS: bool>(
    step: &TaskSequenceStep,
    name: &'static str,
) -> Result<T, StepError> {
    let json = upstream(step, name, GATHERS)?.ok_or_else(|| input_error::not_taken(step, name))?;
    T::read(&json).map_err(|error| input_error::result(name, &json, &error))
}

pub(super) fn loose_or_null<T: Readable, const GATHERS: bool>(
    step: &TaskSequenceStep,
    name: &'static str,
) -> Result<T, StepError> {
    let json = upstream(step, name, GATHERS)?.unwrap_or_else(Json::null);
    T::read(&json).map_err(|error| input_error::result(name, &json, &error))
}

/// The result of the step that `name` means here, of batches with or without their failures; `None` where
/// it was not taken.
fn upstream(step: &TaskSequenceStep, name: &str, failures: bool) -> Result<Option<Json>, StepError> {
    let parts = step.parts();
    if let Some(result) =
        parts.compensates.as_ref().filter(|_| wiring::is(&parts.task.template, parts.step, name))
    {
        return Ok(Some(result.clone()));
    }
    let found = wiring::find(&parts.task.template, parts.step, name);
    match parts.results.of(found.map_err(|_| input_error::no_ancestor(step, name))?) {
        Upstream::Complete(json) => Ok(Some(json)),
        Upstream::Instances(instances) if failures => Ok(Some(batch::all_of(&instances))),
        Upstream::Instances(instances) => Ok(Some(batch::results_of(&instances))),
        Upstream::NotTaken => Ok(None),
        Upstream::Pending => Err(input_error::pending(step, name)),
    }
}
