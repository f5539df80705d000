//! The handle to a running, or merely connected, Tasker.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use tokio::sync::Mutex;
use uuid::Uuid;

use super::{
    Builder, Catalog, DeadLetterSummary, ParentReport, StartError, TaskReport, WorkerSummary, builder,
    report::Seen,
};
use crate::{
    clock::Clock,
    dispatch::{Engine, notify::Notifier, submitter::Submitter},
    handler::States,
    model::{StepIndex, TaskNo, TaskState, Timestamp},
    orchestration::{
        activity, commands, events::Horizon, family, plans::CompiledTemplates, recover, share, turns, view,
    },
    registry::{Registration, Registry},
    store::{self, Store},
    template::Template,
};

/// Runs plans, or talks to the database that others run them from.
///
/// Made by [`Tasker::builder`]. Clones are handles to the same.
///
/// ```
/// use tasker_runtime::api::Submission;
/// # use tasker_runtime::{Tasker, prelude::*};
/// # #[step_handler]
/// # async fn greet(name: String) -> Result<String, StepError> {
/// #     if name.is_empty() { Err(StepError::permanent("NOBODY", "there is no name")) } else { Ok(format!("hello {name}")) }
/// # }
/// # workflow!(greeting = [greet]);
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # std::env::set_current_dir(std::env::temp_dir())?;
/// let tasker = Tasker::builder().database("sqlite::memory:").start().await?;
/// let task = tasker.submit(Submission::to("greeting").context("Ada")?).await?;
/// let said: String = tasker.wait(task).await?.result()?;
/// assert_eq!(said, "hello Ada");
/// tasker.stop().await;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Tasker {
    pub(super) inner: Arc<Inner>,
    /// Who gives commands.
    pub(super) actor: Arc<str>,
    /// Why they give them.
    pub(super) reason: Option<Arc<str>>,
}

pub(super) struct Inner {
    pub store: Store,
    pub clock: Clock,
    pub catalog: Catalog,
    pub plans: Arc<CompiledTemplates>,
    pub states: Arc<States>,
    pub engine: Option<Engine>,
    pub notifier: Notifier,
    pub submitter: Submitter,
    /// How often the database was asked about tasks that are waited for.
    pub looks: AtomicU64,
    /// How far the log of events is settled, as far as anybody here has looked.
    pub horizon: Mutex<Horizon>,
    pub warnings: Vec<String>,
    pub left_out: Vec<String>,
}

/// What a process has done since it started.
///
/// ```
/// # use tasker_runtime::{Tasker, prelude::*};
/// # #[step_handler]
/// # async fn greet(name: String) -> Result<String, StepError> {
/// #     if name.is_empty() { Err(StepError::permanent("NOBODY", "there is no name")) } else { Ok(format!("hello {name}")) }
/// # }
/// # workflow!(greeting = [greet]);
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # std::env::set_current_dir(std::env::temp_dir())?;
/// let tasker = Tasker::builder().database("sqlite::memory:").start().await?;
/// let _: String = tasker.run(greeting, "Ada").await?;
/// let stats = tasker.stats();
/// assert_eq!((stats.submits, stats.results, stats.failures), (1, 1, 0));
/// # Ok(())
/// # }
/// ```
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
    /// Commits that added tasks.
    pub submits: u64,
    /// Times it asked the database about a task that somebody waits for.
    pub looks: u64,
    /// Statements this process has sent to databases, by this handle or any other.
    pub statements: u64,
}

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
    pub fn registry(&self) -> Arc<Registry> {
        self.inner.plans.registry().current()
    }

    /// Adds handlers to the running program: plugins, for example, or workers of other languages. From here on
    /// they are called like any other, also for steps that wait for them already. A handler that was added
    /// stays until the program ends.
    ///
    /// ```
    /// # use tasker_runtime::{Tasker, prelude::*, api::Submission, template::{Step, Template}};
    /// #[step_handler(name = "plugin.greet")]
    /// async fn greet(name: String) -> String {
    ///     format!("hello {name}")
    /// }
    ///
    /// # tokio::runtime::Runtime::new()?.block_on(async {
    /// let template = Template::builder("greeting").step(Step::new("greet").handler("plugin.greet")).build()?;
    /// let tasker = Tasker::builder().database("sqlite::memory:").auto_discover(false).partial(true);
    /// let tasker = tasker.template(template).start().await?;
    /// let waiting = tasker.submit(Submission::to("greeting").context(&"Ada")?).await?;
    /// tasker.add_handlers(handlers![greet]).await?;
    /// assert_eq!(tasker.wait(waiting).await?.result::<String>()?, "hello Ada");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// # })?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`StartError::Wiring`] when a name is taken, or a handler lacks its state or does not fit the templates
    /// of this program: nothing is added then. When the database does not answer, the handlers are there, and
    /// other processes may not see them listed.
    pub async fn add_handlers(
        &self,
        handlers: impl IntoIterator<Item = Registration>,
    ) -> Result<(), StartError> {
        let Inner { catalog, states, plans, engine, .. } = &*self.inner;
        let templates = || catalog.iter().map(AsRef::as_ref);
        // Others may have what is missing here.
        let fits = |registry: &Registry| builder::check(registry, templates(), states, true).map(drop);
        let registry = plans.registry().add(handlers, fits)?;
        if let Some(engine) = engine {
            engine.gain(&registry).await?;
        }
        Ok(())
    }

    /// What was found at the start that is not wrong but may not be meant, such as unused handlers.
    #[must_use]
    pub fn warnings(&self) -> &[String] {
        &self.inner.warnings
    }

    /// Templates that are not known because their files cannot be read or have changed, each in one line; see
    /// [`Builder::only`].
    #[must_use]
    pub fn left_out(&self) -> &[String] {
        &self.inner.left_out
    }

    /// The database.
    #[must_use]
    pub fn store(&self) -> &Store {
        &self.inner.store
    }

    /// What this process has done since it started; of what an engine does, nothing when it runs none.
    #[must_use]
    pub fn stats(&self) -> Stats {
        let looks = self.inner.looks.load(Ordering::Relaxed);
        let (submits, statements) = (self.inner.submitter.commits(), store::statements_sent());
        let Some(engine) = &self.inner.engine else {
            return Stats { submits, looks, statements, ..Stats::default() };
        };
        let counters = engine.counters();
        Stats {
            claims: counters.claims.load(Ordering::Relaxed),
            writes: counters.writes.load(Ordering::Relaxed),
            results: counters.results.load(Ordering::Relaxed),
            failures: counters.failures.load(Ordering::Relaxed),
            late: counters.late.load(Ordering::Relaxed),
            submits,
            looks,
            statements,
        }
    }

    /// What time it is, by the clock that decides what is due: the database's, where it has one.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.inner.clock.now()
    }

    /// A task with all its steps; `None` when there is no such task.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn show(&self, task: Uuid) -> store::Result<Option<TaskReport>> {
        Ok(self.show_with_template(task).await?.map(|(report, _)| report))
    }

    /// A task with the template it started with, whatever files say now; `None` when there is no such task.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn show_with_template(&self, task: Uuid) -> store::Result<Option<(TaskReport, Arc<Template>)>> {
        let mut connection = self.inner.store.reader().await?;
        let Some((task, history)) = view::find(&mut connection, task).await? else { return Ok(None) };
        let on_offer = match task.state {
            TaskState::InProgress | TaskState::Compensating => {
                share::offered_of(&mut connection, task.task).await?
            }
            _ => Vec::new(),
        };
        let now = self.inner.clock.now();
        let running = match task.state {
            TaskState::InProgress | TaskState::Compensating => {
                let mut running = activity::of(&mut connection, task.uuid, now).await?;
                running.extend(self.inner.engine.iter().flat_map(|engine| engine.running_of(task.uuid)));
                running
            }
            _ => Vec::new(),
        };
        let workers = view::workers(&mut connection, task.task).await?;
        drop(connection);
        let plan = self.inner.plans.kept(task.template).await?;
        let signals = match plan.rules().has_signals() {
            true => {
                let mut connection = self.inner.store.reader().await?;
                commands::sent_to(&mut connection, &[task.task]).await?.remove(&task.task)
            }
            false => None,
        };
        let kin = match plan.rules().has_children() {
            true => family::children_of(&mut self.inner.store.reader().await?, task.task).await?,
            false => Vec::new(),
        };
        let parent = match task.has_parent {
            true => self.parent_of(task.task).await?,
            false => None,
        };
        let signals = signals.unwrap_or_default();
        let seen = Seen { on_offer: &on_offer, workers: &workers, signals, kin: &kin };
        let in_line = task.state == TaskState::Pending && !plan.template.concurrency().is_empty();
        let waits_for = match in_line {
            true => turns::waits_for(&mut self.inner.store.reader().await?, task.task).await?,
            false => None,
        };
        let mut report = TaskReport::new(task, &history, &plan, seen, now);
        (report.waits_for, report.parent) = (waits_for, parent);
        report.show_running(&running);
        Ok(Some((report, plan.template.clone())))
    }

    /// How far tasks are, by one question for all of them: a text that is another one whenever something was recorded
    /// of a task. Tasks that are not there are left out.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn revisions(&self, tasks: &[Uuid]) -> store::Result<HashMap<Uuid, String>> {
        view::revisions(&mut self.inner.store.reader().await?, tasks).await
    }

    /// The namespace of a task; `None` when there is no such task. It costs one look by index.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn namespace_of(&self, task: Uuid) -> store::Result<Option<String>> {
        view::namespace(&mut self.inner.store.reader().await?, task).await
    }

    async fn parent_of(&self, task: TaskNo) -> store::Result<Option<ParentReport>> {
        let found = family::parent_of(&mut self.inner.store.reader().await?, task).await?;
        let Some((task_id, step, template)) = found else { return Ok(None) };
        let plan = self.inner.plans.kept(template).await?;
        let (namespace, step) = (plan.template.namespace().to_owned(), plan.rules().name(step).to_string());
        Ok(Some(ParentReport { task_id, namespace, step }))
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
    pub async fn step_name(&self, template: &str, no: StepIndex) -> Option<Arc<str>> {
        let known = self.inner.catalog.known(template).ok()?;
        Some(self.inner.plans.get(known.number).await.ok()?.rules().name(no))
    }

    /// Returns once a part of this process's engine has failed, which is a fault in it: it renews its leases no
    /// longer, so that others go on with its tasks. Stop it then, and start it anew. A process that runs nothing
    /// waits here for ever.
    ///
    /// ```
    /// # use tasker_runtime::Tasker;
    /// # async fn serve(tasker: Tasker, shutdown: impl Future<Output = ()>) -> Result<(), tasker_runtime::store::Error> {
    /// tokio::select! {
    ///     () = shutdown => {}
    ///     () = tasker.broken() => eprintln!("starting anew"),
    /// }
    /// tasker.stop().await
    /// # }
    /// ```
    pub async fn broken(&self) {
        match &self.inner.engine {
            Some(engine) => engine.broken().await,
            None => std::future::pending().await,
        }
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
        inner.notifier.flush().await;
        inner.store.close().await;
        Ok(())
    }
}
