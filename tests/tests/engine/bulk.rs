//! What operators do to many tasks at once.

use serde_json::Value;
use support::{
    stage::{step, template},
    world::{settled, worlds},
};
use tasker_runtime::{
    StepError,
    api::{Submission, TaskFilter},
    model::{Command, TaskState},
};
use uuid::Uuid;

#[tokio::test]
async fn every_task_that_is_meant_is_told_and_single_refusals_stop_nothing() {
    for world in worlds().await {
        let of = template("many", [step("a", &[])]);
        world.stage.on("a", |step| async move {
            match step.context::<String>()?.as_str() {
                "down" => Err(StepError::permanent("DOWN", "no")),
                _ => Ok(Value::Null),
            }
        });
        let worker = world.start(&of).await;
        let submit = async |context: &str| {
            let task = worker.submit(Submission::to("test/many").context(context).unwrap()).await.unwrap();
            settled(&worker, task).await;
            task
        };
        let fine = submit("fine").await;
        let mut down = Vec::new();
        for _ in 0..40 {
            down.push(submit("down").await);
        }
        let paused: Vec<Uuid> = down[..3].to_vec();
        for &task in &paused {
            worker.operate(task, &Command::Pause).await.unwrap();
        }
        let meant = TaskFilter::new().template("test/many").limit(7);
        let open = worker.matching(&meant.clone().open()).await.unwrap();
        assert_eq!(
            open,
            down.iter().rev().copied().collect::<Vec<_>>(),
            "{}: page after page",
            world.database
        );
        let given_up = worker.as_actor("ada").operate_all(&meant, &Command::GiveUp).await.unwrap();
        assert_eq!((given_up.tasks, given_up.followed, given_up.pending), (41, 37, 0), "{}", world.database);
        let refused: Vec<Uuid> = given_up.refused.iter().map(|refusal| refusal.task_id).collect();
        assert_eq!(refused, [&[fine], &paused[..]].concat(), "{}", world.database);
        assert_eq!(
            given_up.refused[0].reason, "the task is complete: nothing can change it any more",
            "{}",
            world.database
        );
        let ended = TaskFilter::new().state(TaskState::Error);
        assert_eq!(worker.matching(&ended).await.unwrap().len(), 37, "{}", world.database);
        let noted = world.count("select count(*) from tasker.audit where actor = 'ada'").await;
        assert_eq!(noted, 37, "{}: refusals leave no trace", world.database);
    }
}

#[tokio::test]
async fn tasks_that_run_are_told_through_whoever_holds_them() {
    for world in worlds().await {
        let of = template("many", [step("a", &[])]);
        let gate = world.stage.gate("a");
        let worker = world.start(&of).await;
        let tasks = worker.submit_all((0..5).map(|_| Submission::to("test/many"))).await.unwrap();
        world.stage.wait_for("a", 5).await;
        let told = worker.operate_all(&TaskFilter::new().open(), &Command::Cancel).await.unwrap();
        assert_eq!((told.tasks, told.followed + told.pending), (5, 5), "{}", world.database);
        for task in tasks {
            assert_eq!(settled(&worker, task).await.state, TaskState::Cancelled, "{}", world.database);
        }
        drop(gate);
    }
}
