//! A worker that stands still in the middle of its batch until a test lets it go on.

use std::{
    collections::HashMap,
    sync::{
        Arc, LazyLock, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use tasker_runtime::prelude::*;
use tokio::sync::Semaphore;

use super::{Cut, End, Part, end};

/// Where calls stand still, and what happened there.
struct Gate {
    open: Semaphore,
    came: Semaphore,
    refused: Mutex<Option<StepError>>,
    told: Semaphore,
}

static GATES: LazyLock<Mutex<HashMap<usize, Arc<Gate>>>> = LazyLock::new(Mutex::default);

fn of(gate: usize) -> Arc<Gate> {
    GATES.lock().unwrap()[&gate].clone()
}

/// A new gate, closed.
pub(crate) fn gate() -> usize {
    static NEXT: AtomicUsize = AtomicUsize::new(1);
    let number = NEXT.fetch_add(1, Ordering::SeqCst);
    let gate = Gate {
        open: Semaphore::new(0),
        came: Semaphore::new(0),
        refused: Mutex::default(),
        told: Semaphore::new(0),
    };
    GATES.lock().unwrap().insert(number, Arc::new(gate));
    number
}

/// Waits until so many calls in all stood still.
pub(crate) async fn wait_for(gate: usize, calls: u32) {
    // Taken and handed back, so that the count is of all calls.
    drop(of(gate).came.acquire_many(calls).await.unwrap());
}

/// Lets everybody go on.
pub(crate) fn open(gate: usize) {
    of(gate).open.add_permits(1_000_000);
}

/// Lets the one go on that came first.
pub(crate) fn open_one(gate: usize) {
    of(gate).open.add_permits(1);
}

/// What a call was told that tried to save and was not allowed to.
pub(crate) async fn refused(gate: usize) -> StepError {
    of(gate).told.acquire().await.unwrap().forget();
    of(gate).refused.lock().unwrap().clone().unwrap()
}

#[step_handler]
#[batch_analyzer(worker = bt_gated)]
async fn bt_cut_gated(cut: Cut) -> BatchPlan {
    BatchPlan::of_size(cut.batches * 10, cut.size)
}

/// Saves after half of its batch, stands still, saves the rest.
#[step_handler]
#[batch_worker]
async fn bt_gated(rows: Cursor<u64>, cut: Cut, progress: Checkpoint<u64>) -> Result<Part, StepError> {
    let gate = of(cut.gate);
    let resumed = progress.load().await?.map_or(rows.start, |saved| saved.cursor);
    if resumed == rows.start {
        progress.save(rows.start + 5, 5, 5).await?;
    }
    gate.came.add_permits(1);
    gate.open.acquire().await.unwrap().forget();
    if let Err(error) = progress.save(rows.end, 10, 10).await {
        *gate.refused.lock().unwrap() = Some(error.clone());
        gate.told.add_permits(1);
        return Err(error);
    }
    Ok(Part { start: rows.start, items: 10, resumed })
}

#[step_handler]
async fn bt_end_gated(
    #[depends_on(bt_gated)] batches: Batches<Part>,
    #[depends_on("bt_gated")] parts: Vec<Part>,
) -> End {
    end(batches, parts)
}
