//! The handle to a running, or merely connected, Tasker.

use std::{
    collections::BTreeSet,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use uuid::Uuid;

use super::{
    Builder, Catalog, DeadLetterSummary, Submission, SubmitError, TaskReport, TaskSummary, Update, WaitError,
    WorkerSummary,
    catalog::{Known, full_name, unsupported},
};
use crate::{
    clock::Clock,
    dispatch::{
        Engine,
        announce::{Announcer, News},
        engine::{Plans, Room},
        watch::Updates,
    },
    handler::Readable,
    model::{Json, Lease, StepNo, TaskState},
    orchestration::{
        activity,
        claim::Claimed,
        journal::History,
        recover, share,
        submit::{self, NewTask},
        view,
    },
    registry::{
        Registry,
        typed::{self, Answer, ContextOf, ReadAs, Runs},
    },
    store::{self, CallerTransaction, Store},
    template::Template,
};

/// Runs plans, or talks to the database that others run them from.
///
/// Made by [`Tasker::builder`]. Clones are handles to the same.
#[derive(Clone)]
pub struct Tasker {
    pub(super) inner: Arc<Inner>,
}

pub(super) struct Inner {
    pub store: Store,
    pub clock: Clock,
    pub catalog: Catalog,
    pub registry: Arc<Registry>,
    /// For looking at tasks; the engine has its own.
    pub plans: Plans,
    pub engine: Option<Engine>,
    pub announcer: Announcer,
    pub warnings: Vec<String>,
    pub left_out: Vec<String>,
}

/// What a process has done since it started.
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub struct Stats {
    /// Times it asked a queue for tasks.
    pub claims: u64,
    /// Commits that recorded something.
    pub writes: u64,
    /// Results recorded.
    pub results: u64,
    /// Failed attempts recorded.
    pub failures: u64,
    /// Outcomes that came after their lease was lost, and were refused.
    pub late: u64,
}

/// What happens to a task, as it happens in this process.
pub struct Watch {
    task: Uuid,
    updates: Option<Updates>,
}

impl Watch {
    pub(super) fn new(task: Uuid, updates: Option<Updates>) -> Self {
        Self { task, updates }
    }

    /// The task.
    #[must_use]
    pub fn task(&self) -> Uuid {
        self.task
    }

    /// What has happened already and was not asked for yet.
    pub fn pending(&mut self) -> Option<Update> {
        self.updates.as_mut()?.pending()
    }

    /// The next thing that happens; `None` once the task has left this process, or when this process runs
    /// no tasks.
    pub async fn next(&mut self) -> Option<Update> {
        self.updates.as_mut()?.next().await
    }
}

/// How often the database is asked about a task that another process may have.
const LOOK: Duration = Duration::from_millis(250);

impl Tasker {
    /// Starts to build one.
    #[must_use]
    pub fn builder() -> Builder {
        Builder::default()
    }

    /// The templates tasks can be started of.
    #[must_use]
    pub fn catalog(&self) -> &Catalog {
        &self.inner.catalog
    }

    /// The handlers of this process.
    #[must_use]
    pub fn registry(&self) -> &Registry {
        &self.inner.registry
    }

    /// What was found at the start that is not wrong but may not be meant, such as unused handlers.
    #[must_use]
    pub fn warnings(&self) -> &[String] {
        &self.inner.warnings
    }

    /// Templates that are not known because their files are broken or have changed, each in one line.
    pub(crate) fn left_out(&self) -> &[String] {
        &self.inner.left_out
    }

    /// The database.
    #[must_use]
    pub fn store(&self) -> &Store {
        &self.inner.store
    }

    /// What this process has done since it started; zeros when it runs nothing.
    #[must_use]
    pub fn stats(&self) -> Stats {
        let Some(engine) = &self.inner.engine else { return Stats::default() };
        let counters = &engine.shared.counters;
        Stats {
            claims: counters.claims.load(Ordering::Relaxed),
            writes: counters.writes.load(Ordering::Relaxed),
            results: counters.results.load(Ordering::Relaxed),
            failures: counters.failures.load(Ordering::Relaxed),
            late: counters.late.load(Ordering::Relaxed),
        }
    }

    /// Adds a task. Once this returns, it is durable.
    ///
    /// # Errors
    /// When there is no such template, the context does not fit it, or the database does not answer.
    pub async fn submit(&self, submission: Submission) -> Result<Uuid, SubmitError> {
        self.submit_as(Uuid::now_v7(), submission).await
    }

    /// Adds a task and watches it from its first moment.
    ///
    /// # Errors
    /// As [`submit`](Self::submit).
    pub async fn submit_watched(&self, submission: Submission) -> Result<Watch, SubmitError> {
        let id = Uuid::now_v7();
        let watch = self.watch(id);
        let task = self.submit_as(id, submission).await?;
        Ok(if task == id { watch } else { self.watch(task) })
    }

    /// Adds many tasks, all or none, in one transaction.
    ///
    /// # Errors
    /// As [`submit`](Self::submit), for the first that is refused.
    pub async fn submit_all(
        &self,
        submissions: impl IntoIterator<Item = Submission>,
    ) -> Result<Vec<Uuid>, SubmitError> {
        let mut tasks: Vec<NewTask> = Vec::new();
        for submission in submissions {
            if let Some(key) = &submission.idempotency_key {
                let reason = format!("an idempotency key (`{key}`) among many tasks is not there yet");
                return Err(SubmitError::Unsupported { template: submission.template, reason });
            }
            tasks.push(self.new_task(Uuid::now_v7(), submission)?.0);
        }
        if !tasks.is_empty() {
            let mut connection = self.inner.store.writer().await?;
            submit::submit(&mut connection, &tasks, None).await?;
        }
        let queues: BTreeSet<&String> = tasks.iter().map(|task| &task.queue).collect();
        queues.into_iter().for_each(|queue| self.say_due(queue));
        Ok(tasks.into_iter().map(|task| task.uuid).collect())
    }

    /// Adds a task inside the caller's own transaction: it is there when, and only when, that commits.
    ///
    /// The transaction must be on the database this Tasker uses; on PostgreSQL the tables are found by
    /// their schema, whatever the search path. Workers see the task at their next look at the latest.
    ///
    /// # Errors
    /// As [`submit`](Self::submit). Idempotency keys are refused here: the caller's transaction already
    /// decides whether the task is added.
    pub async fn submit_in(
        &self,
        transaction: impl Into<CallerTransaction<'_>>,
        submission: Submission,
    ) -> Result<Uuid, SubmitError> {
        if submission.idempotency_key.is_some() {
            let template = submission.template;
            let reason =
                "an idempotency key inside a transaction of the caller's own is not there yet".to_owned();
            return Err(SubmitError::Unsupported { template, reason });
        }
        let (task, _) = self.new_task(Uuid::now_v7(), submission)?;
        submit::submit_in(&mut transaction.into(), std::slice::from_ref(&task)).await?;
        Ok(task.uuid)
    }

    /// Says here and elsewhere that a queue has work.
    pub(super) fn say_due(&self, queue: &str) {
        self.inner.announcer.tell(News::Queue(queue.to_owned()));
        if let Some(engine) = &self.inner.engine {
            engine.shared.hint(queue);
        }
    }

    async fn submit_once(&self, key: &str, task: NewTask, known: &Known) -> Result<Uuid, SubmitError> {
        let (namespace, template) = (known.template.namespace(), known.template.name());
        let mut connection = self.inner.store.writer().await?;
        let scoped = submit::Key { namespace, template, key };
        match submit::submit_once(&mut connection, &task, scoped).await? {
            None => {
                self.say_due(&task.queue);
                Ok(task.uuid)
            }
            Some(used) if used.same_input => Ok(used.task),
            Some(used) => Err(SubmitError::KeyReused { key: key.to_owned(), task: used.task }),
        }
    }

    async fn submit_as(&self, id: Uuid, submission: Submission) -> Result<Uuid, SubmitError> {
        let key = submission.idempotency_key.clone();
        if key.as_deref().is_some_and(str::is_empty) {
            return Err(SubmitError::EmptyKey);
        }
        let due = submission.delay.is_zero();
        let (task, known) = self.new_task(id, submission)?;
        if let Some(key) = key {
            return self.submit_once(&key, task, known).await;
        }
        // A process with room holds its own submissions from the start, which saves taking them.
        let engine = self.inner.engine.as_ref().filter(|_| due);
        let Some(room) = engine.and_then(|engine| engine.reserve(&task.queue)) else {
            let mut connection = self.inner.store.writer().await?;
            submit::submit(&mut connection, std::slice::from_ref(&task), None).await?;
            drop(connection);
            self.say_due(&task.queue);
            return Ok(id);
        };
        // Goes on where the caller stops waiting: the task would be held here, and nobody here know of it.
        let adding = tokio::spawn(add_held(self.inner.store.clone(), task, room));
        match adding.await {
            Ok(added) => Ok(added.map(|()| id)?),
            Err(_) => Err(store::Error::stopping().into()),
        }
    }

    fn new_task(&self, uuid: Uuid, submission: Submission) -> Result<(NewTask, &Known), SubmitError> {
        let known = self.inner.catalog.known(&submission.template)?;
        if let Some(reason) = unsupported(&known.template) {
            return Err(SubmitError::Unsupported { template: full_name(&known.template), reason });
        }
        let problems = known.problems(&submission.context);
        if !problems.is_empty() {
            return Err(SubmitError::Context { template: known.full_name(), problems });
        }
        let now = self.inner.clock.now();
        let task = NewTask {
            uuid,
            correlation_id: submission.correlation_id.unwrap_or_else(Uuid::now_v7),
            template: known.number,
            context: submission.context,
            tags: None,
            created_at: now,
            run_at: now + submission.delay,
            priority: submission.priority,
            queue: known.template.namespace().to_owned(),
        };
        Ok((task, known))
    }

    /// Adds a task, waits for it and returns its result.
    ///
    /// A workflow that has a name in code is given by that name, and the compiler knows its types; any other
    /// by the name of its template as text.
    ///
    /// # Errors
    /// When the task was not added, came to rest without a result, or its result is no `T`.
    pub fn run<T, W, C, WC, WO>(&self, workflow: W, context: &C) -> Answer<'_, T, WaitError>
    where
        T: Readable + 'static,
        W: Runs<WC, WO>,
        C: ?Sized + ContextOf<W, WC>,
        WO: ReadAs<W, T>,
    {
        let task = typed::task(&workflow, context);
        Box::pin(async move { self.finish(task?).await })
    }

    /// Adds a task, waits for it and returns its result.
    pub(crate) async fn finish<T: Readable>(&self, submission: Submission) -> Result<T, WaitError> {
        let task = self.submit(submission).await?;
        self.result(task).await
    }

    /// Waits for a task and returns its result.
    pub(crate) async fn result<T: Readable>(&self, task: Uuid) -> Result<T, WaitError> {
        let report = self.wait(task).await?;
        if report.state != TaskState::Complete {
            return Err(WaitError::Unsuccessful { task, state: report.state, cause: report.cause });
        }
        T::read(&report.result_text).map_err(|source| WaitError::Form { task, source })
    }

    /// Watches a task while this process has it.
    #[must_use]
    pub fn watch(&self, task: Uuid) -> Watch {
        let updates = self.inner.engine.as_ref().map(|engine| engine.shared.watchers.add(task));
        Watch::new(task, updates)
    }

    /// Waits until a task is over or cannot go on by itself, whichever process has it.
    ///
    /// # Errors
    /// When there is no such task or the database does not answer.
    pub async fn wait(&self, task: Uuid) -> Result<TaskReport, WaitError> {
        let mut watch = self.watch(task);
        loop {
            let mut connection = self.inner.store.reader().await?;
            let state = view::state(&mut connection, task).await?.ok_or(WaitError::UnknownTask(task))?;
            drop(connection);
            let rests = |state: TaskState| {
                state.is_final() || matches!(state, TaskState::BlockedByFailures | TaskState::Paused)
            };
            let here = tokio::select! {
                state = left(&mut watch), if !rests(state) => state,
                () = tokio::time::sleep(LOOK), if !rests(state) => None,
                else => Some(state),
            };
            if here.is_some_and(rests) {
                return self.show(task).await?.ok_or(WaitError::UnknownTask(task));
            }
        }
    }

    /// A task with all its steps; `None` when there is no such task.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn show(&self, task: Uuid) -> store::Result<Option<TaskReport>> {
        Ok(self.show_with_template(task).await?.map(|(report, _)| report))
    }

    /// A task with the template it started with, whatever files say now.
    pub(crate) async fn show_with_template(
        &self,
        task: Uuid,
    ) -> store::Result<Option<(TaskReport, Arc<Template>)>> {
        let mut connection = self.inner.store.reader().await?;
        let Some((task, history)) = view::find(&mut connection, task).await? else { return Ok(None) };
        let on_offer = match task.state {
            TaskState::InProgress => share::on_offer(&mut connection, task.task).await?,
            _ => Vec::new(),
        };
        let now = self.inner.clock.now();
        let running = match task.state {
            TaskState::InProgress | TaskState::Compensating => {
                let mut running = activity::of(&mut connection, task.uuid, now).await?;
                running
                    .extend(self.inner.engine.iter().flat_map(|engine| engine.shared.running.of(task.uuid)));
                running
            }
            _ => Vec::new(),
        };
        drop(connection);
        let plan = self.inner.plans.kept(task.template).await?;
        let mut report = TaskReport::new(task, &history, &plan, &on_offer, now);
        report.show_running(&running);
        Ok(Some((report, plan.template.clone())))
    }

    /// At most `limit` tasks, newest first, in this state and of this namespace where these are given.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn list(
        &self,
        state: Option<TaskState>,
        namespace: Option<&str>,
        limit: usize,
    ) -> store::Result<Vec<TaskSummary>> {
        let mut connection = self.inner.store.reader().await?;
        let lines = view::list(&mut connection, state, namespace, None, limit).await?;
        let mut tasks = Vec::with_capacity(lines.len());
        for line in lines {
            let on_offer = match line.state {
                TaskState::InProgress => share::on_offer(&mut connection, line.task).await?,
                _ => Vec::new(),
            };
            tasks.push(TaskSummary::new(line, &on_offer));
        }
        Ok(tasks)
    }

    /// The processes that run tasks on this database.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn workers(&self) -> store::Result<Vec<WorkerSummary>> {
        let workers = recover::live(&mut self.inner.store.reader().await?).await?;
        Ok(workers.into_iter().map(WorkerSummary::new).collect())
    }

    /// At most `limit` tasks that were set aside, newest first.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn dead_letters(&self, limit: usize) -> store::Result<Vec<DeadLetterSummary>> {
        let letters = view::dead_letters(&mut self.inner.store.reader().await?, limit).await?;
        Ok(letters.into_iter().map(DeadLetterSummary::new).collect())
    }

    /// The name of step `no` of a task, as [`Update`] numbers them.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn step_name(&self, template: &str, no: StepNo) -> Option<Arc<str>> {
        let known = self.inner.catalog.known(template).ok()?;
        Some(self.inner.plans.get(known.number).await.ok()?.rules.name(no))
    }

    /// Stops taking work, lets what runs come to an end for as long as the settings say (5 s by default)
    /// and gives the rest back. The last handle stops; with others around this returns at once.
    ///
    /// # Errors
    /// When the database does not answer; what was held is then free once its lease runs out.
    pub async fn stop(self) -> store::Result<()> {
        let Some(inner) = Arc::into_inner(self.inner) else { return Ok(()) };
        if let Some(engine) = inner.engine {
            engine.stop().await?;
        }
        inner.announcer.flush().await;
        inner.store.close().await;
        Ok(())
    }

    /// The context of an empty submission.
    #[must_use]
    pub fn empty_context() -> Json {
        Json::stored("{}")
    }
}

/// Adds a task that this process holds from the start.
async fn add_held(store: Store, task: NewTask, room: Room) -> store::Result<()> {
    let mut connection = store.writer().await?;
    let added = submit::submit(&mut connection, std::slice::from_ref(&task), Some(room.worker())).await?;
    drop(connection);
    if let Some(&number) = added.first() {
        room.take(Claimed {
            lease: Lease { task: number, epoch: 1 },
            takeovers: 0,
            uuid: task.uuid,
            template: task.template,
            correlation_id: task.correlation_id,
            created_at: task.created_at,
            context: task.context,
            history: History::default(),
        });
    }
    Ok(())
}

/// The state in which the task leaves this process.
async fn left(watch: &mut Watch) -> Option<TaskState> {
    match &mut watch.updates {
        Some(updates) => loop {
            match updates.next().await {
                Some(Update::Left { state }) => return Some(state),
                Some(_) => {}
                None => return None,
            }
        },
        None => std::future::pending().await,
    }
}
