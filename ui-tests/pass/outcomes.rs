//! Every form of decision and batch.
#![deny(warnings, missing_docs, unused)]
#![forbid(unsafe_code)]

use serde::{Deserialize, Serialize};
use tasker_runtime::handler::{BatchableCapable, DecisionCapable};
use tasker_runtime::prelude::*;

mod steps {
    //! Routes of another module.
    use tasker_runtime::prelude::*;

    /// Rejects.
    #[step_handler]
    pub async fn reject() {}
}

/// What one batch came to.
#[derive(Serialize, Deserialize)]
pub struct Part {
    sum: u64,
}

/// Approves.
#[step_handler(marker = ApproveStep)]
pub async fn approve(#[depends_on(choose)] decision: Decision) -> usize {
    decision.routes().len()
}

/// Chooses.
#[decision(routes = [ApproveStep, steps::reject])]
#[step_handler]
pub async fn choose(amount: u64) -> Result<Decision, StepError> {
    let approve = amount < 10;
    match amount {
        0 => Ok(Decision::skip("nothing")),
        1 => Ok(Decision::route_by_name(["reject"]).with_data(amount)),
        2 => Ok(Decision::route([ApproveStep, reject])),
        3 => Ok(Decision::route(reject)),
        _ => Ok(Decision::route([if approve { ApproveStep } else { reject }])),
    }
}

/// Cuts.
#[step_handler]
#[batch_analyzer(worker = work)]
pub async fn cut(rows: u64) -> BatchPlan {
    match rows {
        0 => BatchPlan::none("nothing"),
        1 => BatchPlan::cursors([0..1_u64, 1..rows]),
        2 => BatchPlan::cursors([Slice::new(0_u64, 1).items(1)]),
        3 => BatchPlan::into_workers(rows, 2),
        _ => BatchPlan::of_size(rows, 2).max_batches(3),
    }
}

/// Works.
#[step_handler]
#[batch_worker]
pub async fn work(
    rows: Cursor<u64>,
    progress: Checkpoint<u64>,
    #[depends_on(cut)] plan: BatchPlan,
) -> Result<Part, StepError> {
    progress.save(rows.end, 1, 0).await?;
    let _ = (plan.reason(), rows.batch_id(), rows.size());
    Ok(Part { sum: rows.range().sum() })
}

#[step_handler]
#[batch_worker]
async fn work_by_step(step: &TaskSequenceStep) -> Result<u64, StepError> {
    Ok(Cursor::<u64>::from_step(step)?.end)
}

#[step_handler]
async fn gather(
    #[depends_on(work)] parts: Vec<Part>,
    #[depends_on(work)] maybe: Option<Vec<Part>>,
    #[depends_on(work)] batches: Batches<Part>,
    #[depends_on(work)] maybe_batches: Option<Batches<Part>>,
    #[depends_on("work")] loose: Vec<Part>,
    #[depends_on("work")] loose_batches: Batches<Part>,
) -> u64 {
    let all = [parts, maybe.unwrap_or_default(), batches.into_results(), loose, loose_batches.into_results()];
    let more = maybe_batches.map_or(0, |batches| batches.failures.len() as u64);
    all.iter().flatten().map(|part| part.sum).sum::<u64>() + more
}

fn routes(handler: &impl DecisionCapable) -> &'static [&'static str] {
    handler.routes()
}

fn main() {
    assert_eq!(routes(&choose {}), ["approve", "reject"]);
    assert_eq!(work {}.create_cursor_configs(10, 3).map(|cursors| cursors.len()).ok(), Some(3));
    let names = handlers![ApproveStep, choose, cut, work, work_by_step, gather].map(|entry| entry.key().to_string());
    assert_eq!(names, ["approve", "choose", "cut", "work", "work_by_step", "gather"]);
}
