//! What a task loop promises, each by name. Whole histories are simulated elsewhere (`tests/simulation`).

use std::{sync::Arc, time::Duration};

use tasker_template::{OnFailure, StepKind};

use super::*;
use crate::{
    Attempt, Command, Compensation, Fact, HandlerKey, Json, Progress, Retry, Rule, Rules, StepError,
    StepIndex, Target,
};

const T0: Timestamp = Timestamp::from_micros(1_000_000);
const LEASE: Lease = lease(1, 1);

const fn lease(task: i64, epoch: i64) -> Lease {
    Lease { task: TaskNo(task), epoch }
}

fn at(seconds: u64) -> Timestamp {
    T0 + Duration::from_secs(seconds)
}

/// A chain of two steps with one second before a second and last attempt. `here`: whether they run here.
fn routes(here: bool) -> Arc<Routes> {
    let rule = |name: &str, dependencies: &[u32], dependents: &[u32]| Rule {
        publishes: Arc::default(),
        compensation_publishes: Arc::default(),
        rounds: 0,
        name: name.into(),
        kind: StepKind::Standard,
        dependencies: dependencies.into(),
        dependents: dependents.into(),
        retry: Retry { max_attempts: 2, base: Duration::from_secs(1), ..Retry::default() },
        timeout: None,
        batch: None,
        compensation: None::<Compensation>,
        wait: None,
    };
    let rules =
        Rules { steps: vec![rule("a", &[], &[1]), rule("b", &[0], &[])], on_failure: OnFailure::Block };
    let target = Target { handler: HandlerKey::from("h"), namespace: None, queue: None };
    let route = Route { target: Arc::new(target), priority: 0, runs_here: here, compensates_here: here };
    Arc::new(Routes { rules: Arc::new(rules), steps: vec![route.clone(), route] })
}

fn claimed(lease: Lease, takeovers: u32, here: bool) -> Message<()> {
    let routes = routes(here);
    let progress = Progress::new(routes.rules.clone());
    Message::Claimed(Box::new(ClaimedTask {
        lease,
        id: Uuid::nil(),
        takeovers,
        routes,
        progress,
        has_parent: false,
        body: (),
    }))
}

fn attempt(lease: Lease, step: u32, number: u32) -> Attempt {
    Attempt { lease, step: StepIndex::of(step), number }
}

fn ended(attempt: Attempt, outcome: Result<&str, StepError>) -> Message<()> {
    let outcome = Some(outcome.map(Json::stored));
    Message::AttemptEnded(AttemptEnded {
        attempt,
        started_at: T0,
        finished_at: T0,
        outcome,
        said: Vec::new(),
    })
}

fn asked(command: Command) -> Message<()> {
    Message::Command(PendingCommand { id: 7, lease: LEASE, command, audit: None })
}

/// Folds `messages`, writes what is to be written, all of it, and goes on.
fn round(tasks: &mut TaskLoop<()>, messages: Vec<Message<()>>, now: Timestamp) -> (Batch, Next<()>) {
    messages.into_iter().for_each(|message| tasks.handle(message, now));
    for write in tasks.answers(now) {
        tasks.answered(write, Written::Yes, now);
    }
    let batch = tasks.round(now).batch;
    let next = tasks.recorded(batch.clone(), &Exceptions::default(), now);
    (batch, next)
}

fn started(next: &Next<()>) -> Vec<Attempt> {
    next.calls.iter().map(|call| call.attempt).collect()
}

fn failed() -> StepError {
    StepError::retryable("FAILED", "not now")
}

#[test]
fn step_starts_after_what_it_depends_on_is_durable() {
    let mut tasks = TaskLoop::default();
    let (_, next) = round(&mut tasks, vec![claimed(LEASE, 0, true)], T0);
    assert_eq!(started(&next), [attempt(LEASE, 0, 1)]);
    tasks.handle(ended(attempt(LEASE, 0, 1), Ok("1")), T0);
    let batch = tasks.round(T0).batch;
    let lost = Exceptions { lost: [TaskNo(1)].into(), ..Exceptions::default() };
    let next = tasks.recorded(batch, &lost, T0);
    assert!(next.calls.is_empty() && next.left.len() == 1, "{next:?}");
}

#[test]
fn late_result_is_refused() {
    let mut tasks = TaskLoop::default();
    round(&mut tasks, vec![claimed(LEASE, 0, true)], T0);
    round(&mut tasks, vec![Message::Forget, claimed(lease(1, 2), 1, true)], T0);
    let (batch, _) = round(&mut tasks, vec![ended(attempt(LEASE, 0, 1), Ok("1"))], T0);
    assert!(batch.is_empty(), "{batch:?}");
}

#[test]
fn retry_starts_when_its_time_has_come_and_not_before() {
    let mut tasks = TaskLoop::default();
    round(&mut tasks, vec![claimed(LEASE, 0, true)], T0);
    let (batch, next) = round(&mut tasks, vec![ended(attempt(LEASE, 0, 1), Err(failed()))], T0);
    let due = batch.failed[0].retry_at.unwrap();
    assert!(next.calls.is_empty() && tasks.next_due() == Some(due), "{due}");
    // Clocks may be set back once it was due.
    tasks.wake(due);
    let (_, next) = round(&mut tasks, vec![], T0);
    assert_eq!(started(&next), [attempt(LEASE, 0, 2)]);
}

#[test]
fn retry_waits_as_long_as_it_would_have_when_the_clock_is_set() {
    for minutes in [-10, 10] {
        let mut tasks = TaskLoop::default();
        let set = |time: Timestamp| time.shifted(minutes * 60_000_000);
        let (first, later) = (at(3600), at(3600) + Duration::from_millis(400));
        round(&mut tasks, vec![claimed(LEASE, 0, true)], first);
        let end = Message::AttemptEnded(AttemptEnded {
            attempt: attempt(LEASE, 0, 1),
            started_at: first,
            finished_at: first,
            outcome: Some(Err(failed())),
            said: Vec::new(),
        });
        let (batch, _) = round(&mut tasks, vec![end], first);
        let due = batch.failed[0].retry_at.unwrap();
        tasks.clock_set(minutes * 60_000_000);
        assert_eq!(tasks.next_due(), Some(set(due)));
        let (batch, next) = round(&mut tasks, vec![], set(later));
        assert!(next.calls.is_empty() && batch.is_empty(), "{minutes}: neither begun nor given back");
        let (_, next) = round(&mut tasks, vec![], set(due));
        assert_eq!(started(&next), [attempt(LEASE, 0, 2)], "{minutes}");
    }
}

#[test]
fn stale_task_is_given_back_to_be_read_anew() {
    let mut tasks = TaskLoop::default();
    round(&mut tasks, vec![claimed(LEASE, 0, true)], T0);
    tasks.handle(ended(attempt(LEASE, 0, 1), Ok("1")), T0);
    let batch = tasks.round(T0).batch;
    let stale = Exceptions { stale: [TaskNo(1)].into(), ..Exceptions::default() };
    let next = tasks.recorded(batch, &stale, T0);
    assert!(next.calls.is_empty() && next.give_back[0].run_at == Some(T0), "{next:?}");
}

#[test]
fn command_waits_until_the_failure_it_is_about_is_durable() {
    let mut tasks = TaskLoop::default();
    round(&mut tasks, vec![claimed(LEASE, 0, true)], T0);
    let broken = StepError::permanent("BROKEN", "for good");
    tasks.handle(ended(attempt(LEASE, 0, 1), Err(broken)), T0);
    tasks.handle(asked(Command::Retry { steps: vec!["a".to_owned()] }), T0);
    assert!(tasks.answers(T0).is_empty() && tasks.has_more());
    let batch = tasks.round(T0).batch;
    assert_eq!(batch.failed.len(), 1);
}

#[test]
fn task_is_read_anew_when_nobody_knows_whether_a_command_is_followed() {
    let mut tasks = TaskLoop::default();
    round(&mut tasks, vec![claimed(LEASE, 0, true)], T0);
    round(&mut tasks, vec![ended(attempt(LEASE, 0, 1), Err(failed()))], T0);
    tasks.handle(asked(Command::Skip { step: "a".to_owned() }), T0);
    let write = tasks.answers(T0).remove(0);
    assert!(
        matches!(&write.answer, CommandAnswer::Facts(facts, _) if *facts == [Fact::Skipped(StepIndex::of(0))])
    );
    tasks.answered(write, Written::Perhaps, T0);
    let (batch, next) = round(&mut tasks, vec![], at(2));
    assert!(batch.ends[0].run_at == Some(at(2)) && next.calls.is_empty(), "{batch:?}");
    assert_eq!(next.left.len(), 1);
}

#[test]
fn command_is_applied_only_where_it_was_written() {
    let mut tasks = TaskLoop::default();
    round(&mut tasks, vec![claimed(LEASE, 0, true)], T0);
    round(&mut tasks, vec![ended(attempt(LEASE, 0, 1), Err(failed()))], T0);
    tasks.handle(asked(Command::Skip { step: "a".to_owned() }), T0);
    let write = tasks.answers(T0).remove(0);
    tasks.answered(write, Written::No, T0);
    let (_, next) = round(&mut tasks, vec![], at(2));
    assert_eq!(started(&next), [attempt(LEASE, 0, 2)]);
}

#[test]
fn pause_and_end_take_back_what_is_lent() {
    let withdrawn = |message: Message<()>| {
        let mut tasks = TaskLoop::default();
        let (_, next) = round(&mut tasks, vec![claimed(LEASE, 0, false)], T0);
        assert_eq!(next.offers.len(), 1);
        tasks.handle(message, T0);
        assert!(tasks.answers(T0).is_empty());
        tasks.round(T0).withdrawals
    };
    let all = [Withdrawal { lease: LEASE, taken: true }];
    assert_eq!(withdrawn(asked(Command::Pause)), [Withdrawal { lease: LEASE, taken: false }]);
    assert_eq!(withdrawn(asked(Command::Cancel)), all);
    assert_eq!(withdrawn(Message::GiveBack), all);
    assert_eq!(withdrawn(Message::Drain), [], "what others run may come to its end");
}

#[test]
fn task_is_set_aside_after_so_many_deaths_and_not_before() {
    let mut tasks = TaskLoop::<()>::default();
    tasks.handle(claimed(LEASE, MAX_TAKEOVERS, true), T0);
    tasks.handle(claimed(lease(2, 1), MAX_TAKEOVERS - 1, true), T0);
    let Round { dead_letters, batch, .. } = tasks.round(T0);
    let set_aside: Vec<Lease> = dead_letters.iter().map(|letter| letter.lease).collect();
    assert_eq!((set_aside, batch.ends[0].state), (vec![LEASE], TaskState::BlockedByFailures));
    let next = tasks.recorded(batch, &Exceptions::default(), T0);
    assert_eq!(started(&next), [attempt(lease(2, 1), 0, 1)]);
}

#[test]
fn suspect_keeps_other_suspects_waiting_only_while_it_runs_here() {
    for (here, starts) in [(true, 0), (false, 1)] {
        let mut tasks = TaskLoop::default();
        round(&mut tasks, vec![claimed(LEASE, QUARANTINE_AFTER, here)], T0);
        let (_, next) = round(&mut tasks, vec![claimed(lease(2, 1), QUARANTINE_AFTER, true)], T0);
        assert_eq!(next.calls.len(), starts, "runs here: {here}");
    }
}

#[test]
fn nothing_is_held_once_everything_was_given_back() {
    let mut tasks = TaskLoop::default();
    let messages = vec![claimed(LEASE, 0, true), claimed(lease(2, 1), 0, true), claimed(LEASE, 0, true)];
    let (_, next) = round(&mut tasks, messages, T0);
    assert_eq!(next.calls.len(), 2);
    let (batch, next) = round(&mut tasks, vec![Message::GiveBack], T0);
    assert_eq!((batch.ends.len(), next.left.len()), (2, 2));
    assert!(tasks.is_drained());
}

#[test]
fn task_whose_takers_died_is_set_aside_once_what_runs_has_come_back() {
    let mut tasks = TaskLoop::default();
    let (_, next) = round(&mut tasks, vec![claimed(LEASE, 0, false)], T0);
    let step = next.offers[0].attempt.step;
    tasks.handle(Message::TakersDied(LEASE, step), T0);
    let Round { withdrawals, dead_letters, batch, .. } = tasks.round(T0);
    assert_eq!(withdrawals, [Withdrawal { lease: LEASE, taken: false }]);
    assert!(dead_letters.is_empty() && batch.ends.is_empty(), "{batch:?}");
    let _ = tasks.recorded(batch, &Exceptions::default(), T0);
    // Nobody resumes it by the way.
    let (_, next) = round(&mut tasks, vec![asked(Command::Resume)], T0);
    assert!(next.offers.is_empty() && next.left.is_empty(), "{next:?}");
    tasks.handle(Message::LoanReturned(LEASE, LoanReturned::Nothing(step)), T0);
    let Round { dead_letters, batch, .. } = tasks.round(T0);
    assert_eq!(dead_letters.len(), 1);
    let crate::End { state, run_at, cause, .. } = &batch.ends[0];
    assert_eq!((*state, *run_at), (TaskState::BlockedByFailures, Some(Timestamp::NEVER)));
    assert!(
        cause.as_deref().unwrap().contains("5 processes in a row died while they ran its step `a`"),
        "{cause:?}"
    );
    assert_eq!(tasks.recorded(batch, &Exceptions::default(), T0).left.len(), 1);
}

#[test]
fn operator_who_cancels_comes_before_the_setting_aside() {
    let mut tasks = TaskLoop::default();
    let (_, next) = round(&mut tasks, vec![claimed(LEASE, 0, false)], T0);
    let died = Message::TakersDied(LEASE, next.offers[0].attempt.step);
    let (batch, _) = round(&mut tasks, vec![asked(Command::Cancel), died], T0);
    // The command is answered after all that arrived was folded.
    assert_eq!(batch.ends[0].state, TaskState::Cancelled);
}

/// A task whose first step is compensated, and whose second one has failed for good.
fn rolling_back(lease: Lease, takeovers: u32) -> Message<()> {
    let mut routes = Arc::unwrap_or_clone(routes(true));
    let mut rules = Arc::unwrap_or_clone(routes.rules);
    rules.on_failure = OnFailure::Compensate;
    rules.steps[0].compensation =
        Some(Compensation { elsewhere: false, retry: Retry::default(), timeout: None });
    routes.rules = Arc::new(rules);
    let mut progress = Progress::new(routes.rules.clone());
    progress.take_ready();
    progress.apply_at(StepIndex::of(0), &crate::Event::Completed { result: Json::stored("1") }, T0).unwrap();
    progress.take_ready();
    progress.apply(StepIndex::of(1), &crate::Event::Failed { retry_at: None }).unwrap();
    assert!(progress.rolling_back());
    let routes = Arc::new(routes);
    Message::Claimed(Box::new(ClaimedTask {
        lease,
        id: Uuid::nil(),
        takeovers,
        routes,
        progress,
        has_parent: false,
        body: (),
    }))
}

#[test]
fn task_that_is_given_back_at_once_stays_in_its_phase() {
    let given_back = |message: Message<()>| {
        let mut tasks = TaskLoop::default();
        round(&mut tasks, vec![claimed(lease(2, 1), QUARANTINE_AFTER, true)], T0);
        let (batch, _) = round(&mut tasks, vec![message], T0);
        batch.ends.iter().find(|end| end.lease == LEASE).unwrap().state
    };
    assert_eq!(given_back(claimed(LEASE, QUARANTINE_AFTER, true)), TaskState::Pending);
    assert_eq!(given_back(rolling_back(LEASE, QUARANTINE_AFTER)), TaskState::Compensating);
    for phase in [TaskState::Pending, TaskState::Compensating] {
        let task = Unrunnable { lease: LEASE, id: Uuid::nil(), phase, cause: "no plan".to_owned() };
        assert_eq!(given_back(Message::Unrunnable(task)), phase);
    }
}
