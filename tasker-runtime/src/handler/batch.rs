//! What a batch worker works on, how it keeps its place, and what the step after it reads.

use std::fmt;
use std::marker::PhantomData;
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use serde::de::{DeserializeOwned, MapAccess, SeqAccess, Visitor, value::MapAccessDeserializer};
use serde::{Deserialize, Deserializer, Serialize};

use super::{FromStep, Need, Readable, TaskSequenceStep};
use crate::model::{CursorConfig, Json, StepError};

/// What one instance of a batch worker has beside what every step has.
#[derive(Clone)]
pub struct BatchPart {
    /// Which batch it is, from 0.
    pub index: u32,
    /// Its slice: a [`CursorConfig`] as JSON.
    pub cursor: Json,
    /// Where its progress is kept.
    pub progress: Arc<dyn Progressing>,
}

/// Keeps how far a batch instance got.
#[async_trait]
pub trait Progressing: Send + Sync {
    /// What was saved last, by this attempt or an earlier one.
    ///
    /// # Errors
    /// A retryable one, where the store does not answer.
    async fn load(&self) -> Result<Option<Saved<Json, Json>>, StepError>;

    /// Saves. Once this returns, it is durable.
    ///
    /// # Errors
    /// A retryable one, where the store does not answer or this attempt no longer holds the step; then
    /// what was saved before stays.
    async fn save(&self, saved: Saved<Json, Json>) -> Result<(), StepError>;
}

/// The slice of work of one batch: from `start` to before `end`.
///
/// Only in handlers with `#[batch_worker]`. Positions are what the analyzer's plan has: whole numbers,
/// text, points in time, structs. In a test it is made by hand:
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
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// assert_eq!(add_up(Cursor::new(10, 13)).await, 10 + 11 + 12);
/// # });
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cursor<T> {
    /// The first position that belongs to the batch.
    pub start: T,
    /// The first position after it.
    pub end: T,
    size: Option<u64>,
    batch_id: String,
}

impl<T> Cursor<T> {
    /// The slice from `start` to before `end`, as batch `001`, for a test.
    pub fn new(start: T, end: T) -> Self {
        Self { start, end, size: None, batch_id: batch_id(0) }
    }

    /// How many items it has; `None` where positions are no whole numbers and the plan does not say it.
    #[must_use]
    pub fn size(&self) -> Option<u64> {
        self.size
    }

    /// The number of the batch within its plan, `001`.
    #[must_use]
    pub fn batch_id(&self) -> &str {
        &self.batch_id
    }

    /// From the first position to before the end.
    pub fn range(&self) -> Range<T>
    where
        T: Clone,
    {
        self.start.clone()..self.end.clone()
    }
}

/// The number of the batch at `index`, as people and programs see it.
pub(crate) fn batch_id(index: u32) -> String {
    format!("{:03}", index + 1)
}

impl<T: Readable> FromStep for Cursor<T> {
    const NEEDS: &'static [Need] = &[Need::Batch("Cursor")];

    fn from_step(step: &TaskSequenceStep) -> Result<Self, StepError> {
        let index = part(step)?.index;
        let cursor = slice_of(step)?;
        let size = cursor.size();
        Ok(Self {
            start: T::read_value(&cursor.start).map_err(|error| unfit(step, &error))?,
            end: T::read_value(&cursor.end).map_err(|error| unfit(step, &error))?,
            size,
            batch_id: batch_id(index),
        })
    }
}

/// The batch at hand.
fn part(step: &TaskSequenceStep) -> Result<&BatchPart, StepError> {
    step.parts().batch.as_ref().ok_or_else(|| {
        let message =
            format!("step `{}` is no batch: give it `type: batch_worker` and an analyzer", step.name());
        StepError::permanent("NO_BATCH", message)
    })
}

/// The slice of the batch at hand.
pub(super) fn slice_of(step: &TaskSequenceStep) -> Result<CursorConfig, StepError> {
    part(step)?.cursor.parse().map_err(|error| unfit(step, &error))
}

fn unfit(step: &TaskSequenceStep, error: &serde_json::Error) -> StepError {
    let message = format!("the cursor of `{}` does not fit: {error}", step.name());
    StepError::permanent("INVALID_CURSOR", message)
}

/// How far a batch got, as it was saved: the next attempt goes on from here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Saved<P, C = u64> {
    /// The first position that is not worked on yet.
    pub cursor: C,
    /// How many items are done.
    pub items: u64,
    /// What they came to.
    pub partial: P,
}

/// Durable progress within one batch: `P` is what the items so far came to, `C` a position.
///
/// Only in handlers with `#[batch_worker]`. What is saved survives a crash and a failed attempt; an
/// attempt whose lease is lost can no longer save.
///
/// ```
/// use tasker_runtime::prelude::*;
///
/// #[step_handler]
/// #[batch_worker]
/// async fn add_up(rows: Cursor<u64>, progress: Checkpoint<u64>) -> Result<u64, StepError> {
///     let (mut at, mut sum) = progress.load().await?.map_or((rows.start, 0), |saved| (saved.cursor, saved.partial));
///     while at < rows.end {
///         sum += at;
///         at += 1;
///         progress.save(at, at - rows.start, sum).await?;
///     }
///     Ok(sum)
/// }
///
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// let progress = Checkpoint::in_memory();
/// progress.save(12, 2, 21).await.unwrap();
/// assert_eq!(add_up(Cursor::new(10, 13), progress).await.unwrap(), 33);
/// # });
/// ```
pub struct Checkpoint<P, C = u64> {
    progress: Arc<dyn Progressing>,
    /// The slice; `None` in a test.
    slice: Option<CursorConfig>,
    types: PhantomData<fn() -> (P, C)>,
}

impl<P: Serialize + DeserializeOwned, C: Serialize + DeserializeOwned> Checkpoint<P, C> {
    /// One that lasts as long as the value, for a test.
    #[must_use]
    pub fn in_memory() -> Self {
        Self { progress: Arc::new(InMemory::default()), slice: None, types: PhantomData }
    }

    /// What was saved last, by this attempt or an earlier one.
    ///
    /// # Errors
    /// A retryable one, where the store does not answer; a permanent one, where what was saved has
    /// another shape.
    pub async fn load(&self) -> Result<Option<Saved<P, C>>, StepError> {
        let Some(Saved { cursor, items, partial }) = self.progress.load().await? else { return Ok(None) };
        let unfit = |error: serde_json::Error| {
            StepError::permanent("INVALID_CHECKPOINT", format!("the saved progress does not fit: {error}"))
        };
        let cursor = cursor.parse().map_err(unfit)?;
        Ok(Some(Saved { cursor, items, partial: partial.parse().map_err(unfit)? }))
    }

    /// Saves that the items before `cursor` are done, `items` of them, and came to `partial`. Once this
    /// returns, it is durable.
    ///
    /// # Errors
    /// A permanent `CHECKPOINT_OUT_OF_RANGE`, where that is outside the batch; a retryable `LEASE_LOST`,
    /// where another process or attempt has the step now: stop, nothing counts any more. A retryable
    /// `CHECKPOINT_UNREACHABLE`, where the store refuses it; while it does not answer at all, this waits.
    pub async fn save(&self, cursor: C, items: u64, partial: P) -> Result<(), StepError> {
        let json = |error: serde_json::Error| {
            StepError::permanent(
                "INVALID_CHECKPOINT",
                format!("the progress cannot be written as JSON: {error}"),
            )
        };
        let cursor = Json::of(&cursor).map_err(json)?;
        if let Some(problem) = self.slice.as_ref().and_then(|slice| outside(slice, &cursor, items)) {
            return Err(StepError::permanent("CHECKPOINT_OUT_OF_RANGE", problem));
        }
        self.progress.save(Saved { cursor, items, partial: Json::of(&partial).map_err(json)? }).await
    }
}

/// Why progress cannot be that of this slice.
fn outside(slice: &CursorConfig, cursor: &Json, items: u64) -> Option<String> {
    if !slice.has(&cursor.to_value()) {
        let CursorConfig { start, end, .. } = slice;
        let at = cursor.as_str();
        return Some(format!("the cursor {at} is outside its batch, which goes from {start} to {end}"));
    }
    slice
        .size()
        .filter(|size| items > *size)
        .map(|size| format!("{items} items are done of a batch that has {size}"))
}

impl<P, C> FromStep for Checkpoint<P, C> {
    const NEEDS: &'static [Need] = &[Need::Batch("Checkpoint")];

    fn from_step(step: &TaskSequenceStep) -> Result<Self, StepError> {
        let slice = Some(slice_of(step)?);
        Ok(Self { progress: part(step)?.progress.clone(), slice, types: PhantomData })
    }
}

impl<P, C> fmt::Debug for Checkpoint<P, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Checkpoint").field("slice", &self.slice).finish_non_exhaustive()
    }
}

#[derive(Default)]
struct InMemory(Mutex<Option<Saved<Json, Json>>>);

#[async_trait]
impl Progressing for InMemory {
    async fn load(&self) -> Result<Option<Saved<Json, Json>>, StepError> {
        Ok(self.0.lock().unwrap_or_else(PoisonError::into_inner).clone())
    }

    async fn save(&self, saved: Saved<Json, Json>) -> Result<(), StepError> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(saved);
        Ok(())
    }
}

/// What came of one batch.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Instance {
    /// Its result.
    Complete(Json),
    /// Why it failed for good, or was left out.
    Failed(StepError),
}

/// A batch that failed for good, where the strategy lets the others go on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct BatchFailure {
    /// The number of the batch within its plan, `002`.
    pub batch_id: String,
    /// Why.
    pub error: StepError,
}

/// What came of all batches of a worker: what the step after it reads with `#[depends_on(worker)]`.
///
/// `Vec<T>` in its place takes the results alone. Failures are there only where the template says
/// `failure_strategy: continue_on_failure` or `isolate`; otherwise the step does not run after one.
///
/// ```
/// use tasker_runtime::prelude::*;
///
/// #[step_handler]
/// #[batch_analyzer(worker = add_up)]
/// async fn cut(rows: u64) -> BatchPlan {
///     BatchPlan::of_size(rows, 100)
/// }
///
/// #[step_handler]
/// #[batch_worker]
/// async fn add_up(rows: Cursor<u64>) -> u64 {
///     rows.range().sum()
/// }
///
/// #[step_handler]
/// async fn total(#[depends_on(add_up)] sums: Batches<u64>) -> u64 {
///     sums.into_results().into_iter().sum()
/// }
///
/// workflow!(adding = [cut, add_up, total]);
///
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// assert_eq!(total(Batches::complete([1, 2, 3])).await, 6);
/// # });
/// ```
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Batches<T> {
    /// The number and the result of each batch that is complete, in batch order.
    pub results: Vec<(String, T)>,
    /// The batches that failed, in batch order.
    pub failures: Vec<BatchFailure>,
}

impl<T> Batches<T> {
    /// Batches that are all complete with these results, for a test.
    pub fn complete(results: impl IntoIterator<Item = T>) -> Self {
        let results = (0..).zip(results).map(|(index, result)| (batch_id(index), result)).collect();
        Self { results, failures: Vec::new() }
    }

    /// The results alone, in batch order.
    #[must_use]
    pub fn into_results(self) -> Vec<T> {
        self.results.into_iter().map(|(_, result)| result).collect()
    }
}

/// The results alone, as one array.
pub(super) fn results_of(instances: &[Instance]) -> Json {
    let mut text = String::from("[");
    for instance in instances {
        if let Instance::Complete(result) = instance {
            if text.len() > 1 {
                text.push(',');
            }
            text.push_str(result.as_str());
        }
    }
    text.push(']');
    Json::stored(&text)
}

/// Results and failures, as [`Batches`] reads them.
pub(super) fn all_of(instances: &[Instance]) -> Json {
    let mut all = Batches { results: Vec::new(), failures: Vec::new() };
    for (index, instance) in (0u32..).zip(instances) {
        match instance {
            Instance::Complete(result) => all.results.push((batch_id(index), result)),
            Instance::Failed(error) => {
                all.failures.push(BatchFailure { batch_id: batch_id(index), error: error.clone() });
            }
        }
    }
    // As the journal has them, whatever it has.
    serde_json::to_string(&all).map_or_else(|_| Json::null(), |text| Json::stored(&text))
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Batches<T> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(BatchesVisitor(PhantomData))
    }
}

struct BatchesVisitor<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for BatchesVisitor<T> {
    type Value = Batches<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the results of batches")
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Batches<T>, A::Error> {
        #[derive(Deserialize)]
        struct Whole<T> {
            results: Vec<(String, T)>,
            failures: Vec<BatchFailure>,
        }
        let Whole { results, failures } = Whole::deserialize(MapAccessDeserializer::new(map))?;
        Ok(Batches { results, failures })
    }

    // What an operator gave for all of them.
    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Batches<T>, A::Error> {
        let mut results = Vec::new();
        while let Some(result) = seq.next_element()? {
            results.push((batch_id(u32::try_from(results.len()).unwrap_or(u32::MAX - 1)), result));
        }
        Ok(Batches { results, failures: Vec::new() })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn progress_outside_of_its_slice_is_found_up_to_the_last_number() {
        let slice = |start, end| CursorConfig { start, end, items: None };
        let negative = slice(json!(i64::MIN), json!(0));
        let large = slice(json!(u64::MAX - 10), json!(u64::MAX));
        for (slice, cursor, inside) in [
            (&negative, json!(i64::MIN), true),
            (&negative, json!(0), true),
            (&negative, json!(1), false),
            (&negative, json!(u64::MAX), false),
            (&large, json!(u64::MAX), true),
            (&large, json!(7), false),
            (&large, json!("7"), true),
        ] {
            let cursor = Json::stored(&cursor.to_string());
            assert_eq!(outside(slice, &cursor, 0).is_none(), inside, "{cursor:?} of {slice:?}");
        }
    }
}
