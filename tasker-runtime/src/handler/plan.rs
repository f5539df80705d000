//! Plans: how an analyzer cuts work into batches.

use std::marker::PhantomData;
use std::ops::Range;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize};

use super::TaskSequenceStep;
use super::decision::{data, unwritten};
use crate::model::{BatchOutcome, CursorConfig, Json, StepError, StepIndex};

/// The most batches one analyzer may make.
const MOST: u64 = StepIndex::MAX_INSTANCES as u64;

/// What a handler with `#[batch_analyzer]` returns: the batches that its worker runs for.
///
/// ```
/// use tasker_runtime::prelude::*;
///
/// #[step_handler]
/// #[batch_worker]
/// async fn add_up(rows: Cursor<u64>) -> u64 {
///     rows.range().sum()
/// }
///
/// #[step_handler]
/// #[batch_analyzer(worker = add_up)]
/// async fn cut(rows: u64) -> BatchPlan {
///     BatchPlan::of_size(rows, 200).max_batches(5)
/// }
///
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// let sizes = |plan: BatchPlan| plan.cursors_cut().unwrap().iter().map(|c| c.size().unwrap()).collect::<Vec<_>>();
/// assert_eq!(sizes(cut(450).await), [200, 200, 50]);
/// assert_eq!(sizes(cut(1_001).await), [201, 200, 200, 200, 200]); // grown: no row is dropped
/// # });
/// ```
///
/// A step after it may read it with `#[depends_on(cut)]`.
///
/// `C` is the type of the positions, which the worker takes as `Cursor<C>`: whole numbers where nothing else
/// is said. A plan of `&str` or `String` is for a `Cursor<String>`, and one of `u64` for a cursor of any whole
/// numbers.
///
/// ```
/// use tasker_runtime::prelude::*;
///
/// #[step_handler]
/// #[batch_worker]
/// async fn count_names(names: Cursor<String>) -> String {
///     format!("{} to {}", names.start, names.end)
/// }
///
/// #[step_handler]
/// #[batch_analyzer(worker = count_names)]
/// async fn cut_names() -> BatchPlan<&'static str> {
///     BatchPlan::cursors(["a".."m", "m".."zz"])
/// }
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct BatchPlan<C = u64> {
    cut: Cut,
    max_batches: Option<u64>,
    reason: Option<String>,
    data: Option<Json>,
    /// Why data or a cursor cannot be written.
    problem: Option<String>,
    positions: PhantomData<fn() -> C>,
}

#[derive(Clone, Debug, PartialEq)]
enum Cut {
    OfSize { total: u64, batch_size: u64 },
    IntoWorkers { total: u64, workers: u64 },
    Cursors(Vec<CursorConfig>),
}

impl BatchPlan {
    /// `total` items in batches of `batch_size`; the last has the rest. The template's `batch_size` goes
    /// before this one.
    #[must_use]
    pub fn of_size(total: u64, batch_size: u64) -> Self {
        Self::new(Cut::OfSize { total, batch_size })
    }

    /// `total` items in `workers` batches whose sizes differ by one at most; fewer where there are fewer
    /// items.
    #[must_use]
    pub fn into_workers(total: u64, workers: u64) -> Self {
        Self::new(Cut::IntoWorkers { total, workers })
    }
}

impl<C> BatchPlan<C> {
    fn new(cut: Cut) -> Self {
        let positions = PhantomData;
        Self { cut, max_batches: None, reason: None, data: None, problem: None, positions }
    }

    /// At most so many batches: past that they grow, and no item is dropped.
    #[must_use]
    pub fn max_batches(mut self, batches: u64) -> Self {
        self.max_batches = Some(batches);
        self
    }

    /// A batch for each slice: `from..to`, or a [`Slice`] that says how many items it has. Positions are
    /// whatever serializes: numbers, text, points in time, structs.
    pub fn cursors<S: IntoSlice<C>>(slices: impl IntoIterator<Item = S>) -> Self {
        let mut plan = Self::new(Cut::Cursors(Vec::new()));
        let slices: Result<Vec<CursorConfig>, String> =
            slices.into_iter().map(|slice| slice.into_slice().0).collect();
        match slices {
            Ok(slices) => plan.cut = Cut::Cursors(slices),
            Err(problem) => plan.problem = Some(problem),
        }
        plan
    }

    /// No batch at all, and why. The step that waits for the batches runs with an empty list.
    pub fn none(reason: impl Into<String>) -> Self {
        Self { reason: Some(reason.into()), ..Self::new(Cut::Cursors(Vec::new())) }
    }

    /// The same plan with data for the steps below it and for people.
    #[must_use]
    pub fn with_data(mut self, data: impl Serialize) -> Self {
        match Json::output(&data) {
            Ok(data) => self.data = Some(data),
            Err(error) => self.problem = Some(error.to_string()),
        }
        self
    }

    /// Why there are no batches.
    #[must_use]
    pub fn reason(&self) -> Option<&str> {
        self.reason.as_deref()
    }

    /// The data, as a `T`; `None` where there is none.
    ///
    /// # Errors
    /// A permanent one, where the data has another shape.
    pub fn data<T: DeserializeOwned>(&self) -> Result<Option<T>, StepError> {
        data(self.data.as_ref())
    }

    /// The slices, in batch order.
    ///
    /// # Errors
    /// A permanent `INVALID_PLAN`, where a size or a limit is 0, or there are more than 65,535 batches.
    pub fn cursors_cut(&self) -> Result<Vec<CursorConfig>, StepError> {
        self.cut(None)
    }

    /// The slices, where the template may say the size of a batch.
    fn cut(&self, size: Option<u64>) -> Result<Vec<CursorConfig>, StepError> {
        if let Some(problem) = &self.problem {
            return Err(unwritten(problem));
        }
        match &self.cut {
            Cut::OfSize { total, batch_size } => {
                ranges(*total, size.unwrap_or(*batch_size), self.max_batches)
            }
            Cut::IntoWorkers { total, workers } => {
                fits(parts(*total, self.max_batches.map_or(*workers, |max| max.min(*workers)))?, size)
            }
            Cut::Cursors(cursors) => match self.max_batches {
                Some(most) if cursors.len() as u64 > most => Err(invalid(format!(
                    "{} cursors were cut by hand, and at most {most} are allowed",
                    cursors.len()
                ))),
                _ => fits(cursors.clone(), size),
            },
        }
    }

    /// What is planned, where the template says nothing about the size of a batch.
    pub(crate) fn outcome(&self) -> Result<BatchOutcome, StepError> {
        self.planned(None)
    }

    /// The result of the step.
    pub(crate) fn write(&self, step: &TaskSequenceStep) -> Result<Json, StepError> {
        step.output(&self.planned(batch_size(step))?)
    }

    fn planned(&self, size: Option<u64>) -> Result<BatchOutcome, StepError> {
        let batches = self.cut(size)?;
        let reason = match &self.reason {
            None if batches.is_empty() => Some("there is nothing to do".to_owned()),
            reason => reason.clone(),
        };
        Ok(BatchOutcome { batches, reason, data: self.data.clone() })
    }
}

/// What the template says about the size of a batch, at the analyzer or else at its worker.
pub(super) fn batch_size(step: &TaskSequenceStep) -> Option<u64> {
    let template = step.template();
    let below = template.dependents(step.parts().step).iter().filter_map(|&number| template.step(number));
    let mut configs = step.definition().into_iter().chain(below).filter_map(|step| step.batch.as_ref());
    configs.find_map(|config| config.batch_size).map(u64::from)
}

fn invalid(problem: impl Into<String>) -> StepError {
    StepError::permanent("INVALID_PLAN", problem)
}

/// Refuses slices that are larger than the template allows.
fn fits(slices: Vec<CursorConfig>, size: Option<u64>) -> Result<Vec<CursorConfig>, StepError> {
    let larger =
        |slice: &CursorConfig| Some(slice.size()?).filter(|items| size.is_some_and(|size| *items > size));
    match slices.iter().enumerate().find_map(|(index, slice)| Some((index + 1, larger(slice)?))) {
        Some((batch, items)) => {
            let most = size.unwrap_or_default();
            Err(invalid(format!(
                "batch {batch} has {items} items, the template's `batch_size` allows {most}"
            )))
        }
        None => Ok(slices),
    }
}

/// `total` items in batches of `batch_size`, larger ones where that would make more than `max_batches`.
pub(super) fn ranges(
    total: u64,
    batch_size: u64,
    max_batches: Option<u64>,
) -> Result<Vec<CursorConfig>, StepError> {
    if batch_size == 0 {
        return Err(invalid("a batch cannot have 0 items: say how many, from 1"));
    }
    let count = total.div_ceil(batch_size);
    match max_batches {
        Some(most) if count > most => parts(total, most),
        _ if count > MOST => Err(too_many(count)),
        _ => {
            let start = |batch: u64| batch.saturating_mul(batch_size).min(total);
            Ok((0..count).map(|batch| CursorConfig::range(start(batch), start(batch + 1))).collect())
        }
    }
}

/// `total` items in `count` batches whose sizes differ by one at most; fewer where there are fewer items.
pub(super) fn parts(total: u64, count: u64) -> Result<Vec<CursorConfig>, StepError> {
    if count == 0 && total > 0 {
        return Err(invalid(format!("{total} items cannot be cut into 0 batches: say how many, from 1")));
    }
    let count = count.min(total);
    if count > MOST {
        return Err(too_many(count));
    }
    let (size, longer) = (total.checked_div(count).unwrap_or(0), total.checked_rem(count).unwrap_or(0));
    let start = |batch: u64| batch * size + batch.min(longer);
    Ok((0..count).map(|batch| CursorConfig::range(start(batch), start(batch + 1))).collect())
}

fn too_many(count: u64) -> StepError {
    invalid(format!(
        "{count} batches are too many, at most {MOST} are possible: make them larger or set `max_batches`"
    ))
}

/// A slice that is cut by hand.
///
/// ```
/// use tasker_runtime::prelude::*;
///
/// let plan = BatchPlan::cursors([Slice::new("a", "m").items(700), Slice::new("m", "zz").items(812)]);
/// assert_eq!(plan.cursors_cut()?[1].size(), Some(812));
/// let plan = BatchPlan::cursors(["a".."m", "m".."zz"]);
/// assert_eq!(plan.cursors_cut()?[1].size(), None); // how many keys lie between is not known
/// # Ok::<(), StepError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Slice<C = u64>(Result<CursorConfig, String>, PhantomData<fn() -> C>);

impl<C> Slice<C> {
    /// From `start` to before `end`.
    pub fn new(start: C, end: C) -> Self
    where
        C: Serialize,
    {
        // A tree has `null` for a float that is not a number, so the text is asked first.
        let value = |position: &C| {
            let text = Json::of(position).and_then(|_| serde_json::to_value(position));
            text.map_err(|error| error.to_string())
        };
        let slice =
            value(&start).and_then(|start| Ok(CursorConfig { start, end: value(&end)?, items: None }));
        Self(slice, PhantomData)
    }

    /// The same slice, of which it is known how many items it has.
    #[must_use]
    pub fn items(self, items: u64) -> Self {
        Self(self.0.map(|slice| CursorConfig { items: Some(items), ..slice }), PhantomData)
    }
}

/// What is a slice of work: a range, or a [`Slice`].
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a slice of work",
    label = "not a range",
    note = "a slice is where it begins and before what it ends, `from..to`, or `Slice::new(from, to)`"
)]
pub trait IntoSlice<C> {
    /// The slice.
    fn into_slice(self) -> Slice<C>;
}

#[diagnostic::do_not_recommend]
impl<C, S: Into<Slice<C>>> IntoSlice<C> for S {
    fn into_slice(self) -> Slice<C> {
        self.into()
    }
}

impl<C: Serialize> From<Range<C>> for Slice<C> {
    fn from(range: Range<C>) -> Self {
        Self::new(range.start, range.end)
    }
}

impl<C> From<CursorConfig> for Slice<C> {
    fn from(cursor: CursorConfig) -> Self {
        Self(Ok(cursor), PhantomData)
    }
}

impl<'de, C> Deserialize<'de> for BatchPlan<C> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let BatchOutcome { batches, reason, data } = BatchOutcome::deserialize(from)?;
        Ok(Self { reason, data, ..Self::new(Cut::Cursors(batches)) })
    }
}

/// What a handler with `#[batch_analyzer]` returns when all is well, where its worker takes slices of `P`.
#[diagnostic::on_unimplemented(
    message = "a handler with `#[batch_analyzer]` returns `BatchPlan`, not `{Self}`",
    label = "not a `BatchPlan`",
    note = "return `BatchPlan::of_size(total, batch_size)` or `BatchPlan::none(\"reason\")`, or remove `#[batch_analyzer]`"
)]
pub trait IsPlan<P> {
    /// The result of the step.
    ///
    /// # Errors
    /// Where the plan is impossible.
    fn write_plan(self, step: &TaskSequenceStep) -> Result<Json, StepError>;
}

impl<C, P: PositionIn<C>> IsPlan<P> for BatchPlan<C> {
    fn write_plan(self, step: &TaskSequenceStep) -> Result<Json, StepError> {
        self.write(step)
    }
}

/// Positions that a worker can read where a plan has those of type `C`.
#[diagnostic::on_unimplemented(
    message = "the worker of this analyzer takes `Cursor<{Self}>`, and the plan cuts slices of `{C}`",
    label = "slices of `{C}`",
    note = "return `BatchPlan<{Self}>`, or let the worker take `Cursor<{C}>`"
)]
pub trait PositionIn<C> {}

#[diagnostic::do_not_recommend]
impl<C> PositionIn<C> for C {}

/// The positions of a worker that does not name them, and of what is no worker.
#[derive(Debug)]
pub struct AnyPosition;

#[diagnostic::do_not_recommend]
impl<C: Serialize> PositionIn<C> for AnyPosition {}

#[diagnostic::do_not_recommend]
impl PositionIn<&'static str> for String {}

macro_rules! whole_numbers {
    ($($number:ty),*) => {$(
        #[diagnostic::do_not_recommend]
        impl PositionIn<u64> for $number {}
    )*};
}

whole_numbers!(u8, u16, u32, u128, usize, i8, i16, i32, i64, i128, isize);

/// The positions of a cursor.
pub trait Positions {
    /// Their type.
    type Position;
}

impl<T> Positions for super::Cursor<T> {
    type Position = T;
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn covers(cursors: &[CursorConfig], total: u64) -> bool {
        let mut at = 0;
        for cursor in cursors {
            let (start, end) = (cursor.start.as_u64().unwrap(), cursor.end.as_u64().unwrap());
            if start != at || end <= start {
                return false;
            }
            at = end;
        }
        at == total
    }

    #[test]
    fn every_item_is_in_exactly_one_batch_whatever_the_numbers() {
        for total in (0..60).chain([1_000, 65_535, 100_000, u64::MAX]) {
            for size in [1, 2, 7, 200, u64::MAX] {
                for most in [None, Some(1), Some(3), Some(65_535)] {
                    match ranges(total, size, most) {
                        Ok(cursors) => {
                            assert!(covers(&cursors, total), "{total} {size} {most:?}");
                            assert!(most.is_none_or(|most| cursors.len() as u64 <= most));
                        }
                        Err(error) => assert!(most.is_none() && total.div_ceil(size) > MOST, "{error}"),
                    }
                }
            }
            for workers in [1, 2, 5, 64] {
                let cursors = parts(total, workers).unwrap();
                assert!(covers(&cursors, total), "{total} {workers}");
                let sizes: Vec<u64> = cursors.iter().map(|cursor| cursor.size().unwrap()).collect();
                assert!(
                    sizes.iter().max() <= sizes.iter().min().map(|least| least.saturating_add(1)).as_ref()
                );
            }
        }
    }

    #[test]
    fn impossible_plans_are_permanent_errors() {
        for plan in [
            BatchPlan::of_size(10, 0),
            BatchPlan::of_size(10, 1).max_batches(0),
            BatchPlan::into_workers(10, 0),
            BatchPlan::of_size(1_000_000, 1),
            BatchPlan::cursors([0..1, 1..2]).max_batches(1),
        ] {
            let error = plan.cursors_cut().unwrap_err();
            assert_eq!((error.code(), error.is_retryable()), ("INVALID_PLAN", false), "{error}");
        }
        assert_eq!(BatchPlan::of_size(0, 5).cursors_cut().unwrap(), []);
        assert_eq!(BatchPlan::into_workers(0, 0).cursors_cut().unwrap(), []);
    }
}
