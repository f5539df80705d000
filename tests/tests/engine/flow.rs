//! Tasks run to their end, with the results their steps gave.

use serde_json::{Value, json};
use support::{
    stage::{step, template},
    world::{settled, worlds},
};
use tasker_runtime::{
    api::Submission,
    model::{StepState, TaskState},
};

#[tokio::test]
async fn linear_task_runs_its_steps_in_order_and_ends_with_the_last_result() {
    let linear = template("linear", [step("a", &[]), step("b", &["a"]), step("c", &["b"])]);
    for world in worlds().await {
        world.stage.on("a", |step| async move { Ok(json!(step.context::<u64>()? * 2)) });
        world.stage.on("b", |step| async move { Ok(json!(step.result::<u64>("a")? + 1)) });
        world.stage.on("c", |step| async move { Ok(json!({"b": step.result::<u64>("b")?})) });
        let tasker = world.start(&linear).await;
        let result: Value = tasker.run("test/linear", &21).await.unwrap();
        assert_eq!(result, json!({"b": 43}), "{}", world.database);
        assert_eq!(world.stage.called(), ["a 1", "b 1", "c 1"], "{}", world.database);
    }
}

#[tokio::test]
async fn diamond_joins_its_branches_once() {
    let diamond =
        template("diamond", [step("s", &[]), step("l", &["s"]), step("r", &["s"]), step("j", &["l", "r"])]);
    for world in worlds().await {
        world.stage.on("s", |_| async { Ok(json!(10)) });
        world.stage.on("l", |step| async move { Ok(json!(step.result::<i64>("s")? + 1)) });
        world.stage.on("r", |step| async move { Ok(json!(step.result::<i64>("s")? * 2)) });
        world
            .stage
            .on("j", |step| async move { Ok(json!([step.result::<i64>("l")?, step.result::<i64>("r")?])) });
        let tasker = world.start(&diamond).await;
        let result: Value = tasker.run("test/diamond", &()).await.unwrap();
        assert_eq!(result, json!([11, 20]), "{}", world.database);
        assert_eq!(world.stage.times("j").len(), 1, "{}", world.database);
    }
}

#[tokio::test]
async fn handlers_see_all_their_ancestors_and_nothing_else() {
    let steps = [step("a", &[]), step("b", &["a"]), step("c", &["b"]), step("other", &["a"])];
    let template = template("ancestors", steps);
    for world in worlds().await {
        world.stage.on("c", |step| async move {
            let of_stranger = step.result::<Value>("other").unwrap_err();
            Ok(json!([step.result::<String>("a")?, step.result::<String>("b")?, of_stranger.is_retryable()]))
        });
        let tasker = world.start(&template).await;
        let result: Value = tasker.run("test/ancestors", &()).await.unwrap();
        assert_eq!(result, json!({"c": ["a", "b", false], "other": "other"}), "{}", world.database);
    }
}

#[tokio::test]
async fn several_last_steps_give_an_object_by_name() {
    let template = template("fork", [step("a", &[]), step("x", &["a"]), step("y", &["a"])]);
    for world in worlds().await {
        let tasker = world.start(&template).await;
        let result: Value = tasker.run("test/fork", &()).await.unwrap();
        assert_eq!(result, json!({"x": "x", "y": "y"}), "{}", world.database);
    }
}

#[tokio::test]
async fn results_come_back_as_they_were_given() {
    let template = template("values", [step("a", &[])]);
    let values = [
        json!(null),
        json!("a NUL \u{0} and a quote \" and ünïcode 🦀"),
        json!({"z": 1, "a": [1.5, -0.0, u64::MAX, i64::MIN], "": {}}),
        json!("x".repeat(300_000)),
    ];
    for world in worlds().await {
        let tasker = world.start(&template).await;
        for value in &values {
            let given = value.clone();
            world.stage.on("a", move |_| {
                let value = given.clone();
                async { Ok(value) }
            });
            let result: Value = tasker.run("test/values", value).await.unwrap();
            assert_eq!(&result, value, "{}", world.database);
        }
    }
}

#[tokio::test]
async fn report_says_when_each_step_ran_and_how_often() {
    let template = template("report", [step("a", &[]), step("b", &["a"])]);
    for world in worlds().await {
        let tasker = world.start(&template).await;
        let task = tasker.submit(Submission::to("test/report")).await.unwrap();
        let report = settled(&tasker, task).await;
        assert_eq!(report.state, TaskState::Complete, "{}", world.database);
        assert_eq!(report.finished_at, Some(world.clock.now()), "{}", world.database);
        for step in &report.steps {
            assert_eq!((step.state, step.attempts), (StepState::Complete, 1), "{}", world.database);
            assert_eq!(step.started_at, Some(world.clock.now()), "{}", world.database);
            assert_eq!(step.finished_at, Some(world.clock.now()), "{}", world.database);
        }
    }
}

#[tokio::test]
async fn thousand_tasks_submitted_at_once_all_end() {
    let template = template("many", [step("a", &[]), step("b", &["a"])]);
    for world in worlds().await {
        let tasker = world.start(&template).await;
        let tasks = tasker.submit_all((0..1000).map(|_| Submission::to("test/many"))).await.unwrap();
        for &task in &tasks {
            assert_eq!(settled(&tasker, task).await.state, TaskState::Complete, "{}", world.database);
        }
        assert_eq!(world.count("select count(*) from tasker.steps").await, 2000, "{}", world.database);
        assert_eq!(world.stage.calls().len(), 2000, "{}", world.database);
    }
}
