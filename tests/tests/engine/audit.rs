//! The audit trail of a task says who asked what, why, and what came of it.

use support::{
    stage::{step, template},
    world::worlds,
};
use tasker_runtime::{
    api::{CommandOutcome, Message, Submission},
    model::Command,
};
use uuid::Uuid;

use crate::operators::{retry, skip};

#[tokio::test]
async fn trail_has_what_was_asked_with_its_reason_and_what_came_of_it() {
    for world in worlds().await {
        let template = template("audited", [step("a", &[]), step("b", &["a"])]);
        let _gate = world.stage.gate("a");
        let tasker = world.start(&template).await;
        let task = tasker.submit(Submission::to("test/audited")).await.unwrap();
        world.stage.wait_for("a", 1).await;
        let ada = tasker.as_actor("ada").because("the customer called");
        // The holder refuses what does not fit: a step that has not begun.
        ada.operate(task, &skip("b")).await.unwrap_err();
        let message = Message::named("none");
        ada.send(task, &message).await.unwrap_err();
        // Who says nothing of a reason does not take over the last one.
        let grace = ada.as_actor("grace");
        assert_eq!(grace.operate(task, &Command::Cancel).await.unwrap(), CommandOutcome::Followed);
        let trail = tasker.audit(task, 0, 10).await.unwrap().unwrap();
        let said = |n: usize| (&*trail[n].actor, &*trail[n].action, trail[n].reason.as_deref());
        assert_eq!(said(0), ("ada", "skip", Some("the customer called")), "{}", world.database);
        assert!(trail[0].refused.as_ref().is_some_and(|why| why.contains("`b` is pending")), "{trail:?}");
        assert_eq!(trail[0].detail.as_str().replace(' ', ""), r#"{"skip":{"step":"b"}}"#);
        assert_eq!((said(1), trail[1].pending), (("grace", "cancel", None), false), "{}", world.database);
        assert!(trail[1].refused.is_none(), "{trail:?}");
        let rest = tasker.audit(task, trail[0].number, 10).await.unwrap().unwrap();
        assert_eq!((rest.len(), rest[0].number), (1, trail[1].number), "{}", world.database);
        // A page ends where it is told to.
        assert_eq!(tasker.audit(task, 0, 1).await.unwrap().unwrap().len(), 1);
        // What is refused at once has changed nothing, and leaves no line.
        grace.operate(task, &retry(&[])).await.unwrap_err();
        assert_eq!(tasker.audit(task, 0, 10).await.unwrap().unwrap().len(), 2, "{}", world.database);
        assert!(tasker.audit(Uuid::nil(), 0, 10).await.unwrap().is_none());
    }
}
