//! Events of transactions that stand open while others go on: none is lost to a reader, and no number of a task is
//! given twice.
//!
//! On PostgreSQL alone: a SQLite file has one writer.

use std::sync::Arc;

use sqlx::{Connection as _, Executor};
use support::fresh_postgres;

use super::{
    super::{append, events, record, share},
    passing::{beside, lend, outcome},
    scene::{Scene, begin, result, somebody_waits},
};
use crate::{
    model::{EventOutcome, Json, Lease, Publication, Published},
    store::{Connection, sql, values},
    template::{DeliveryMode, EventCondition},
};

/// One event of this name, after success.
fn published(name: &str) -> Option<Box<Published>> {
    let (condition, mode) = (EventCondition::Success, DeliveryMode::Durable);
    let publication = Publication { name: name.into(), condition, mode, check: None };
    Published::after_result(&Arc::from([publication]), EventOutcome::Success, &Json::stored("1"), &[])
}

/// A result with an event of this name.
fn told(lease: Lease, name: &str) -> record::Batch {
    let mut batch = result(lease, "1");
    batch.done[0].published = published(name);
    batch
}

/// The names of the events of the task with their numbers, in the order of the log up to the horizon.
async fn names(scene: &Scene, horizon: &mut events::Horizon) -> Vec<String> {
    let mut connection = scene.store.reader().await.unwrap();
    let until = horizon.look(&mut connection).await.unwrap();
    let page = events::page(&mut connection, 0, until, 100).await.unwrap();
    page.iter().map(|event| format!("{} {}", event.sequence, event.name)).collect()
}

async fn append_open(connection: &mut Connection, scene: &Scene, batch: &record::Batch) {
    let entries: Vec<append::Entry> = batch.done.iter().map(append::Entry::from).collect();
    append::append(connection, append::Right::of(scene.one), &entries).await.unwrap();
}

#[tokio::test]
async fn reader_waits_for_writers_and_for_no_other_transaction() {
    let (scene, lease) = Scene::held(fresh_postgres().await).await;
    // Somebody else writes all the while.
    let mut foreign = beside(&scene.database).await;
    foreign
        .execute("begin; create table foreign_table (id int); insert into foreign_table values (1)")
        .await
        .unwrap();
    let mut horizon = events::Horizon::default();
    assert!(names(&scene, &mut horizon).await.is_empty());

    // The first has its position, and stands open.
    let mut first = begin(&scene).await;
    append_open(&mut first, &scene, &told(lease, "a.first")).await;
    // Another task's event gets a later position, and is committed.
    let other = Lease { task: scene.submit_held_by(scene.two).await, epoch: 1 };
    assert!(scene.record(scene.two, &told(other, "b.second")).await.lost.is_empty());
    assert!(names(&scene, &mut horizon).await.is_empty(), "the second is not to be seen before the first");
    assert!(horizon.is_waiting());
    first.commit().await.unwrap();
    assert_eq!(names(&scene, &mut horizon).await, ["1 a.first", "1 b.second"]);
    assert!(!horizon.is_waiting(), "nobody waits for the foreign transaction");
    foreign.close().await.unwrap();
}

#[tokio::test]
async fn position_of_a_transaction_that_was_undone_is_waited_for_no_longer_than_it() {
    let (scene, lease) = Scene::held(fresh_postgres().await).await;
    let mut horizon = events::Horizon::default();
    let mut first = begin(&scene).await;
    append_open(&mut first, &scene, &told(lease, "a.first")).await;
    let other = Lease { task: scene.submit_held_by(scene.two).await, epoch: 1 };
    scene.record(scene.two, &told(other, "b.second")).await;
    assert!(names(&scene, &mut horizon).await.is_empty());
    first.roll_back().await;
    assert_eq!(names(&scene, &mut horizon).await, ["1 b.second"]);
    scene.record(scene.one, &told(lease, "a.first")).await;
    assert_eq!(names(&scene, &mut horizon).await, ["1 b.second", "1 a.first"]);
}

#[tokio::test]
async fn holder_and_taker_that_record_at_once_number_their_events_one_after_the_other() {
    let (scene, lease) = Scene::held(fresh_postgres().await).await;
    lend(&scene, lease, &[1]).await;
    let mut holder = begin(&scene).await;
    append_open(&mut holder, &scene, &told(lease, "a.held")).await;
    // The taker has looked, found no event, and waits for the number that the holder is about to commit.
    let lent =
        share::Outcome { published: published("a.lent"), ..outcome(&scene, lease, 1, Ok(Json::stored("2"))) };
    let taker = async {
        let mut connection = scene.store.writer().await.unwrap();
        share::give_back(&mut connection, scene.two, &[lent]).await.unwrap()
    };
    let commit = async {
        somebody_waits(&scene).await;
        holder.commit().await.unwrap();
    };
    let (written, ()) = tokio::join!(taker, commit);
    assert_eq!(written, [true]);
    assert_eq!(names(&scene, &mut events::Horizon::default()).await, ["1 a.held", "2 a.lent"]);
}

#[tokio::test]
async fn what_is_written_again_is_told_once() {
    for database in support::databases().await {
        let (scene, lease) = Scene::held(database).await;
        let batch = told(lease, "a.first");
        assert!(scene.record(scene.one, &batch).await.spare(lease.task));
        // The answer was lost: what is recorded stays, and its task is read again.
        let again = scene.record(scene.one, &batch).await;
        assert!(again.lost.is_empty() && again.stale.contains(&lease.task), "{}: {again:?}", scene.database);
        let mut connection = scene.store.reader().await.unwrap();
        let logged = connection.fetch(&sql::EVENTS, values![0, i64::MAX, 10]).await.unwrap();
        assert_eq!(logged.len(), 1, "{}", scene.database);
    }
}
