//! Decisions, batches and rollbacks.

use super::super::super::{
    ledger::{Loaded, Save},
    state::Kept,
};
use super::*;

fn fate(course: &Course, name: &str) -> Fate {
    course.nodes[course.find(name).unwrap()].fate
}

/// A task that takes the route to the left alone.
fn routed() -> Story {
    let only_left = |course: &Course| {
        ["route_left", "route_right", "route_again"].map(|name| fate(course, name))
            == [Fate::Done, Fate::Out, Fate::Out]
    };
    Story::of("decision", only_left)
}

/// A task with three batches. The first was begun by the process 8, which saved twice and was taken for dead,
/// and finished by the process 7.
fn batched() -> Story {
    let mut story =
        Story::of("batch", |course| course.find("batch_work_003").is_some() && course.nodes.len() == 7);
    let start = story.execution("batch_work_001").seen[0].unwrap();
    let saved = |cursor, asked| Save { cursor: start + cursor, asked, acknowledged: Some(asked + 1) };
    let after = story.execution("batch_plan").end.unwrap().0;
    story.state.workers.insert(2, Tenure { pid: 8, started_at: 0, stopped_at: Some(after + 5) });
    let begun = Execution {
        pid: 8,
        value: 900,
        start: after + 1,
        loaded: Some(Loaded { time: after + 1, from: None }),
        saves: vec![saved(4, after + 2)],
        end: None,
        ..story.execution("batch_work_001").clone()
    };
    let again = story.execution("batch_work_001");
    again.loaded = Some(Loaded { time: again.start + 1, from: Some((start + 4, 900)) });
    again.saves = vec![saved(8, again.start + 2)];
    let kept = Kept { cursor: start + 8, by: again.value };
    let code = story.code("batch_work_001");
    story.state.checkpoints.insert((1, code), kept);
    story.ledgers.push(begun);
    story
}

/// A task that is rolled back since its fifth step fails.
fn rolled_back() -> Story {
    Story::of("rollback", |course| fate(course, "order_ship") == Fate::Failed)
}

#[test]
fn what_went_well_breaks_no_rule_whatever_it_was() {
    for mut story in [routed(), batched(), rolled_back()] {
        assert_eq!(story.broken(), [], "{}", story.task().workflow);
    }
}

#[test]
fn route_that_was_not_chosen_or_not_taken_is_found() {
    let mut ran = routed();
    let other =
        Execution { step: "route_right".to_owned(), value: 900, ..ran.execution("route_left").clone() };
    ran.ledgers.push(other);
    assert_eq!(ran.broken(), [Rule::Route]);
    let mut recorded = routed();
    let code = recorded.code("route_right");
    let result = recorded.state.results[&(1, recorded.code("route_left"))].clone();
    recorded.state.results.insert((1, code), result);
    assert_eq!(recorded.broken(), [Rule::Result, Rule::Route]);
    let mut skipped = routed();
    let code = skipped.code("route_left");
    skipped.state.results.remove(&(1, code));
    assert!(skipped.broken().contains(&Rule::Result));
    let mut seen = routed();
    seen.execution("route_end").seen[1] = Some(7);
    assert_eq!(seen.broken(), [Rule::Mixed]);
}

#[test]
fn batch_that_is_missing_or_out_of_order_is_found() {
    let mut missing = batched();
    let code = missing.code("batch_work_002");
    missing.state.results.remove(&(1, code));
    assert!(missing.broken().contains(&Rule::Result));
    let mut swapped = batched();
    swapped.execution("batch_end").seen.swap(0, 1);
    assert_eq!(swapped.broken(), [Rule::Mixed]);
    let mut short = batched();
    short.execution("batch_end").seen.pop();
    assert_eq!(short.broken(), [Rule::Mixed]);
    let mut slice = batched();
    slice.execution("batch_work_002").seen[0] = Some(1);
    assert_eq!(slice.broken(), [Rule::Mixed]);
    let mut beyond = batched();
    let code = beyond.code("batch_work_003") + (1 << 14);
    let result = beyond.state.results[&(1, beyond.code("batch_work_003"))].clone();
    beyond.state.results.insert((1, code), result);
    assert_eq!(beyond.broken(), [Rule::Unknown]);
}

#[test]
fn attempt_that_starts_before_the_last_checkpoint_is_found() {
    let mut afresh = batched();
    afresh.execution("batch_work_001").loaded.as_mut().unwrap().from = None;
    assert_eq!(afresh.broken(), [Rule::Checkpoint]);
    let mut invented = batched();
    invented.execution("batch_work_001").loaded.as_mut().unwrap().from.as_mut().unwrap().1 = 901;
    assert_eq!(invented.broken(), [Rule::Checkpoint]);
}

#[test]
fn checkpoint_that_goes_back_or_is_lost_is_found() {
    let mut back = batched();
    back.execution("batch_work_001").saves[0].cursor -= 6;
    assert_eq!(back.broken(), [Rule::Checkpoint]);
    let mut lost = batched();
    lost.state.checkpoints.clear();
    assert_eq!(lost.broken(), [Rule::Checkpoint]);
    let mut invented = batched();
    let code = invented.code("batch_work_001");
    invented.state.checkpoints.get_mut(&(1, code)).unwrap().by = 77;
    assert_eq!(invented.broken(), [Rule::Checkpoint]);
}

#[test]
fn save_of_an_attempt_that_was_replaced_is_found() {
    // The process 8 goes on after the process 7 has saved, and then is heard.
    let replaced = |acknowledged: Option<i64>| {
        let mut story = batched();
        let asked = story.execution("batch_work_001").saves[0].asked + 3;
        let saver = story.ledgers.last_mut().unwrap();
        let cursor = saver.saves[0].cursor + 4;
        saver.saves.push(Save { cursor, asked, acknowledged: acknowledged.map(|after| asked + after) });
        story
    };
    assert_eq!(replaced(Some(1)).broken(), [Rule::Checkpoint]);
    assert_eq!(replaced(None).broken(), [], "it was refused");
    // Refused, and yet another attempt went on from there.
    let mut seen = replaced(None);
    let saver = seen.ledgers.last().unwrap();
    let from = Some((saver.saves[1].cursor, saver.value));
    let third = Execution {
        value: 901,
        start: saver.saves[1].asked + 1,
        loaded: Some(Loaded { time: saver.saves[1].asked + 2, from }),
        saves: Vec::new(),
        ..saver.clone()
    };
    seen.ledgers.push(third);
    assert_eq!(seen.broken(), [Rule::Checkpoint]);
}

#[test]
fn compensation_out_of_turn_or_too_early_is_found() {
    let mut turns = rolled_back();
    let first = turns.execution("undo:order_charge").start;
    turns.execution("undo:order_reserve").start = first - 1;
    assert_eq!(turns.broken(), [Rule::Compensation]);
    let mut early = rolled_back();
    early.execution("undo:order_notify").start = early.execution("order_ship").start;
    assert_eq!(early.broken(), [Rule::Compensation]);
    // Recorded as if the step that came first had been completed last.
    let mut order = rolled_back();
    let code = order.code("order_reserve");
    order.state.results.get_mut(&(1, code)).unwrap().finished_at = 800;
    assert_eq!(order.broken(), [Rule::Compensation]);
}

#[test]
fn compensation_that_is_missing_or_of_nothing_is_found() {
    let mut missing = rolled_back();
    let code = missing.code("undo:order_charge");
    missing.state.results.remove(&(1, code));
    assert!(missing.broken().contains(&Rule::Result));
    let mut seen = rolled_back();
    seen.execution("undo:order_charge").seen = vec![Some(1)];
    assert_eq!(seen.broken(), [Rule::Mixed]);
    // Of the step that failed.
    let mut nothing = rolled_back();
    let other = Execution {
        step: "undo:order_ship".to_owned(),
        value: 900,
        ..nothing.execution("undo:order_charge").clone()
    };
    nothing.ledgers.push(other);
    assert_eq!(nothing.broken(), [Rule::Compensation]);
    // Of a task that went well.
    let mut well = Story::of("rollback", |course| course.state == COMPLETE);
    let other = Execution {
        step: "undo:order_reserve".to_owned(),
        value: 900,
        ..well.execution("order_charge").clone()
    };
    well.ledgers.push(other);
    assert_eq!(well.broken(), [Rule::Compensation]);
}

#[test]
fn step_that_fails_for_good_fails_once_and_is_not_complete() {
    let mut again = rolled_back();
    let code = again.code("order_ship");
    again.state.failures.get_mut(&(1, code)).unwrap().push(Failure { attempt: 2, for_good: true });
    assert_eq!(again.broken(), [Rule::Attempts]);
    let mut forgotten = rolled_back();
    forgotten.state.failures.clear();
    assert_eq!(forgotten.broken(), [Rule::Attempts]);
    let mut state = rolled_back();
    state.task().state = COMPLETE;
    assert_eq!(state.broken(), [Rule::State]);
}

#[test]
fn retry_that_begins_before_its_time_is_found() {
    let mut story = Story::new();
    story.again(2, 150).attempt = 2;
    story.state.retries.insert((1, 2, 1), 150 + 40_000);
    assert_eq!(story.broken(), [Rule::Attempts], "clocks are read at different moments");
    story.state.retries.insert((1, 2, 1), 150 + 60_000);
    assert_eq!(story.broken(), [Rule::Attempts, Rule::Retry]);
}

#[test]
fn more_batches_at_once_than_may_are_found() {
    let four = |course: &Course| course.find("batch_work_004").is_some() && course.nodes.len() == 8;
    let mut story = Story::of("batch", four);
    let begun = story.execution("batch_work_001").start;
    let mut all_at = |count: usize| {
        for name in
            ["batch_work_001", "batch_work_002", "batch_work_003", "batch_work_004"].iter().take(count)
        {
            let execution = story.execution(name);
            (execution.start, execution.end) = (begun, Some((begun + TAKES, true)));
        }
        story.broken()
    };
    assert_eq!(all_at(3), []);
    assert_eq!(all_at(4), [Rule::Parallel]);
}
