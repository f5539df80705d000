//! The batches of a task are undone one by one, on both stores.
#![allow(clippy::unwrap_used)]

use serde_json::{Value, json};
use support::{
    stage,
    world::{World, eventually, settled, worlds},
};
use tasker_runtime::{
    Tasker,
    api::{Submission, TaskReport},
    handlers,
    model::{Command, Json, StepState, TaskState},
    prelude::*,
    registry::Registry,
    template::{BatchConfig, FailureStrategy, OnFailure, Step, StepKind, Template},
    testing,
};

#[step_handler]
#[batch_analyzer(worker = rb_send)]
async fn rb_cut() -> BatchPlan {
    BatchPlan::of_size(3, 1)
}

/// The batch in the middle fails.
#[step_handler]
#[batch_worker]
async fn rb_send(rows: Cursor<u64>) -> Result<Vec<u64>, StepError> {
    match rows.start {
        1 => Err(StepError::permanent("LOST", "in the post")),
        start => Ok(vec![start, start]),
    }
}

#[step_handler]
#[compensates(rb_send)]
async fn rb_call_back(#[depends_on(rb_send)] sent: Vec<u64>) -> Vec<u64> {
    sent
}

#[step_handler]
async fn rb_report(#[depends_on("rb_send")] sent: Option<Batches<Vec<u64>>>) -> Result<Value, StepError> {
    let failures = sent.into_iter().flat_map(|sent| sent.failures);
    let failed: Vec<String> = failures.map(|failure| failure.batch_id).collect();
    Err(StepError::permanent("NOT_ALL", failed.join(" ")))
}

/// `rb_cut` → `rb_send` → `rb_report`, beside a step that does what the stage says.
fn template(failure_strategy: FailureStrategy) -> Template {
    let mut send = Step::new("rb_send").kind(StepKind::BatchWorker).after(["rb_cut"]);
    send.batch = Some(BatchConfig {
        parallelism: Some(1),
        failure_strategy: Some(failure_strategy),
        ..BatchConfig::default()
    });
    Template::builder("post")
        .namespace("test")
        .on_failure(OnFailure::Compensate)
        .step(Step::new("rb_cut").kind(StepKind::Batchable))
        .step(send)
        .step(Step::new("rb_report").kind(StepKind::DeferredConvergence).after(["rb_send"]))
        .step(stage::step("beside", &[]))
        .build()
        .unwrap()
}

async fn start(world: &World, strategy: FailureStrategy) -> Tasker {
    let own = handlers![rb_cut, rb_send, rb_call_back, rb_report];
    let known = Registry::of(own.into_iter().chain(stage::registry().handlers().iter().cloned()));
    world.builder(&[]).registry(known).template(template(strategy)).start().await.unwrap()
}

/// Name and result of all that was undone.
fn compensated(report: &TaskReport) -> Vec<(&str, Value)> {
    report
        .compensations
        .iter()
        .map(|compensation| (&*compensation.name, compensation.result.clone()))
        .collect()
}

#[tokio::test]
async fn each_batch_is_undone_with_its_own_result() {
    for world in worlds().await {
        let tasker = start(&world, FailureStrategy::ContinueOnFailure).await;
        let task = tasker.submit(Submission::to("test/post")).await.unwrap();
        let report = settled(&tasker, task).await;
        assert_eq!(report.state, TaskState::Compensated, "{}: {:?}", world.database, report.compensations);
        let expected = [("undo rb_send_003", json!([2, 2])), ("undo rb_send_001", json!([0, 0]))];
        assert_eq!(compensated(&report), expected, "{}", world.database);
        let seen = report.step("rb_report").unwrap().error.clone().unwrap();
        assert_eq!(seen.message(), "002", "{}: failures are read beside `Option` as well", world.database);
    }
}

#[tokio::test]
async fn what_an_operator_gives_for_a_whole_worker_is_not_undone_beside_its_batches() {
    for world in worlds().await {
        let gate = world.stage.gate("beside");
        let tasker = start(&world, FailureStrategy::FailFast).await;
        let task = tasker.submit(Submission::to("test/post")).await.unwrap();
        let failed = || async {
            let report = tasker.show(task).await.unwrap().unwrap();
            (report.step("rb_send").unwrap().state == StepState::Error).then_some(())
        };
        eventually("the worker to fail", failed).await;
        let all = Command::Resolve {
            step: "rb_send".to_owned(),
            result: Json::of(&[[0, 0], [1, 1], [2, 2]]).unwrap(),
        };
        tasker.operate(task, &all).await.unwrap();
        gate.add_permits(1);
        let report = settled(&tasker, task).await;
        assert_eq!(report.state, TaskState::Compensated, "{}: {:?}", world.database, report.cause);
        assert_eq!(compensated(&report), [("undo rb_send_001", json!([0, 0]))], "{}", world.database);
    }
}

#[tokio::test]
async fn what_undoes_a_batch_is_tested_with_the_result_of_one() {
    let outcome = testing::run_step::<rb_call_back>().result_of_step("rb_send", &[7]).await;
    assert_eq!(outcome.result::<Vec<u64>>().unwrap(), [7]);
}
