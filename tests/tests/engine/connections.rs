//! A worker holds what it can record: it has the connections for that before it takes anything.
//!
//! On PostgreSQL alone: a SQLite file counts no connections.

use std::time::Duration;

use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection};
use support::{
    stage::{step, template},
    world::{World, eventually, worlds},
};
use tasker_runtime::api::Submission;

async fn servers() -> Vec<World> {
    worlds().await.into_iter().filter(|world| !world.database.is_sqlite()).collect()
}

/// Changes something about the database, over a connection that is there whatever it allows from then on.
async fn alter(connection: &mut PgConnection, change: &str) {
    let name: String =
        sqlx::query_scalar("select current_database()").fetch_one(&mut *connection).await.unwrap();
    connection.execute(AssertSqlSafe(format!("alter database {name} {change}"))).await.unwrap();
}

#[tokio::test]
async fn worker_starts_with_what_it_needs_or_says_how_much_that_is() {
    let template = template("plain", [step("a", &[])]);
    for world in servers().await {
        // The tables, and a connection for the limits.
        world.connect(&template).await.stop().await.unwrap();
        let mut own = PgConnection::connect(&world.database.url).await.unwrap();
        let mut refused = 0;
        for allowed in 3..20 {
            alter(&mut own, &format!("connection limit {allowed}")).await;
            match world.builder(&[("worker.wake", "polling_only")]).template(template.clone()).start().await {
                Ok(tasker) => {
                    let task = tasker.submit(Submission::to("test/plain")).await.unwrap();
                    // Who looks may come to the limit, where the worker needs its connections itself.
                    let look = || async {
                        let report = tasker.show(task).await.ok().flatten();
                        report.filter(|report| report.finished_at.is_some())
                    };
                    support::world::eventually("the task to be over", look).await;
                    tasker.stop().await.unwrap();
                    break;
                }
                Err(error) => {
                    refused += 1;
                    let said = error.to_string();
                    let counts =
                        said.contains("needs 5 connections") && said.contains("too many connections");
                    assert!(counts, "with {allowed}: {said}");
                }
            }
            // What was opened is closed some time after it was told to.
            loop {
                let open = "select count(*) from pg_stat_activity where datname = current_database()";
                let open: i64 = sqlx::query_scalar(open).fetch_one(&mut own).await.unwrap();
                if open == 1 {
                    break;
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        }
        assert!(refused >= 2, "refused {refused} times");
        alter(&mut own, "connection limit -1").await;
    }
}

#[tokio::test]
async fn nothing_more_is_claimed_while_what_is_held_cannot_be_recorded() {
    let template = template("plain", [step("a", &[])]);
    for world in servers().await {
        let mut own = PgConnection::connect(&world.database.url).await.unwrap();
        alter(&mut own, "set lock_timeout = '30ms'").await;
        let office = world.connect(&template).await;
        let gate = world.stage.gate("a");
        let tasker = world.builder(&[("worker.wake", "polling_only")]).template(template.clone());
        let tasker = tasker.start().await.unwrap();
        tasker.submit(Submission::to("test/plain")).await.unwrap();
        world.stage.wait_for("a", 1).await;
        own.execute("begin; lock table tasker.steps in exclusive mode").await.unwrap();
        gate.add_permits(1);
        // Its result is refused again and again by now.
        tokio::time::sleep(Duration::from_millis(300)).await;
        office.submit(Submission::to("test/plain")).await.unwrap();
        for _ in 0..20 {
            world.clock.advance(Duration::from_secs(1));
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let held = "select count(*) from tasker.runs where owner is not null";
        assert_eq!(world.count(held).await, 1, "the second one is for others");
        assert_eq!(world.stage.called(), ["a 1"]);
        own.execute("rollback").await.unwrap();
        gate.add_permits(1);
        let both = || async {
            world.clock.advance(Duration::from_millis(250));
            (world.count("select count(*) from tasker.steps").await == 2).then_some(())
        };
        eventually("both results", both).await;
        tasker.stop().await.unwrap();
    }
}
