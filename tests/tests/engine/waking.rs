//! Work that other processes make is found: at once where they tell, at the next poll where nobody does.

use std::time::Duration;

use support::{
    stage::{step, template},
    world::{World, eventually, settled, worlds},
};
use tasker_runtime::{Tasker, api::Submission, model::TaskState, template::Template};

/// Longer than a poll, with what it is spread by.
const POLL: Duration = Duration::from_secs(2);

fn single() -> Template {
    template("single", [step("a", &[])])
}

/// The worlds in which processes can tell each other.
async fn telling() -> Vec<World> {
    worlds().await.into_iter().filter(|world| !world.database.is_sqlite()).collect()
}

/// The server's process that listens for the one worker of this world, once there is one besides `former`.
async fn listener(world: &World, former: Option<&str>) -> String {
    let sql = "select pid from pg_stat_activity where datname = current_database() and query ilike 'listen%'";
    let seen = || async {
        let pids = world.column(sql).await;
        pids.into_iter().find(|pid| Some(&**pid) != former)
    };
    eventually("a connection that listens", seen).await
}

async fn with(world: &World, wake: &str) -> Tasker {
    world.builder(&[("worker.wake", wake)]).template(single()).start().await.unwrap()
}

#[tokio::test]
async fn what_another_process_submits_is_taken_without_a_poll() {
    for world in telling().await {
        for wake in ["hybrid", "event_driven_only"] {
            let worker = with(&world, wake).await;
            listener(&world, None).await;
            // Time stands still, so that nobody polls.
            let task = world.connect(&single()).await.submit(Submission::to("test/single")).await.unwrap();
            assert_eq!(settled(&worker, task).await.state, TaskState::Complete, "{wake}");
            worker.stop().await.unwrap();
        }
    }
}

#[tokio::test]
async fn listener_whose_connection_is_cut_comes_back_and_looks_for_what_it_missed() {
    for world in telling().await {
        let worker = with(&world, "event_driven_only").await;
        let submitter = world.connect(&single()).await;
        let mut former = listener(&world, None).await;
        for _ in 0..3 {
            world.rows(&format!("select pg_terminate_backend({former})")).await;
            // This one is announced to nobody, or to the next connection.
            let missed = submitter.submit(Submission::to("test/single")).await.unwrap();
            former = listener(&world, Some(&former)).await;
            let heard = submitter.submit(Submission::to("test/single")).await.unwrap();
            for task in [missed, heard] {
                assert_eq!(settled(&worker, task).await.state, TaskState::Complete);
            }
        }
    }
}

#[tokio::test]
async fn work_flows_at_the_poll_where_no_news_ever_arrive() {
    for world in worlds().await {
        // One that does not listen, and one that listens to somebody who tells nothing.
        for (wake, tells) in [("polling_only", "hybrid"), ("hybrid", "polling_only")] {
            let worker = with(&world, wake).await;
            if wake == "hybrid" && !world.database.is_sqlite() {
                listener(&world, None).await;
            }
            let builder = world.builder(&[("worker.wake", tells)]).template(single());
            let submitter = builder.connect().await.unwrap();
            for _ in 0..3 {
                let task = submitter.submit(Submission::to("test/single")).await.unwrap();
                world.clock.advance(POLL);
                assert_eq!(
                    settled(&worker, task).await.state,
                    TaskState::Complete,
                    "{} {wake}",
                    world.database
                );
            }
            worker.stop().await.unwrap();
        }
    }
}
