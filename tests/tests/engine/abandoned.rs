//! Callers may stop waiting at any moment, as one whose client hung up: nothing is left half done.

use std::{
    future::{Future, poll_fn},
    pin::pin,
    task::Poll,
    time::Duration,
};

use support::{
    stage::{step, template},
    world::{World, eventually, settled, worlds},
};
use tasker_runtime::{api::Submission, model::Command};

/// Drives `work` until it was polled `polls` times or is done, and drops it then. False: it was done.
async fn abandon(work: impl Future, mut polls: usize) -> bool {
    let mut work = pin!(work);
    poll_fn(|context| {
        if work.as_mut().poll(context).is_ready() {
            return Poll::Ready(false);
        }
        polls -= 1;
        if polls == 0 { Poll::Ready(true) } else { Poll::Pending }
    })
    .await
}

/// Waits until so many tasks are in the database and all of them are over.
async fn all_over(world: &World, tasks: u64) {
    let over = || async {
        world.clock.advance(Duration::from_millis(200));
        let there = world.count("select count(*) from tasker.tasks").await >= tasks;
        let open = world.count("select count(*) from tasker.runs where finished_at is null").await;
        (there && open == 0).then_some(())
    };
    eventually("all tasks to be over", over).await;
}

#[tokio::test]
async fn abandoned_submission_is_whole_or_not_there_and_is_in_nobodys_way() {
    let template = template("left", [step("a", &[])]);
    for world in worlds().await {
        let tasker = world.start(&template).await;
        let mut acknowledged = 0;
        for key in [None, Some("key")] {
            for polls in 1.. {
                let mut submission = Submission::to("test/left");
                if let Some(key) = key {
                    submission = submission.idempotency_key(format!("{key} {polls}"));
                }
                let abandoned = abandon(tasker.submit(submission), polls).await;
                let task = tasker.submit(Submission::to("test/left")).await.unwrap();
                settled(&tasker, task).await;
                acknowledged += 1;
                if !abandoned {
                    acknowledged += 1;
                    break;
                }
            }
        }
        all_over(&world, acknowledged).await;
    }
}

#[tokio::test]
async fn abandoned_command_is_followed_or_not_and_is_in_nobodys_way() {
    let template = template("asked", [step("a", &[])]);
    for world in worlds().await {
        let office = world.connect(&template).await;
        for polls in 1.. {
            let later = Submission::to("test/asked").delay(Duration::from_secs(3600));
            let task = office.submit(later).await.unwrap();
            let abandoned = abandon(office.operate(task, &Command::Cancel), polls).await;
            let _ = office.operate(task, &Command::Cancel).await;
            if !abandoned {
                break;
            }
        }
        let open = world.count("select count(*) from tasker.runs where finished_at is null").await;
        assert_eq!(open, 0, "{}", world.database);
    }
}
