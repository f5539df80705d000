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
                // Who is told of work looks a tenth as often.
                world.clock.advance(if wake == "hybrid" { POLL * 10 } else { POLL });
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

/// Two queues; the first has tasks of several priorities.
fn queues() -> [Template; 2] {
    let other = Template::builder("other").namespace("other").step(step("b", &[])).build();
    [single(), other.unwrap()]
}

/// A worker that has seen both queues empty; the next poll is at least 800 ms away.
async fn looking(world: &World, settings: &[(&str, &str)]) -> Tasker {
    let [single, other] = queues();
    let worker = world.builder(settings).template(single).template(other).start().await.unwrap();
    claimed(&worker, 2).await;
    worker
}

async fn claimed(worker: &Tasker, claims: u64) {
    let looked = || async { (worker.stats().claims >= claims).then_some(()) };
    eventually("the worker to look", looked).await;
}

fn in_millis(template: &str, priority: i16, millis: u64) -> Submission {
    Submission::to(template).priority(priority).delay(Duration::from_millis(millis))
}

#[tokio::test]
async fn delayed_tasks_start_at_exactly_their_times() {
    for world in worlds().await {
        let worker = looking(&world, &[]).await;
        let start = world.clock.now();
        let order = [
            ("test/single", 0, 300),
            ("test/single", 5, 500),
            ("other/other", -5, 100),
            ("test/single", 9, 10_000),
        ];
        for (template, priority, millis) in order {
            let before = worker.stats().claims;
            worker.submit(in_millis(template, priority, millis)).await.unwrap();
            claimed(&worker, before + 1).await;
        }
        for (name, calls, millis) in [("b", 1, 100_u64), ("a", 1, 300), ("a", 2, 500)] {
            let at = start + Duration::from_millis(millis);
            let to_go = at.since(world.clock.now());
            world.clock.advance(to_go - Duration::from_micros(1));
            let before = worker.stats().claims;
            worker.submit(Submission::to("test/single").delay(Duration::from_secs(3600))).await.unwrap();
            claimed(&worker, before + 1).await;
            assert_eq!(world.stage.times(name).len(), calls - 1, "{}: too early", world.database);
            world.clock.advance(Duration::from_micros(1));
            world.stage.wait_for(name, calls).await;
            assert_eq!(world.stage.times(name)[calls - 1], at, "{}", world.database);
        }
    }
}

#[tokio::test]
async fn delayed_task_of_another_process_is_seen_at_a_poll_and_started_at_its_time() {
    for world in worlds().await {
        let worker = looking(&world, &[("worker.wake", "polling_only")]).await;
        let at = world.clock.now() + Duration::from_secs(10);
        let office = world.connect(&single()).await;
        office.submit(in_millis("test/single", 0, 10_000)).await.unwrap();
        let before = worker.stats().claims;
        world.clock.advance(Duration::from_millis(9_500));
        // The poll, which finds nothing that is due; the next one is at least 800 ms away.
        claimed(&worker, before + 2).await;
        assert!(world.stage.called().is_empty(), "{}", world.database);
        world.clock.advance(Duration::from_millis(500));
        world.stage.wait_for("a", 1).await;
        assert_eq!(world.stage.times("a"), [at], "{}", world.database);
    }
}

#[tokio::test]
async fn delayed_task_of_another_process_is_heard_of_and_started_at_its_time() {
    for world in telling().await {
        let worker = looking(&world, &[("worker.wake", "event_driven_only")]).await;
        listener(&world, None).await;
        let at = world.clock.now() + Duration::from_millis(300);
        let before = worker.stats().claims;
        let office = world.connect(&single()).await;
        office.submit(in_millis("test/single", 0, 300)).await.unwrap();
        claimed(&worker, before + 1).await;
        world.clock.advance(Duration::from_millis(300));
        world.stage.wait_for("a", 1).await;
        assert_eq!(world.stage.times("a"), [at]);
    }
}

#[tokio::test]
async fn process_that_starts_later_is_lent_what_waits_for_its_turn_without_a_heartbeat() {
    let names = ["a", "b", "c", "d"];
    let template = template("wide", names.map(|name| step(name, &[])));
    for world in telling().await {
        let _closed = names.map(|name| world.stage.gate(name));
        let builder = || world.builder(&[("worker.concurrency", "1")]).template(template.clone());
        let first = builder().start().await.unwrap();
        listener(&world, None).await;
        first.submit(Submission::to("test/wide")).await.unwrap();
        eventually("the first step", || async { (world.stage.calls().len() == 1).then_some(()) }).await;
        // Time stands still, so that nobody's heart beats.
        let _later = builder().start().await.unwrap();
        let all = "select count(*) from tasker.offers";
        let called =
            || async { (world.stage.calls().len() == 2 && world.count(all).await == 3).then_some(()) };
        eventually("a step in each process", called).await;
        // No more than it has room for.
        assert_eq!(world.count(&format!("{all} where taker = 2")).await, 1);
        assert_eq!(world.count(&format!("{all} where taker is null")).await, 2);
    }
}
