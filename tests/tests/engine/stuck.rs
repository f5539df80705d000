//! A process that cannot move its tasks on renews its leases no longer, so that others can.

use std::time::Duration;

use serde_json::json;
use sqlx::{Connection, PgConnection};
use support::{
    stage::{step, template},
    world::{eventually, settled, worlds},
};
use tasker_runtime::api::Submission;

/// On PostgreSQL alone: a SQLite file has one writer, so what keeps results from being written there keeps leases
/// from being renewed as well.
#[tokio::test]
async fn lease_is_not_renewed_while_results_cannot_be_written() {
    let template = template("stuck", [step("a", &[])]);
    for world in worlds().await.into_iter().filter(|world| !world.database.is_sqlite()) {
        let gate = world.stage.gate("a");
        let builder = world.builder(&[("worker.lease_seconds", "2")]).template(template.clone());
        let tasker = builder.start().await.unwrap();
        let task = tasker.submit(Submission::to("test/stuck")).await.unwrap();
        world.stage.wait_for("a", 1).await;
        let mut other = PgConnection::connect(&world.database.url).await.unwrap();
        let mut lock = other.begin().await.unwrap();
        sqlx::raw_sql("lock table tasker.steps in exclusive mode").execute(&mut *lock).await.unwrap();
        gate.add_permits(1);
        let ran_out = || async {
            world.clock.advance(Duration::from_millis(500));
            let now = world.clock.now().as_micros();
            let sql =
                format!("select count(*) from tasker.workers where id = 1 and expires_at < {now} - 2000000");
            (world.count(&sql).await == 1).then_some(())
        };
        eventually("the lease to run out", ran_out).await;
        lock.rollback().await.unwrap();
        let report = settled(&tasker, task).await;
        assert_eq!(report.result, json!("a"));
        assert_eq!(world.stage.called(), ["a 1"], "nobody else was there to take it over");
        tasker.stop().await.unwrap();
    }
}
