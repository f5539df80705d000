//! One task, two workers, and transactions that are left open while another goes on.

use std::{sync::Arc, time::Duration};

use support::TestDatabase;
use uuid::Uuid;

use super::super::{
    append,
    claim::{self, Claimed},
    commands::{self, Delivery, Known, Refused, StoredCommand},
    journal::History,
    record::{self, Batch, End, Exceptions},
    recover::{self, About},
    share::{self, Offer},
    submit::{self, Added, Holder, NewTask},
    view,
};
use crate::{
    model::{
        Attempt, BatchRule, Command, CommandError, Done, Failed, HandlerKey, Json, Kin, Lease, NoResult,
        Retry, Rule, Rules, StepError, StepIndex, Target, TaskNo, TaskState, Timestamp, WorkerId,
        task_loop::Withdrawal,
    },
    store::{Column, Connection, Options, Rows, Statement, Store, sql, values},
    template::{OnFailure, StepKind},
};

pub(super) const T0: Timestamp = Timestamp::from_micros(1_700_000_000_000_000);
pub(super) const LEASE: Duration = Duration::from_secs(15);
const STEPS: &str =
    r#"{"steps": [{"name": "first", "type": "standard"}, {"name": "second", "type": "standard"}]}"#;
const FIRST: StepIndex = StepIndex::of(0);

fn about(name: &str) -> About<'_> {
    About { name, handlers: Vec::new(), queues: None }
}

/// One task of two steps, and two workers.
pub(super) struct Scene {
    pub(super) database: TestDatabase,
    pub(super) store: Store,
    pub(super) task: Uuid,
    pub(super) one: WorkerId,
    pub(super) two: WorkerId,
}

impl Scene {
    /// The task waits in its queue.
    pub(super) async fn open(database: TestDatabase) -> Self {
        let options = Options { full_sync: false, ..Options::default() };
        let store = Store::open(&database.url, options).await.unwrap();
        let mut connection = store.writer().await.unwrap();
        let template = values!["test", "pair", "1.0.0", "digest", STEPS, 1];
        connection.execute(&sql::PUT_TEMPLATE, template).await.unwrap();
        let task = task_of(Uuid::now_v7());
        submit::submit(&mut connection, &[&task], None).await.unwrap();
        let one = recover::register(&mut connection, &about("one"), T0, LEASE).await.unwrap();
        let two = recover::register(&mut connection, &about("two"), T0 + LEASE, LEASE).await.unwrap();
        drop(connection);
        Self { database, store, task: task.uuid, one, two }
    }

    /// The task is held by worker one, under lease 1.
    pub(super) async fn held(database: TestDatabase) -> (Self, Lease) {
        let scene = Self::open(database).await;
        let claimed = scene.claim(scene.one).await;
        assert_eq!(claimed.len(), 1);
        let lease = claimed[0].lease;
        (scene, lease)
    }

    pub(super) async fn claim(&self, worker: WorkerId) -> Vec<Claimed> {
        let mut connection = self.store.writer().await.unwrap();
        claim::claim(&mut connection, worker, "test", T0 + LEASE, 10).await.unwrap()
    }

    /// A claim at a time when everything is due that was taken over.
    pub(super) async fn claim_later(&self, worker: WorkerId) -> Vec<Claimed> {
        let mut connection = self.store.writer().await.unwrap();
        let later = T0 + LEASE + Duration::from_secs(2);
        claim::claim(&mut connection, worker, "test", later, 10).await.unwrap()
    }

    pub(super) async fn record(&self, worker: WorkerId, batch: &Batch) -> Exceptions {
        record::record(&mut self.store.session(), worker, batch, T0).await.unwrap().exceptions
    }

    /// Worker one offers this attempt at the first step.
    pub(super) async fn offer(&self, lease: Lease, number: u32) {
        self.offer_step(lease, 0, number).await;
    }

    /// Worker one offers this attempt at a step.
    pub(super) async fn offer_step(&self, lease: Lease, step: u32, number: u32) {
        let target = Target { handler: HandlerKey::from("h"), namespace: None, queue: None };
        let attempt = Attempt { lease, step: StepIndex::of(step), number };
        let offer = Offer { attempt, offered_at: T0, target: Arc::new(target) };
        share::offer(&mut self.store.session(), self.one, &[offer]).await.unwrap();
    }

    /// How many steps worker one has lent.
    pub(super) async fn offered(&self) -> usize {
        self.lent().await.out.len()
    }

    /// What worker one has lent.
    pub(super) async fn lent(&self) -> share::Lent {
        share::lent(&self.store, self.one).await.unwrap()
    }

    /// A further worker.
    pub(super) async fn register(&self) -> WorkerId {
        let mut connection = self.store.writer().await.unwrap();
        recover::register(&mut connection, &about("other"), T0 + LEASE, LEASE).await.unwrap()
    }

    /// A worker is taken for dead.
    pub(super) async fn give_up(&self, worker: WorkerId) {
        let mut connection = self.store.writer().await.unwrap();
        recover::take_back(&mut connection, worker, T0 + LEASE, recover::Why::Died).await.unwrap();
    }

    /// A worker stops.
    pub(super) async fn stop(&self, worker: WorkerId) {
        let mut connection = self.store.writer().await.unwrap();
        recover::take_back(&mut connection, worker, T0 + LEASE, recover::Why::Stopped).await.unwrap();
    }

    /// How many holders of the task died, and how many takers of what is lent of it.
    pub(super) async fn deaths(&self) -> [String; 2] {
        static DEATHS: Statement = Statement::shared(
            "select r.takeovers, o.deaths from tasker.runs r join tasker.offers o on o.task_id = r.task_id",
        );
        let mut connection = self.store.writer().await.unwrap();
        let row = connection.fetch_first(&DEATHS, &[]).await.unwrap().unwrap();
        [0, 1].map(|column| row.int(column).unwrap().to_string())
    }

    /// What was offered of the task is offered no more.
    pub(super) async fn end_offers(&self, lease: Lease) {
        let withdrawal = Withdrawal { lease, taken: true };
        share::withdraw_of(&mut self.store.session(), &[withdrawal]).await.unwrap();
    }

    /// A further task that `worker` is to hold from the start.
    pub(super) async fn submit_held_by(&self, worker: WorkerId) -> TaskNo {
        let mut connection = self.store.writer().await.unwrap();
        let holder = Holder { worker, holds: &[true] };
        let task = task_of(Uuid::now_v7());
        match submit::submit(&mut connection, &[&task], Some(holder)).await.unwrap()[..] {
            [Added::New { task, .. }] => task,
            ref other => panic!("one new task, not {other:?}"),
        }
    }

    pub(super) async fn ask(&self, command: &Command) -> Result<Option<Delivery>, Refused> {
        let mut connection = self.store.writer().await.unwrap();
        commands::ask(&mut connection, self.task, command, None, T0, |_| async { Ok(known()) }).await
    }

    pub(super) async fn follow_left(&self, waiting: &StoredCommand) -> Result<Option<Delivery>, Refused> {
        let mut connection = self.store.writer().await.unwrap();
        commands::follow_left(&mut connection, waiting, T0, |_| async { Ok(known()) }).await
    }

    pub(super) async fn take_over(&self) -> u64 {
        let mut connection = self.store.writer().await.unwrap();
        recover::take_back_expired(&mut connection, T0 + LEASE + Duration::from_secs(1)).await.unwrap()
    }

    pub(super) async fn heartbeat(&self, worker: WorkerId) -> bool {
        let mut connection = self.store.writer().await.unwrap();
        recover::heartbeat(&mut connection, worker, T0 + LEASE, LEASE, None).await.unwrap()
    }

    pub(super) async fn state(&self) -> TaskState {
        let mut connection = self.store.writer().await.unwrap();
        view::standing(&mut connection, self.task, &[]).await.unwrap().unwrap().state
    }

    pub(super) async fn is_held(&self) -> bool {
        let mut connection = self.store.writer().await.unwrap();
        let row = connection.fetch_first(&sql::FIND_TASK, values![self.task]).await.unwrap().unwrap();
        row.maybe_int(8).unwrap().is_some()
    }

    /// Everything recorded of the task.
    pub(super) async fn history(&self) -> History {
        let mut connection = self.store.writer().await.unwrap();
        view::find(&mut connection, self.task).await.unwrap().unwrap().1
    }

    /// How many attempts of the task failed.
    pub(super) async fn failures(&self) -> usize {
        self.history().await.failures.len()
    }

    /// Another task, which waits in the same queue.
    pub(super) async fn add_task(&self) -> Uuid {
        let uuid = Uuid::now_v7();
        let mut connection = self.store.writer().await.unwrap();
        submit::submit(&mut connection, &[&task_of(uuid)], None).await.unwrap();
        uuid
    }

    /// The recorded results, by step.
    pub(super) async fn journal(&self) -> Vec<String> {
        let mut connection = self.store.writer().await.unwrap();
        let (_, history) = view::find(&mut connection, self.task).await.unwrap().unwrap();
        history.entries.iter().map(|entry| entry.result.as_str().to_owned()).collect()
    }
}

fn task_of(uuid: Uuid) -> NewTask {
    NewTask {
        uuid,
        correlation_id: Uuid::now_v7(),
        template: 1,
        context: Json::null(),
        tags: None,
        created_at: T0,
        run_at: T0,
        priority: 0,
        queue: "test".to_owned(),
        turns: Vec::new(),
    }
}

fn known() -> Known {
    Known { rules: rules(), whole: true }
}

pub(super) fn rules() -> Arc<Rules> {
    let rule = |name: &str, dependencies: &[u32], dependents: &[u32]| Rule {
        publishes: Arc::default(),
        compensation_publishes: Arc::default(),
        rounds: 0,
        name: name.into(),
        kind: StepKind::Standard,
        dependencies: dependencies.into(),
        dependents: dependents.into(),
        retry: Retry::default(),
        timeout: None,
        batch: None::<BatchRule>,
        compensation: None,
        wait: None,
    };
    let steps = vec![rule("first", &[], &[1]), rule("second", &[0], &[])];
    Arc::new(Rules { steps, on_failure: OnFailure::Block })
}

pub(super) fn result(lease: Lease, result: &str) -> Batch {
    let result = Json::from_text(result).unwrap();
    let done = Done {
        attempt: Attempt { lease, step: FIRST, number: 1 },
        started_at: T0,
        finished_at: T0,
        result,
        published: None,
    };
    Batch { done: vec![done], ..Batch::default() }
}

pub(super) fn failure(lease: Lease) -> Batch {
    let came = NoResult::Failed(StepError::permanent("NO", "never"));
    let failed = Failed {
        attempt: Attempt { lease, step: FIRST, number: 1 },
        started_at: T0,
        failed_at: T0,
        retry_at: None,
        came,
        published: None,
    };
    Batch { failed: vec![failed], ends: vec![end(lease, TaskState::BlockedByFailures)], ..Batch::default() }
}

/// The end of a hold in this state; only `Complete` is the end of the task.
pub(super) fn end(lease: Lease, state: TaskState) -> End {
    let over = state.is_final();
    let due = if state == TaskState::Pending { T0 } else { Timestamp::NEVER };
    End {
        lease,
        state,
        run_at: (!over).then_some(due),
        finished_at: over.then_some(T0),
        cause: None,
        kin: Kin::default(),
    }
}

pub(super) fn ends(lease: Lease, state: TaskState) -> Batch {
    Batch { ends: vec![end(lease, state)], ..Batch::default() }
}

pub(super) fn untouched(exceptions: &Exceptions, lease: Lease) -> bool {
    exceptions.spare(lease.task)
}

/// Waits until a statement on the scene's database waits for a lock.
pub(super) async fn somebody_waits(scene: &Scene) {
    static BLOCKED: Statement = Statement::shared(
        "select count(*) from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'",
    );
    let mut connection = scene.store.reader().await.unwrap();
    while connection.fetch_first(&BLOCKED, &[]).await.unwrap().unwrap().int(0).unwrap() == 0 {
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

/// Runs `second` while the transaction on `first` is open, which commits when `second` is through or waits
/// for it. SQLite has one writer: `second` comes after the commit.
pub(super) async fn overlapping<T>(
    scene: &Scene,
    mut first: Connection,
    second: impl Future<Output = T>,
) -> T {
    if !scene.store.is_postgres() {
        first.commit().await.unwrap();
        drop(first);
        return second.await;
    }
    let mut second = std::pin::pin!(second);
    let through = tokio::select! {
        done = &mut second => Some(done),
        () = somebody_waits(scene) => None,
    };
    first.commit().await.unwrap();
    match through {
        Some(done) => done,
        None => tokio::time::timeout(Duration::from_secs(120), second).await.expect("no deadlock"),
    }
}

/// A transaction for the first of a pair.
pub(super) async fn begin(scene: &Scene) -> Connection {
    let mut connection = scene.store.writer().await.unwrap();
    connection.begin().await.unwrap();
    connection
}

/// The transaction of a process that takes the tasks of worker one, not committed.
pub(super) async fn taking_over(scene: &Scene) -> Connection {
    let mut connection = begin(scene).await;
    let late = (T0 + LEASE + Duration::from_secs(1)).as_micros();
    let said = Rows::new(vec![Column::Int(vec![scene.one.0]), Column::Int(vec![(T0 + LEASE).as_micros()])]);
    let expired = connection.fetch(&sql::EXPIRED_WORKERS, values![&said]).await.unwrap();
    assert_eq!(expired.len(), 1, "{}", scene.database);
    connection.execute(&sql::TAKE_BACK, values![scene.one.0, late, 1]).await.unwrap();
    connection.execute(&sql::STOP_WORKER, values![scene.one.0, late]).await.unwrap();
    connection
}

/// The transaction of an operator who cancels a task nobody holds, not committed.
pub(super) async fn cancelling(scene: &Scene) -> Connection {
    let mut connection = begin(scene).await;
    let run = connection.fetch_first(&sql::LOCK_RUN, values![scene.task]).await.unwrap().unwrap();
    let (task, now) = (run.int(0).unwrap(), T0.as_micros());
    let state = i64::from(TaskState::Cancelled.code());
    let over = values![task, state, i64::MAX, Some(0), Some(now), None::<&str>];
    assert_eq!(connection.execute(&sql::SET_RUN, over).await.unwrap(), 1, "{}", scene.database);
    connection
}

/// The transaction of an operator who asks the holder of a task to cancel it, not committed.
pub(super) async fn asking(scene: &Scene) -> Connection {
    let mut connection = begin(scene).await;
    let run = connection.fetch_first(&sql::LOCK_RUN, values![scene.task]).await.unwrap().unwrap();
    let command = values![run.int(0).unwrap(), T0.as_micros(), "\"cancel\"", None::<i64>];
    connection.execute(&sql::ADD_COMMAND, command).await.unwrap();
    connection
}

/// The transaction of a holder who ends its hold, not committed.
pub(super) async fn ending(scene: &Scene, lease: Lease, state: TaskState) -> Connection {
    let mut connection = begin(scene).await;
    let End { run_at, finished_at, .. } = end(lease, state);
    let column = |value: Option<Timestamp>| Column::MaybeInt(vec![value.map(Timestamp::as_micros)]);
    let ends = Rows::new(vec![
        Column::Int(vec![lease.task.0]),
        Column::Int(vec![lease.epoch]),
        Column::Int(vec![i64::from(state.code())]),
        column(run_at),
        column(finished_at),
        Column::MaybeText(vec![None]),
    ]);
    let none = || Column::Int(Vec::new());
    let done = Rows::new(vec![none(), none(), none(), none(), none(), none(), Column::Json(Vec::new())]);
    let values = values![&done, &ends, scene.one.0];
    assert_eq!(
        connection.fetch(&sql::RECORD_IN, values).await.unwrap().len().min(1),
        1,
        "{}",
        scene.database
    );
    connection
}

/// The transaction of a holder who records a result, not committed.
pub(super) async fn recording(scene: &Scene, lease: Lease, result_text: &str) -> Connection {
    let mut connection = begin(scene).await;
    let result = result(lease, result_text);
    let entries: Vec<_> = result.done.iter().map(append::Entry::from).collect();
    let appended = append::append(&mut connection, append::Right::of(scene.one), &entries).await.unwrap();
    assert_eq!(appended.covered.len(), 1, "{}", scene.database);
    connection
}

pub(super) fn over(refused: Result<Option<Delivery>, Refused>, state: TaskState) -> bool {
    matches!(refused, Err(Refused::Command(CommandError::Over(found))) if found == state)
}
