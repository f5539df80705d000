//! The handlers of the crash tests: each hands what it sees to the ledger and returns what the ledger says.

use serde::Deserialize;
use tasker_runtime::prelude::*;

use super::{
    ledger::Ledger,
    policy::{SLICE, batches, children, pause, rounds, routes, unheard},
};

/// The context of every task.
#[derive(Deserialize)]
struct Job {
    /// The number of the submission.
    n: u64,
}

/// Handlers of the first form see the context, those of the second the results they depend on.
macro_rules! handlers {
    ($($step:ident($($seen:ident),*);)+) => {
        $(handlers!(@ $step $($seen),*);)+
    };
    (@ $step:ident) => {
        #[step_handler]
        async fn $step(step: &TaskSequenceStep, ledger: State<Ledger>, job: Job) -> Result<u64, StepError> {
            ledger.attempt(step, &[Some(job.n)]).await
        }
    };
    (@ $step:ident $($seen:ident),+) => {
        #[step_handler]
        async fn $step(
            step: &TaskSequenceStep,
            ledger: State<Ledger>,
            $(#[depends_on($seen)] $seen: u64,)+
        ) -> Result<u64, StepError> {
            ledger.attempt(step, &[$(Some($seen)),+]).await
        }
    };
}

handlers! {
    linear_1();
    linear_2(linear_1);
    linear_3(linear_2);
    linear_4(linear_3);

    diamond_start();
    diamond_right(diamond_start);
    diamond_end(diamond_left, diamond_right);

    tree_root();
    tree_left(tree_root);
    tree_right(tree_root);
    tree_left_a(tree_left);
    tree_left_b(tree_left);
    tree_right_a(tree_right);
    tree_right_b(tree_right);
    tree_crown(tree_left_a, tree_left_b, tree_right_a, tree_right_b);

    mixed_init();
    mixed_left(mixed_init);
    mixed_right(mixed_init);
    mixed_validate(mixed_left, mixed_right);
    mixed_transform(mixed_left);
    mixed_analyze(mixed_right);
    mixed_finalize(mixed_validate, mixed_transform, mixed_analyze);

    route_start();

    batch_start();

    order_reserve();
    order_charge(order_reserve);
    order_notify(order_reserve);
    order_pack(order_charge);
    order_ship(order_pack, order_notify);
    order_close(order_ship);

    approval_ask();

    tick_note();
    tick_end(tick_note);

    poll_start();
    poll_end(poll_loop);

    child_first();
    child_last(child_first);

    doomed_first();
    doomed_middle(doomed_first);
    doomed_last(doomed_middle);
}

#[step_handler]
async fn approval_file(
    step: &TaskSequenceStep,
    ledger: State<Ledger>,
    #[depends_on("approval_answer")] answer: u64,
) -> Result<u64, StepError> {
    ledger.attempt(step, &[Some(answer)]).await
}

/// Cuts the task into parts, each of which another one sees to, and says the value besides.
#[step_handler]
async fn family_split(
    step: &TaskSequenceStep,
    ledger: State<Ledger>,
    job: Job,
) -> Result<serde_json::Value, StepError> {
    let value = ledger.attempt(step, &[Some(job.n)]).await?;
    let part = |child: u64| serde_json::json!({ "n": job.n, "child": child });
    let parts: Vec<_> = (0..children(step.task_id())).map(part).collect();
    Ok(serde_json::json!({ "data": value, "parts": parts }))
}

/// Sees all that came of the parts as one number.
#[step_handler]
async fn family_end(
    step: &TaskSequenceStep,
    ledger: State<Ledger>,
    #[depends_on("family_children")] results: Vec<u64>,
) -> Result<u64, StepError> {
    ledger.attempt(step, &[Some(results.into_iter().fold(0, u64::wrapping_add))]).await
}

/// Goes as many rounds as the task is to, each from what the last one returned.
#[step_handler(max_rounds = 100)]
async fn poll_loop(
    step: &TaskSequenceStep,
    ledger: State<Ledger>,
    #[depends_on(poll_start)] start: u64,
    last: Round<Option<u64>>,
) -> Result<Loop<Option<u64>, u64>, StepError> {
    let value = ledger.round(step, start, &last).await?;
    if last.number() == rounds(step.task_id()) {
        return Ok(Loop::done(value));
    }
    Ok(Loop::again(Some(value)).after(pause(step.task_id(), last.number())))
}

/// Notes what is published, once it was refused as often as it is to be.
#[event_subscriber(
    "chaos.*",
    name = "chaos_heard",
    from = "start",
    retry(max_attempts = 50, base = "30ms", max = "200ms")
)]
async fn hear(event: Event<Json>, attempt: Attempt, ledger: State<Ledger>) -> Result<(), StepError> {
    let sequence = event.sequence.unwrap_or_default();
    if attempt.number <= unheard(event.task, sequence) {
        return Err(StepError::retryable("MEANT", "this delivery is meant to fail"));
    }
    Ok(ledger.heard(event.task, sequence)?)
}

/// The one that [`LIMITED`](super::workflows::LIMITED) names.
#[step_handler(concurrency = 1)]
async fn diamond_left(
    step: &TaskSequenceStep,
    ledger: State<Ledger>,
    #[depends_on(diamond_start)] start: u64,
) -> Result<u64, StepError> {
    ledger.attempt(step, &[Some(start)]).await
}

/// Takes the routes of the task, and says the value besides.
fn decide(step: &TaskSequenceStep, value: u64) -> Decision {
    let routes = routes(step.task_id(), step.name());
    let decision = if routes.is_empty() { Decision::skip("none") } else { Decision::route_by_name(routes) };
    decision.with_data(value)
}

/// The value a decision said.
fn said(decision: &Decision) -> Result<u64, StepError> {
    decision.data()?.ok_or_else(|| StepError::permanent("SILENT", "the decision has no data"))
}

#[step_handler]
#[decision(routes = [route_left, route_right, route_again])]
async fn route_choose(
    step: &TaskSequenceStep,
    ledger: State<Ledger>,
    #[depends_on(route_start)] start: u64,
) -> Result<Decision, StepError> {
    Ok(decide(step, ledger.attempt(step, &[Some(start)]).await?))
}

#[step_handler]
#[decision(routes = [route_deep, route_side])]
async fn route_again(
    step: &TaskSequenceStep,
    ledger: State<Ledger>,
    #[depends_on(route_choose)] chosen: Decision,
) -> Result<Decision, StepError> {
    Ok(decide(step, ledger.attempt(step, &[Some(said(&chosen)?)]).await?))
}

/// Steps that a decision may choose.
macro_rules! routes {
    ($($step:ident($decision:ident);)+) => {
        $(
            #[step_handler]
            async fn $step(
                step: &TaskSequenceStep,
                ledger: State<Ledger>,
                #[depends_on($decision)] chosen: Decision,
            ) -> Result<u64, StepError> {
                ledger.attempt(step, &[Some(said(&chosen)?)]).await
            }
        )+
    };
}

routes! {
    route_left(route_choose);
    route_right(route_choose);
    route_deep(route_again);
    route_side(route_again);
}

#[step_handler]
async fn route_end(
    step: &TaskSequenceStep,
    ledger: State<Ledger>,
    #[depends_on(route_left)] left: Option<u64>,
    #[depends_on(route_right)] right: Option<u64>,
    #[depends_on(route_deep)] deep: Option<u64>,
    #[depends_on(route_side)] side: Option<u64>,
) -> Result<u64, StepError> {
    ledger.attempt(step, &[left, right, deep, side]).await
}

/// Cuts slices that start at its own value, which no other execution has.
#[step_handler]
#[batch_analyzer(worker = batch_work)]
async fn batch_plan(
    step: &TaskSequenceStep,
    ledger: State<Ledger>,
    #[depends_on(batch_start)] start: u64,
) -> Result<BatchPlan, StepError> {
    let value = ledger.attempt(step, &[Some(start)]).await?;
    let slice = |batch| value + batch * SLICE..value + (batch + 1) * SLICE;
    let plan = match batches(step.task_id()) {
        0 => BatchPlan::none("none"),
        count => BatchPlan::cursors((0..count).map(slice)),
    };
    Ok(plan.with_data(value))
}

#[step_handler]
#[batch_worker]
async fn batch_work(
    step: &TaskSequenceStep,
    ledger: State<Ledger>,
    slice: Cursor<u64>,
    progress: Checkpoint<u64>,
) -> Result<u64, StepError> {
    ledger.batch(step, slice.range(), &progress).await
}

#[step_handler]
async fn batch_end(
    step: &TaskSequenceStep,
    ledger: State<Ledger>,
    #[depends_on(batch_work)] parts: Vec<u64>,
) -> Result<u64, StepError> {
    let seen: Vec<Option<u64>> = parts.into_iter().map(Some).collect();
    ledger.attempt(step, &seen).await
}

/// What undoes the steps of an order.
macro_rules! compensations {
    ($($compensation:ident($step:ident);)+) => {
        $(
            #[step_handler(retry(max_attempts = 4, base = "30ms", max = "200ms"))]
            #[compensates($step)]
            async fn $compensation(
                step: &TaskSequenceStep,
                ledger: State<Ledger>,
                #[depends_on($step)] made: u64,
            ) -> Result<u64, StepError> {
                ledger.attempt(step, &[Some(made)]).await
            }
        )+
    };
}

compensations! {
    undo_reserve(order_reserve);
    undo_charge(order_charge);
    undo_notify(order_notify);
    undo_ship(order_ship);
    undo_close(order_close);
}
