//! What a worker sent before it was given up is durable before anybody else has its tasks, or is not written at
//! all: a statement that has looked and not yet written keeps its worker from being given up.
//!
//! On PostgreSQL alone: each statement is kept waiting, after it looked, by a row that another connection has
//! written and not committed. A SQLite file has one writer, who looks and writes at once.

use sqlx::{AssertSqlSafe, Executor, PgConnection};
use support::{databases, fresh_postgres};

use super::{
    super::{
        append, record,
        share::{self, Wanted},
    },
    passing::{beside, lend, outcome},
    scene::{Scene, T0, begin, failure, overlapping, result, somebody_waits, untouched},
};
use crate::{
    model::{Fact, Json, Lease, StepIndex, Target},
    store::{sql, values},
};

/// A row that is written and not committed, which keeps waiting whoever writes the same.
async fn in_the_way(scene: &Scene, row: &str) -> PgConnection {
    let mut other = beside(&scene.database).await;
    other.execute(AssertSqlSafe(format!("begin; insert into tasker.{row}"))).await.unwrap();
    other
}

/// Has `write` looked and kept waiting by `row` while the worker's lease runs out and worker two does what it would
/// do with its task; then it goes on. How many tasks were taken over meanwhile.
async fn taken_over_during<T>(scene: &Scene, row: &str, write: impl Future<Output = T>) -> (T, u64) {
    let mut other = in_the_way(scene, row).await;
    let meanwhile = async {
        somebody_waits(scene).await;
        let freed = scene.take_over().await;
        for claimed in scene.claim_later(scene.two).await {
            assert!(untouched(&scene.record(scene.two, &failure(claimed.lease)).await, claimed.lease));
        }
        other.execute("rollback").await.unwrap();
        freed
    };
    tokio::join!(write, meanwhile)
}

#[tokio::test]
async fn success_is_not_recorded_beside_the_failure_of_the_next_holder() {
    let (scene, lease) = Scene::held(fresh_postgres().await).await;
    let row = format!(
        "steps (task_id, started_at, finished_at, worker, step, attempt, result) values ({}, 1, 1, 9, 0, 1, '0')",
        lease.task.0
    );
    let batch = result(lease, "1");
    let (exceptions, freed) = taken_over_during(&scene, &row, scene.record(scene.one, &batch)).await;
    assert_eq!((freed, scene.failures().await), (0, 0), "what it had sent came first");
    assert!(untouched(&exceptions, lease), "{exceptions:?}");
    assert_eq!(scene.take_over().await, 1);
    let claimed = scene.claim_later(scene.two).await;
    assert_eq!(claimed[0].history.entries.len(), 1, "the next holder knows of it");
}

#[tokio::test]
async fn failure_is_not_recorded_beside_the_success_of_the_next_holder() {
    let (scene, lease) = Scene::held(fresh_postgres().await).await;
    let row = format!(
        "attempts (task_id, started_at, failed_at, worker, step, attempt, error) values ({}, 1, 1, 9, 0, 1, '0')",
        lease.task.0
    );
    let batch = record::Batch { ends: Vec::new(), ..failure(lease) };
    let (exceptions, freed) = taken_over_during(&scene, &row, scene.record(scene.one, &batch)).await;
    assert_eq!((freed, scene.failures().await), (0, 1));
    assert!(untouched(&exceptions, lease), "{exceptions:?}");
    assert_eq!(scene.take_over().await, 1);
    assert_eq!(scene.claim_later(scene.two).await[0].history.failures.len(), 1);
}

#[tokio::test]
async fn offer_of_a_former_holder_is_in_nobodys_way() {
    let (scene, lease) = Scene::held(fresh_postgres().await).await;
    let row = format!(
        "offers (task_id, step, attempt, lease, owner, offered_at, handler, queue) \
         values ({}, 0, 1, 1, 9, 1, 'h', '')",
        lease.task.0
    );
    let ((), freed) = taken_over_during(&scene, &row, scene.offer(lease, 1)).await;
    assert_eq!((freed, scene.offered().await), (0, 1));
    assert_eq!(scene.take_over().await, 1);
    scene.claim_later(scene.two).await;
    assert_eq!(scene.offered().await, 0, "it went with the claim");
}

#[tokio::test]
async fn task_is_not_set_aside_by_a_former_holder() {
    let (scene, lease) = Scene::held(fresh_postgres().await).await;
    let row = format!("dead_letters (task_id, created_at, reason) values ({}, 1, 'r')", lease.task.0);
    let mut session = scene.store.session();
    let leases = [lease];
    let set_aside = record::set_aside(&mut session, scene.one, &leases, T0, "because");
    let (written, freed) = taken_over_during(&scene, &row, set_aside).await;
    assert_eq!((written.is_ok(), freed), (true, 0));
}

#[tokio::test]
async fn command_that_is_followed_while_its_task_is_being_taken_over_waits_for_nobody() {
    let (scene, lease) = Scene::held(fresh_postgres().await).await;
    let mut holder = begin(&scene).await;
    holder.fetch(&sql::HOLD_RUN, values![lease.task.0, lease.epoch]).await.unwrap();
    let follow = async {
        // It has the row of the worker, and waits for that of the task.
        somebody_waits(&scene).await;
        let skipped = [Fact::Skipped(StepIndex::of(0))];
        append::decide(&mut holder, Some(scene.one), lease, &skipped, &super::scene::rules(), T0)
            .await
            .unwrap();
        holder.commit().await.unwrap();
    };
    let (freed, ()) = tokio::join!(scene.take_over(), follow);
    assert_eq!((freed, scene.journal().await), (1, vec!["null".to_owned()]));
}

/// Steps that [`Scene::offer`] offers are taken under this.
fn wanted() -> String {
    let target = Target { handler: "h".into(), namespace: None, queue: None };
    Wanted { target, compensation: false }.to_text()
}

async fn taken(scene: &Scene) -> usize {
    let mut connection = scene.store.writer().await.unwrap();
    share::take(&mut connection, scene.two, &wanted(), 10).await.unwrap().len()
}

/// The step came back while its offer was written again, because the answer to the first offer was lost.
async fn offered_again_while_it_comes_back(scene: &Scene, lease: Lease) {
    lend(scene, lease, &[0]).await;
    let mut first = begin(scene).await;
    let outcomes = [outcome(scene, lease, 0, Ok(Json::from_text("1").unwrap()))];
    assert_eq!(share::give_back(&mut first, scene.two, &outcomes).await.unwrap(), [true]);
    overlapping(scene, first, scene.offer(lease, 1)).await;
    assert_eq!(scene.journal().await, ["1"], "{}", scene.database);
}

#[tokio::test]
async fn step_that_is_offered_again_while_it_comes_back_is_run_by_nobody() {
    for database in databases().await {
        let (scene, lease) = Scene::held(database).await;
        offered_again_while_it_comes_back(&scene, lease).await;
        assert_eq!((taken(&scene).await, scene.offered().await), (0, 0), "{}", scene.database);
    }
}

#[tokio::test]
async fn offer_of_what_came_back_goes_although_nobody_takes_it() {
    for database in databases().await {
        let (scene, lease) = Scene::held(database).await;
        offered_again_while_it_comes_back(&scene, lease).await;
        // One that is really out stays.
        scene.offer_step(lease, 1, 1).await;
        let mut connection = scene.store.writer().await.unwrap();
        share::drop_returned(&mut connection, scene.one).await.unwrap();
        drop(connection);
        assert_eq!(scene.offered().await, 1, "{}", scene.database);
    }
}

#[tokio::test]
async fn step_that_takers_die_over_is_left_to_its_holder() {
    for database in databases().await {
        let (scene, lease) = Scene::held(database).await;
        scene.offer(lease, 1).await;
        for death in 1..=5 {
            let worker = scene.register().await;
            let mut connection = scene.store.writer().await.unwrap();
            let taken = share::take(&mut connection, worker, &wanted(), 10).await.unwrap();
            assert_eq!(taken.len(), 1, "{}: before death {death}", scene.database);
            drop(connection);
            assert!(scene.lent().await.deadly.is_empty(), "{}: {death}", scene.database);
            scene.give_up(worker).await;
        }
        assert_eq!(taken(&scene).await, 0, "{}", scene.database);
        let deadly = scene.lent().await.deadly;
        assert_eq!(deadly.len(), 1, "{}: {deadly:?}", scene.database);
    }
}

#[tokio::test]
async fn process_that_stopped_or_was_only_slow_counts_as_no_death() {
    for database in databases().await {
        let (scene, lease) = Scene::held(database).await;
        scene.offer(lease, 1).await;
        assert_eq!(taken(&scene).await, 1, "{}", scene.database);
        scene.stop(scene.two).await;
        assert_eq!(scene.deaths().await, ["0", "0"], "{}: it stopped", scene.database);
        let third = scene.register().await;
        let mut connection = scene.store.writer().await.unwrap();
        let loans = share::take(&mut connection, third, &wanted(), 10).await.unwrap();
        drop(connection);
        scene.give_up(third).await;
        scene.take_over().await;
        assert_eq!(scene.deaths().await, ["1", "1"], "{}", scene.database);
        // Both live.
        let mut connection = scene.store.writer().await.unwrap();
        share::note_not_dead(&mut connection, &[loans[0].attempt]).await.unwrap();
        drop(connection);
        record::note_not_dead(&mut scene.store.session(), &[lease]).await.unwrap();
        assert_eq!(scene.deaths().await, ["0", "0"], "{}", scene.database);
        record::note_not_dead(&mut scene.store.session(), &[lease]).await.unwrap();
        assert_eq!(scene.deaths().await, ["0", "0"], "{}: no further than that", scene.database);
    }
}
