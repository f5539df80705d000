//! The example of an approval by a person: asked, reminded, given up.

use std::time::Duration;

use handlers::expense_approval::{Answer, expense_approval};
use serde_json::{Value, json};
use support::world::{World, eventually, settled, worlds};
use tasker_runtime::{
    Tasker,
    api::{Message, Submission, TaskReport},
    model::{StepState, TaskState},
    registry::Registry,
};
use uuid::Uuid;

const DAY: Duration = Duration::from_secs(86_400);

async fn asked(world: &World) -> (Tasker, Uuid) {
    let builder = world.builder(&[]).registry(Registry::discover());
    let tasker = builder.template(expense_approval.template().unwrap()).start().await.unwrap();
    let expense = json!({"employee": "Grace", "cents": 1250});
    let submission = Submission::to("approvals/expense_approval").context(&expense).unwrap();
    let task = tasker.submit(submission).await.unwrap();
    waits_for(&tasker, task, "expense_answer").await;
    (tasker, task)
}

async fn waits_for(tasker: &Tasker, task: Uuid, step: &str) -> TaskReport {
    let look = || async {
        let report = tasker.show(task).await.unwrap().unwrap();
        let waits = report.state == TaskState::Waiting && report.worker.is_none();
        (waits && report.step(step).unwrap().state == StepState::Waiting).then_some(report)
    };
    eventually(&format!("`{step}` to be waited for"), look).await
}

async fn result(tasker: &Tasker, task: Uuid) -> Value {
    let report = settled(tasker, task).await;
    assert_eq!(report.state, TaskState::Complete, "{report:?}");
    report.result
}

#[tokio::test]
async fn answer_in_time_settles_the_expense() {
    for world in worlds().await {
        let (tasker, task) = asked(&world).await;
        tasker.signal(task, &Answer::of("ada", true)).await.unwrap();
        let settled = json!({"outcome": "approved by ada", "reminded": false});
        assert_eq!(result(&tasker, task).await, settled, "{}", world.database);
        tasker.stop().await.unwrap();
    }
}

#[tokio::test]
async fn who_does_not_answer_is_reminded_after_a_day_and_waited_for_two_more() {
    for world in worlds().await {
        let (tasker, task) = asked(&world).await;
        world.clock.advance(DAY);
        let report = waits_for(&tasker, task, "expense_last_answer").await;
        let reminded = report.step("expense_remind").unwrap();
        assert_eq!(reminded.result, json!("again: may Grace spend 1250 cents?"), "{}", world.database);
        // By name, as another program would send it.
        let no = Message::named("expense_answer").payload(&json!({"approved": false, "by": "bob"})).unwrap();
        tasker.send(task, &no).await.unwrap();
        let settled = json!({"outcome": "turned down by bob", "reminded": true});
        assert_eq!(result(&tasker, task).await, settled, "{}", world.database);

        let (other, task) = asked(&world).await;
        world.clock.advance(DAY);
        let report = waits_for(&other, task, "expense_last_answer").await;
        let due = report.next_at.unwrap();
        assert_eq!(due, report.step("expense_remind").unwrap().finished_at.unwrap() + DAY * 2);
        world.clock.advance(DAY * 2);
        let settled = json!({"outcome": "nobody answered", "reminded": true});
        assert_eq!(result(&other, task).await, settled, "{}", world.database);
        other.stop().await.unwrap();
        tasker.stop().await.unwrap();
    }
}
