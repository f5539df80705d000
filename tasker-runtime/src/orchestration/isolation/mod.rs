//! What two processes do to one task at once comes out as if one had gone after the other.
//!
//! Each pair runs in both orders: the first in a transaction that is still open when the second begins, and
//! commits while the second waits or has looked already. Wherever the first goes, the second either waits
//! for it, or finds what it left, or is refused. SQLite has one writer, so there the second comes after.

#[cfg(all(feature = "sqlite", feature = "postgres"))]
mod late;
#[cfg(all(feature = "sqlite", feature = "postgres"))]
mod passing;
mod scene;
#[cfg(all(feature = "sqlite", feature = "postgres"))]
mod told;

use support::databases;

use self::scene::{
    LEASE, Scene, T0, asking, begin, cancelling, end, ending, ends, failure, over, overlapping, recording,
    result, taking_over, untouched,
};
use super::{
    claim,
    commands::{self, Delivery, Refused},
    journal, recover,
};
use crate::model::{Batch, Command, CommandError, TaskState};

#[tokio::test]
async fn of_two_claims_one_takes_the_task() {
    for database in databases().await {
        let scene = Scene::open(database).await;
        let mut first = begin(&scene).await;
        let taken = claim::claim(&mut first, scene.one, "test", T0, 10).await.unwrap();
        let second = overlapping(&scene, first, scene.claim(scene.two)).await;
        assert_eq!((taken.len(), second.len()), (1, 0), "{}", scene.database);
    }
}

#[tokio::test]
async fn cancel_during_a_claim_goes_to_the_new_holder() {
    for database in databases().await {
        let scene = Scene::open(database).await;
        let mut first = begin(&scene).await;
        claim::claim(&mut first, scene.one, "test", T0, 10).await.unwrap();
        let asked = overlapping(&scene, first, scene.ask(&Command::Cancel)).await.unwrap();
        assert_eq!(asked, Some(Delivery::LeftToHolder(None)), "{}", scene.database);
        let mut connection = scene.store.writer().await.unwrap();
        let waiting = commands::stored(&mut connection, scene.one.0).await.unwrap();
        assert!(waiting.len() == 1 && waiting[0].held, "{}: {waiting:?}", scene.database);
    }
}

#[tokio::test]
async fn claim_during_a_cancel_takes_nothing() {
    for database in databases().await {
        let scene = Scene::open(database).await;
        let first = cancelling(&scene).await;
        assert_eq!(overlapping(&scene, first, scene.claim(scene.one)).await.len(), 0, "{}", scene.database);
        assert_eq!(scene.claim(scene.one).await.len(), 0, "{}", scene.database);
        assert_eq!(scene.state().await, TaskState::Cancelled, "{}", scene.database);
    }
}

#[tokio::test]
async fn claim_during_a_takeover_waits_for_its_turn_and_counts_the_death() {
    for database in databases().await {
        let (scene, _) = Scene::held(database).await;
        let first = taking_over(&scene).await;
        let mut claimed = overlapping(&scene, first, scene.claim_later(scene.two)).await;
        claimed.extend(scene.claim_later(scene.two).await);
        assert_eq!(claimed.len(), 1, "{}", scene.database);
        assert_eq!((claimed[0].takeovers, claimed[0].lease.epoch), (1, 2), "{}", scene.database);
    }
}

#[tokio::test]
async fn worker_that_was_given_up_claims_nothing() {
    for database in databases().await {
        let (scene, _) = Scene::held(database).await;
        scene.take_over().await;
        assert_eq!(scene.claim_later(scene.one).await.len(), 0, "{}", scene.database);
        assert_eq!(scene.claim_later(scene.two).await.len(), 1, "{}", scene.database);
    }
}

#[tokio::test]
async fn takeover_during_a_renewal_leaves_the_worker_alone() {
    for database in databases().await {
        let (scene, _) = Scene::held(database).await;
        let mut first = begin(&scene).await;
        assert!(recover::heartbeat(&mut first, scene.one, T0 + LEASE, LEASE, None).await.unwrap());
        assert_eq!(overlapping(&scene, first, scene.take_over()).await, 0, "{}", scene.database);
        assert!(scene.is_held().await, "{}", scene.database);
    }
}

#[tokio::test]
async fn renewal_during_a_takeover_is_refused() {
    for database in databases().await {
        let (scene, _) = Scene::held(database).await;
        let first = taking_over(&scene).await;
        assert!(!overlapping(&scene, first, scene.heartbeat(scene.one)).await, "{}", scene.database);
        assert!(!scene.is_held().await, "{}", scene.database);
    }
}

#[tokio::test]
async fn renewal_and_record_do_not_wait_for_each_other() {
    for database in databases().await {
        let (scene, lease) = Scene::held(database).await;
        let mut first = begin(&scene).await;
        recover::heartbeat(&mut first, scene.one, T0, LEASE, None).await.unwrap();
        let batch = result(lease, "1");
        let exceptions = overlapping(&scene, first, scene.record(scene.one, &batch)).await;
        assert!(untouched(&exceptions, lease), "{}", scene.database);
        assert_eq!(scene.journal().await, ["1"], "{}", scene.database);
    }
    for database in databases().await {
        let (scene, lease) = Scene::held(database).await;
        let first = recording(&scene, lease, "1").await;
        assert!(overlapping(&scene, first, scene.heartbeat(scene.one)).await, "{}", scene.database);
        assert_eq!(scene.journal().await, ["1"], "{}", scene.database);
    }
}

#[tokio::test]
async fn result_recorded_before_a_takeover_is_in_the_journal_of_the_next_holder() {
    for database in databases().await {
        let (scene, lease) = Scene::held(database).await;
        let first = recording(&scene, lease, "1").await;
        let during = overlapping(&scene, first, scene.take_over()).await;
        assert_eq!(during + scene.take_over().await, 1, "{}", scene.database);
        let claimed = scene.claim_later(scene.two).await;
        assert_eq!(claimed[0].history.entries.len(), 1, "{}", scene.database);
    }
}

#[tokio::test]
async fn result_that_lands_during_a_takeover_is_kept_once_and_ends_nothing() {
    for database in databases().await {
        let (scene, lease) = Scene::held(database).await;
        let first = taking_over(&scene).await;
        let mut batch = result(lease, "1");
        batch.ends.push(end(lease, TaskState::Complete));
        let exceptions = overlapping(&scene, first, scene.record(scene.one, &batch)).await;
        assert!(exceptions.lost.contains(&lease.task), "{}: {exceptions:?}", scene.database);
        assert_eq!(scene.state().await, TaskState::Pending, "{}", scene.database);
        let claimed = scene.claim_later(scene.two).await;
        let entries = claimed[0].history.entries.len();
        assert_eq!(
            entries,
            scene.journal().await.len(),
            "{}: the next holder sees all there is",
            scene.database
        );
    }
}

#[tokio::test]
async fn result_that_commits_late_is_known_to_the_next_holder_and_stays() {
    for database in databases().await {
        let (scene, lease) = Scene::held(database).await;
        let first = recording(&scene, lease, "1").await;
        overlapping(&scene, first, scene.take_over()).await;
        scene.take_over().await;
        let claimed = scene.claim_later(scene.two).await;
        assert_eq!(claimed[0].history.entries.len(), 1, "{}", scene.database);
        let exceptions = scene.record(scene.two, &result(claimed[0].lease, "2")).await;
        assert!(exceptions.stale.contains(&lease.task), "{}: {exceptions:?}", scene.database);
        assert_eq!(scene.journal().await, ["1"], "{}", scene.database);
    }
}

#[tokio::test]
async fn late_outcomes_of_a_former_holder_are_refused_before_and_after_those_of_the_next() {
    for late_first in [true, false] {
        for database in databases().await {
            let (scene, lease) = Scene::held(database).await;
            scene.take_over().await;
            let next = scene.claim_later(scene.two).await[0].lease;
            if !late_first {
                assert!(untouched(&scene.record(scene.two, &result(next, "2")).await, next));
            }
            for late in [result(lease, "1"), failure(lease), ends(lease, TaskState::Complete)] {
                let exceptions = scene.record(scene.one, &late).await;
                assert!(!untouched(&exceptions, lease), "{}: {late:?}", scene.database);
            }
            if late_first {
                assert!(untouched(&scene.record(scene.two, &result(next, "2")).await, next));
            }
            assert_eq!(scene.journal().await, ["2"], "{}", scene.database);
            let mut connection = scene.store.writer().await.unwrap();
            let histories = journal::read(&mut connection, &[lease.task]).await.unwrap();
            assert!(histories[&lease.task].failures.is_empty(), "{}", scene.database);
        }
    }
}

#[tokio::test]
async fn end_before_a_takeover_is_the_end() {
    for database in databases().await {
        let (scene, lease) = Scene::held(database).await;
        let first = ending(&scene, lease, TaskState::Complete).await;
        assert_eq!(overlapping(&scene, first, scene.take_over()).await, 0, "{}", scene.database);
        assert_eq!(scene.state().await, TaskState::Complete, "{}", scene.database);
        assert_eq!(scene.claim_later(scene.two).await.len(), 0, "{}", scene.database);
    }
}

#[tokio::test]
async fn cancel_during_the_end_finds_the_task_over() {
    for database in databases().await {
        let (scene, lease) = Scene::held(database).await;
        let first = ending(&scene, lease, TaskState::Complete).await;
        let refused = overlapping(&scene, first, scene.ask(&Command::Cancel)).await;
        assert!(over(refused, TaskState::Complete), "{}", scene.database);
    }
}

#[tokio::test]
async fn cancel_while_the_task_is_given_back_is_followed_at_once() {
    for database in databases().await {
        let (scene, lease) = Scene::held(database).await;
        let first = ending(&scene, lease, TaskState::Pending).await;
        let asked = overlapping(&scene, first, scene.ask(&Command::Cancel)).await.unwrap();
        assert_eq!(asked, Some(Delivery::Done(TaskState::Cancelled)), "{}", scene.database);
        assert_eq!(scene.state().await, TaskState::Cancelled, "{}", scene.database);
    }
}

#[tokio::test]
async fn command_asked_just_before_the_task_was_given_back_is_there_for_anybody() {
    for database in databases().await {
        let (scene, lease) = Scene::held(database).await;
        let first = asking(&scene).await;
        let back = ends(lease, TaskState::Pending);
        overlapping(&scene, first, scene.record(scene.one, &back)).await;
        assert!(!scene.is_held().await, "{}", scene.database);
        let mut connection = scene.store.writer().await.unwrap();
        let waiting = commands::stored(&mut connection, scene.two.0).await.unwrap();
        assert!(waiting.len() == 1 && !waiting[0].held, "{}: {waiting:?}", scene.database);
    }
}

#[tokio::test]
async fn takeover_of_what_is_given_back_meanwhile_counts_no_death() {
    for database in databases().await {
        let (scene, lease) = Scene::held(database).await;
        let first = ending(&scene, lease, TaskState::Pending).await;
        assert_eq!(overlapping(&scene, first, scene.take_over()).await, 0, "{}", scene.database);
        assert_eq!(scene.claim_later(scene.two).await[0].takeovers, 0, "{}", scene.database);
    }
}

#[tokio::test]
async fn give_back_during_a_takeover_changes_nothing() {
    for database in databases().await {
        let (scene, lease) = Scene::held(database).await;
        let first = taking_over(&scene).await;
        let parked = ends(lease, TaskState::BlockedByFailures);
        let exceptions = overlapping(&scene, first, scene.record(scene.one, &parked)).await;
        assert!(!untouched(&exceptions, lease), "{}", scene.database);
        assert_eq!(scene.state().await, TaskState::Pending, "{}", scene.database);
    }
}

#[tokio::test]
async fn claim_takes_what_is_given_back_once_that_is_durable() {
    for database in databases().await {
        let (scene, lease) = Scene::held(database).await;
        let first = ending(&scene, lease, TaskState::Pending).await;
        let during = overlapping(&scene, first, scene.claim(scene.two)).await.len();
        let after = scene.claim(scene.two).await.len();
        assert_eq!(during + after, 1, "{}", scene.database);
    }
}

#[tokio::test]
async fn result_after_the_task_was_given_back_is_refused() {
    for database in databases().await {
        let (scene, lease) = Scene::held(database).await;
        assert!(scene.record(scene.one, &ends(lease, TaskState::Pending)).await.stale.is_empty());
        let exceptions = scene.record(scene.one, &result(lease, "1")).await;
        assert!(exceptions.lost.contains(&lease.task), "{}", scene.database);
        assert!(scene.journal().await.is_empty(), "{}", scene.database);
    }
}

#[tokio::test]
async fn cancel_during_a_takeover_is_followed_at_once() {
    for database in databases().await {
        let (scene, lease) = Scene::held(database).await;
        let first = taking_over(&scene).await;
        let asked = overlapping(&scene, first, scene.ask(&Command::Cancel)).await.unwrap();
        assert_eq!(asked, Some(Delivery::Done(TaskState::Cancelled)), "{}", scene.database);
        let exceptions = scene.record(scene.one, &result(lease, "1")).await;
        assert!(exceptions.lost.contains(&lease.task), "{}", scene.database);
    }
}

#[tokio::test]
async fn takeover_after_a_command_leaves_the_command() {
    for database in databases().await {
        let (scene, _) = Scene::held(database).await;
        let first = asking(&scene).await;
        assert_eq!(overlapping(&scene, first, scene.take_over()).await, 1, "{}", scene.database);
        let mut connection = scene.store.writer().await.unwrap();
        let waiting = commands::stored(&mut connection, scene.two.0).await.unwrap();
        assert_eq!(waiting.len(), 1, "{}", scene.database);
    }
}

#[tokio::test]
async fn command_that_was_taken_back_is_followed_by_nobody_who_has_read_it() {
    for database in databases().await {
        let (scene, lease) = Scene::held(database).await;
        assert_eq!(
            scene.ask(&Command::Pause).await.unwrap(),
            Some(Delivery::LeftToHolder(None)),
            "{}",
            scene.database
        );
        let mut connection = scene.store.writer().await.unwrap();
        let read = commands::stored(&mut connection, scene.two.0).await.unwrap();
        drop(connection);
        assert_eq!(read.len(), 0, "{}: it is for the holder", scene.database);
        assert!(scene.record(scene.one, &ends(lease, TaskState::Pending)).await.stale.is_empty());
        let mut connection = scene.store.writer().await.unwrap();
        let read = commands::stored(&mut connection, scene.two.0).await.unwrap().remove(0);
        drop(connection);
        let resumed = scene.ask(&Command::Resume).await.unwrap();
        assert_eq!(resumed, Some(Delivery::Done(TaskState::Pending)), "{}", scene.database);
        assert_eq!(scene.follow_left(&read).await.unwrap(), None, "{}", scene.database);
        assert_eq!(scene.state().await, TaskState::Pending, "{}", scene.database);
    }
}

#[tokio::test]
async fn of_two_operators_the_second_meets_what_the_first_did() {
    for database in databases().await {
        let scene = Scene::open(database).await;
        let first = cancelling(&scene).await;
        let refused = overlapping(&scene, first, scene.ask(&Command::Cancel)).await;
        assert!(over(refused, TaskState::Cancelled), "{}", scene.database);
        let retry = Command::Retry { steps: Vec::new() };
        assert!(over(scene.ask(&retry).await, TaskState::Cancelled), "{}", scene.database);
    }
}

#[tokio::test]
async fn retry_and_claim_and_cancel_come_one_after_the_other() {
    for database in databases().await {
        let (scene, lease) = Scene::held(database).await;
        assert!(untouched(&scene.record(scene.one, &failure(lease)).await, lease), "{}", scene.database);
        assert_eq!(scene.claim(scene.two).await.len(), 0, "{}: it waits for an operator", scene.database);
        let retry = Command::Retry { steps: Vec::new() };
        let (one, two) = tokio::join!(scene.ask(&retry), scene.ask(&retry));
        let done =
            [&one, &two].into_iter().filter(|asked| matches!(asked, Ok(Some(Delivery::Done(_))))).count();
        let nothing =
            |asked: &&Result<_, Refused>| matches!(asked, Err(Refused::Command(CommandError::NothingFailed)));
        let refused = [&one, &two].into_iter().filter(nothing).count();
        assert_eq!((done, refused), (1, 1), "{}: {one:?} {two:?}", scene.database);
        let claimed = scene.claim(scene.two).await;
        assert!(claimed.len() == 1 && claimed[0].history.failures[0].reopened, "{}", scene.database);
        assert!(
            matches!(scene.ask(&Command::Cancel).await, Ok(Some(Delivery::LeftToHolder(None)))),
            "{}",
            scene.database
        );
    }
}

#[tokio::test]
async fn offer_that_is_written_again_after_it_came_back_is_not_made_again() {
    for database in databases().await {
        let (scene, lease) = Scene::held(database).await;
        scene.offer(lease, 1).await;
        assert_eq!(scene.offered().await, 1, "{}", scene.database);
        scene.end_offers(lease).await;
        assert!(untouched(&scene.record(scene.one, &result(lease, "1")).await, lease), "{}", scene.database);
        scene.offer(lease, 1).await;
        assert_eq!(scene.offered().await, 0, "{}", scene.database);
    }
}

#[tokio::test]
async fn attempt_that_failed_is_not_offered_again_and_the_next_one_is() {
    for database in databases().await {
        let (scene, lease) = Scene::held(database).await;
        let failed = Batch { ends: Vec::new(), ..failure(lease) };
        assert!(untouched(&scene.record(scene.one, &failed).await, lease), "{}", scene.database);
        scene.offer(lease, 1).await;
        assert_eq!(scene.offered().await, 0, "{}", scene.database);
        scene.offer(lease, 2).await;
        assert_eq!(scene.offered().await, 1, "{}", scene.database);
    }
}

#[tokio::test]
async fn lease_that_a_worker_was_not_given_is_given_to_nobody_else() {
    for database in databases().await {
        let scene = Scene::open(database).await;
        scene.claim(scene.two).await;
        scene.take_over().await;
        // Worker one, which was given up, believes that it holds this task under lease 1.
        let task = scene.submit_held_by(scene.one).await;
        let claimed = scene.claim(scene.two).await;
        let lease = claimed.iter().find(|claimed| claimed.lease.task == task).unwrap().lease;
        assert_eq!(lease.epoch, 2, "{}", scene.database);
    }
}

#[tokio::test]
async fn claim_says_whether_the_task_is_being_rolled_back() {
    for (state, phase) in [
        (TaskState::Compensating, TaskState::Compensating),
        (TaskState::Waiting, TaskState::Pending),
        (TaskState::Pending, TaskState::Pending),
    ] {
        for database in databases().await {
            let (scene, lease) = Scene::held(database).await;
            let mut back = ends(lease, state);
            back.ends[0].run_at = Some(T0);
            scene.record(scene.one, &back).await;
            assert_eq!(scene.claim(scene.two).await[0].phase, phase, "{}: {state}", scene.database);
        }
    }
}

#[tokio::test]
async fn task_that_ends_while_nobody_holds_it_is_offered_no_more() {
    for database in databases().await {
        let (scene, lease) = Scene::held(database).await;
        scene.offer(lease, 1).await;
        scene.take_over().await;
        assert_eq!(scene.offered().await, 1, "{}: its taker may still bring a result", scene.database);
        scene.ask(&Command::Cancel).await.unwrap();
        assert_eq!(scene.offered().await, 0, "{}", scene.database);
    }
}
