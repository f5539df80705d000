//! Puts a [`Tasker`] together and checks that its parts fit.

use std::{any::Any, collections::BTreeMap, path::PathBuf, sync::Arc};

use uuid::Uuid;

use super::{Catalog, StartError, Tasker, Watch, checked::Checked};
#[cfg(feature = "http")]
use crate::handler::http::ApiClient;
use crate::{
    clock::Clock,
    config::Config,
    dispatch::{engine::own_connections, retention::Retention, settings::Settings},
    handler::{Around, Registration, States, Subscriber, around::Wrapper},
    model::Served,
    registry::{
        LiveRegistry, Problem, Registry, catalog::full_name, subscribers, unreadable_files::UnreadableFile,
    },
    store::{self, Store},
    template::Template,
};

/// Builds a [`Tasker`].
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
/// let tasker = Tasker::builder().database("sqlite::memory:").concurrency(8).actor("ada").start().await?;
/// let said: String = tasker.run(greeting, "Ada").await?;
/// assert_eq!(said, "hello Ada");
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Default)]
pub struct Builder {
    max_decision_depth: Option<u32>,
    url: Option<String>,
    store: Option<Store>,
    options: store::Options,
    settings: Settings,
    clock: Option<Clock>,
    registry: Option<Registry>,
    handlers: Vec<Registration>,
    undiscovered: bool,
    subscribers: Vec<Subscriber>,
    served: Served,
    states: States,
    templates: Vec<Template>,
    directory: Option<PathBuf>,
    replace: bool,
    partial: bool,
    aliases: BTreeMap<String, String>,
    around: Vec<Wrapper>,
    wanted: Option<String>,
    without_templates: bool,
    actor: Option<Arc<str>>,
}

impl Builder {
    /// The database: `sqlite://file.db`, `sqlite::memory:` or `postgres://…`. Without this,
    /// `DATABASE_URL`, and without that `sqlite://tasker.db`.
    #[must_use]
    pub fn database(mut self, url: impl Into<String>) -> Self {
        self.url = Some(url.into());
        self
    }

    /// An open database, instead of one to open.
    #[must_use]
    pub fn store(mut self, store: Store) -> Self {
        self.store = Some(store);
        self
    }

    /// How to open the database.
    #[must_use]
    pub fn store_options(mut self, options: store::Options) -> Self {
        self.options = options;
        self
    }

    /// Leaves the tables of the database as they are, older than this program or not: for a look at a database that
    /// another program works on, with [`Tasker::in_flight`] or [`Tasker::examine`]. Whatever else needs newer tables
    /// fails then.
    #[must_use]
    pub fn without_migration(mut self) -> Self {
        self.options.migrate = false;
        self
    }

    /// How many connections to a PostgreSQL server a worker with these settings has open, at least and at most: one for
    /// each of its task loops, one to claim, one for its heartbeat, those of its pool, and one each to hear other
    /// processes and to tell them.
    ///
    /// ```
    /// use tasker_runtime::Tasker;
    ///
    /// let connections = Tasker::builder().connections();
    /// assert_eq!((*connections.start(), *connections.end()), (5, 14));
    /// ```
    #[must_use]
    pub fn connections(&self) -> std::ops::RangeInclusive<usize> {
        let least = own_connections(&self.settings);
        let heard = if self.settings.wake.listens() { 2 } else { 0 };
        let pool = usize::try_from(self.options.pool_size.max(1)).unwrap_or(usize::MAX);
        least..=least + heard + (pool - 1)
    }

    /// How many attempts run at once; 100 without this.
    #[must_use]
    pub fn concurrency(mut self, attempts: usize) -> Self {
        self.settings.concurrency = attempts.max(1);
        self
    }

    /// The queues this process works for; all without this, or without names.
    ///
    /// A task waits in the queue of its namespace, and a step that says `queue` in its own. Steps of other
    /// queues are offered to processes that serve them.
    #[must_use]
    pub fn queues(mut self, names: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.served = Served::of(names.into_iter().map(Into::into));
        self
    }

    /// Everything the settings say. What is said after this goes before it.
    #[must_use]
    pub fn config(mut self, config: &Config) -> Self {
        let crate::config::Settings {
            database, templates, handlers, limits, worker, steps, retention, ..
        } = config.settings().clone();
        self.url = Some(database.url);
        self.options.pool_size = database.pool_size;
        self.options.full_sync = database.full_sync;
        self.max_decision_depth = Some(limits.max_decision_depth);
        self.options.max_payload_bytes = limits.max_payload;
        self.directory = Some(templates.directory);
        self.partial = handlers.partial;
        self.aliases = config.aliases().clone();
        self.served = Served::of(worker.queues);
        self.settings = Settings {
            concurrency: worker.concurrency,
            window: worker.held_tasks,
            lease: worker.lease,
            poll: worker.poll,
            wake: worker.wake,
            drain: worker.drain,
            cancel_grace: worker.cancel_grace,
            step_timeout: steps.timeout,
            retention: Retention::of(retention.complete, retention.failed),
            ..self.settings
        };
        #[cfg(feature = "http")]
        self.states.insert(ApiClient::configured(config));
        self
    }

    /// The clock; the machine's without this.
    #[must_use]
    pub fn clock(mut self, clock: Clock) -> Self {
        self.clock = Some(clock);
        self
    }

    /// A value for handlers that ask for `State<T>`. One for each type.
    #[must_use]
    pub fn state<T: Any + Send + Sync>(mut self, value: T) -> Self {
        self.states.insert(value);
        self
    }

    /// These handlers, besides those that are linked. For tests, and for programs that leave nothing to the
    /// linker:
    ///
    /// ```
    /// use tasker_runtime::{Tasker, prelude::*};
    ///
    /// #[step_handler]
    /// async fn greet(name: String) -> String {
    ///     format!("hello {name}")
    /// }
    ///
    /// workflow!(greeting = [greet]);
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let builder = Tasker::builder().database("sqlite::memory:").auto_discover(false);
    /// let tasker = builder.handlers(handlers![greet]).template(greeting.template()?).start().await?;
    /// assert_eq!(tasker.run(greeting, "ada").await?, "hello ada");
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn handlers(mut self, handlers: impl IntoIterator<Item = Registration>) -> Self {
        self.handlers.extend(handlers);
        self
    }

    /// These subscribers of domain events, besides those that are linked.
    ///
    /// ```
    /// use tasker_runtime::{Tasker, prelude::*};
    ///
    /// #[event_subscriber("order.*")]
    /// async fn ledger(event: Event<Json>) {
    ///     println!("{}: {}", event.name, event.data.as_str());
    /// }
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # std::env::set_current_dir(std::env::temp_dir())?;
    /// let builder = Tasker::builder().database("sqlite::memory:").auto_discover(false);
    /// let tasker = builder.subscribers(subscribers![ledger]).start().await?;
    /// assert_eq!(tasker.subscriptions().list().await?[0].name, "ledger");
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn subscribers(mut self, subscribers: impl IntoIterator<Item = Subscriber>) -> Self {
        self.subscribers.extend(subscribers);
        self
    }

    /// Lets a wrapper stand around every call of every handler, compensations and handlers that come later included:
    /// for tracing, tenancy, feature flags. Of several, the first is the outermost; those that a handler names with
    /// `around = [..]` stand inside of them. See [`Next`](crate::handler::Next).
    ///
    /// ```
    /// use tasker_runtime::{Tasker, prelude::*};
    ///
    /// async fn only_on_weekdays(step: &TaskSequenceStep, next: Next<'_>) -> Outcome {
    ///     # let weekend = step.name() == "greet";
    ///     if weekend {
    ///         return Err(StepError::permanent("CLOSED", format!("`{}` does not run today", step.name())));
    ///     }
    ///     next.run(step).await
    /// }
    ///
    /// #[step_handler]
    /// async fn greet(name: String) -> String {
    ///     format!("hello {name}")
    /// }
    ///
    /// workflow!(greeting = [greet]);
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # std::env::set_current_dir(std::env::temp_dir())?;
    /// let tasker = Tasker::builder().database("sqlite::memory:").around(only_on_weekdays).start().await?;
    /// assert!(greeting.run::<_, String, _, _>(&tasker, "ada").await.is_err());
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn around(mut self, wrapper: impl Around) -> Self {
        self.around.push(Wrapper::given(wrapper));
        self
    }

    /// Whether handlers and code-first workflows that are linked are found by themselves, as they are without
    /// this.
    #[must_use]
    pub fn auto_discover(mut self, discover: bool) -> Self {
        self.undiscovered = !discover;
        self
    }

    /// The handlers, instead of all that are linked or [given](Self::handlers); nothing is discovered then.
    #[must_use]
    pub fn registry(mut self, registry: Registry) -> Self {
        self.registry = Some(registry);
        self
    }

    /// A template from code.
    #[must_use]
    pub fn template(mut self, template: Template) -> Self {
        self.templates.push(template);
        self
    }

    /// A directory whose template files are loaded, and beside it those of `schedules`, whose files say when tasks of them
    /// start by themselves.
    #[must_use]
    pub fn template_directory(mut self, directory: impl Into<PathBuf>) -> Self {
        self.directory = Some(directory.into());
        self
    }

    /// Lets a template whose content changed replace the kept one of the same version, for new tasks, even while
    /// open tasks use that one. Without this, only where none does.
    #[must_use]
    pub fn replace_templates(mut self, replace: bool) -> Self {
        self.replace = replace;
        self
    }

    /// Lets templates name handlers this process does not have: it offers their steps to others.
    #[must_use]
    pub fn partial(mut self, partial: bool) -> Self {
        self.partial = partial;
        self
    }

    /// Only this template is needed: files about others that cannot be read, or have changed without a new
    /// version, are left out instead of being refused. [`Tasker::left_out`] says which.
    #[must_use]
    pub fn only(mut self, template: impl Into<String>) -> Self {
        self.wanted = Some(template.into());
        self
    }

    /// Knows no templates but those that tasks started with, which the database keeps: for programs that look
    /// at tasks and give commands, and submit none.
    #[must_use]
    pub fn without_templates(mut self) -> Self {
        self.without_templates = true;
        self
    }

    /// Who stands in the audit trail for commands, unless [`Tasker::as_actor`] says otherwise; the name of the
    /// program without this.
    #[must_use]
    pub fn actor(mut self, actor: impl Into<Arc<str>>) -> Self {
        self.actor = Some(actor.into());
        self
    }

    /// Opens the database, checks everything and starts to run tasks.
    ///
    /// # Errors
    /// When handlers, templates and state do not fit together, a template changed, or the database does
    /// not answer.
    pub async fn start(self) -> Result<Tasker, StartError> {
        self.check()?.start().await
    }

    /// Opens the database without running anything: for submitting and looking.
    ///
    /// # Errors
    /// As [`start`](Self::start).
    pub async fn connect(self) -> Result<Tasker, StartError> {
        self.parts(false, false)?.start().await
    }

    /// Starts to run tasks of the queue of `task`, which is watched from the first moment and needs no
    /// template but its own; `None` when there is no such task.
    ///
    /// # Errors
    /// When the handlers do not fit the template the task started with, or the database does not answer.
    pub async fn resume(self, task: Uuid) -> Result<Option<(Tasker, Watch)>, StartError> {
        let partial = self.partial;
        self.without_templates().with_client().parts(false, true)?.resume(task, partial).await
    }

    /// The handlers and the templates, without a database.
    ///
    /// # Errors
    /// When templates have mistakes.
    pub fn discover(mut self) -> Result<Discovered, StartError> {
        self.gather()
    }

    /// As [`connect`](Self::connect), with the checks of a start.
    ///
    /// # Errors
    /// As [`start`](Self::start).
    pub async fn connect_checked(self) -> Result<Tasker, StartError> {
        self.with_client().parts(true, false)?.start().await
    }

    /// Makes the checks of a start that need no database, and starts nothing yet.
    ///
    /// # Errors
    /// As [`start`](Self::start), without those of a database.
    pub fn check(self) -> Result<Checked, StartError> {
        self.with_client().parts(true, true)
    }

    /// One client for all handlers, where the program gave none.
    #[cfg(feature = "http")]
    fn with_client(mut self) -> Self {
        if self.states.get::<ApiClient>().is_none() {
            self.states.insert(ApiClient::default());
        }
        self
    }

    #[cfg(not(feature = "http"))]
    fn with_client(self) -> Self {
        self
    }

    /// Says that a program will give a value of type `T` to its handlers.
    pub(crate) fn promise_state<T: 'static>(mut self) -> Self {
        self.states.promise::<T>();
        self
    }

    /// Finds handlers and templates.
    fn gather(&mut self) -> Result<Discovered, StartError> {
        let discovered = self.registry.is_none() && !self.undiscovered;
        let linked = discovered.then(Registration::linked).into_iter().flatten();
        let handlers = std::mem::take(&mut self.handlers);
        let registry = self.registry.take().unwrap_or_else(|| Registry::of(linked.chain(handlers)));
        let registry = registry.with_aliases(std::mem::take(&mut self.aliases));
        let registry = registry.with_around(std::mem::take(&mut self.around));
        if self.without_templates {
            return Ok(Discovered { registry, catalog: Catalog::default(), left_out: Vec::new() });
        }
        let (mut catalog, unreadable) = Catalog::read(self.directory.as_deref(), None);
        let in_the_way =
            |file: &UnreadableFile| self.wanted.as_ref().is_none_or(|wanted| file.may_be(wanted));
        let (in_the_way, passed_over): (Vec<_>, Vec<_>) = unreadable.into_iter().partition(in_the_way);
        let mut reports: Vec<String> = in_the_way.into_iter().map(|file| file.report).collect();
        if discovered {
            reports.extend(catalog.add_linked());
        }
        std::mem::take(&mut self.templates).into_iter().for_each(|template| catalog.add(template));
        // Where one template is needed, those of others may be missing.
        let unfit = self.directory.iter().flat_map(|directory| catalog.add_schedules(directory));
        reports.extend(unfit.filter(|_| self.wanted.is_none()));
        if !reports.is_empty() {
            return Err(StartError::Templates { reports });
        }
        let mistakes = if passed_over.is_empty() { catalog.mistakes() } else { catalog.mistakes_of_each() };
        if !mistakes.is_empty() {
            return Err(StartError::Templates { reports: mistakes });
        }
        let most = self.max_decision_depth.unwrap_or(DECISIONS);
        let wanted = |template: &&Arc<Template>| {
            let is = |wanted: &String| *wanted == full_name(template) || wanted == template.name();
            self.wanted.as_ref().is_none_or(is)
        };
        catalog.iter().filter(wanted).try_for_each(|template| nested(template, most))?;
        Ok(Discovered {
            registry,
            catalog,
            left_out: passed_over.iter().map(UnreadableFile::left_out).collect(),
        })
    }

    /// The subscribers of the program, each once.
    fn take_subscribers(&mut self) -> Vec<Subscriber> {
        let discovered = self.registry.is_none() && !self.undiscovered;
        let linked = discovered.then(Subscriber::linked).into_iter().flatten();
        let mut all: Vec<Subscriber> = Vec::new();
        for subscriber in linked.chain(std::mem::take(&mut self.subscribers)) {
            let is =
                |other: &Subscriber| (other.name(), other.place()) == (subscriber.name(), subscriber.place());
            if !all.iter().any(is) {
                all.push(subscriber);
            }
        }
        all
    }

    /// Puts the parts together, and asks no database yet.
    fn parts(mut self, checked: bool, run: bool) -> Result<Checked, StartError> {
        let subscribers = self.take_subscribers();
        let Discovered { registry, catalog, left_out } = self.gather()?;
        let mut warnings = if checked {
            check(&registry, catalog.iter().map(AsRef::as_ref), &self.states, self.partial)?
        } else {
            Vec::new()
        };
        if run {
            let found = subscribers::check(&subscribers, &registry, &catalog, &self.states);
            if !found.problems.is_empty() {
                return Err(StartError::Wiring { problems: found.problems });
            }
            warnings.extend(found.warnings.into_iter().filter(|_| checked));
        }
        let url = self.url.or_else(|| std::env::var("DATABASE_URL").ok().filter(|url| !url.is_empty()));
        Ok(Checked {
            store: self.store,
            url: url.unwrap_or_else(|| "sqlite://tasker.db".to_owned()),
            actor: self.actor.unwrap_or_else(program),
            options: self.options,
            clock: self.clock,
            registry: Arc::new(LiveRegistry::new(registry)),
            catalog,
            replace: self.replace,
            states: Arc::new(self.states),
            subscribers,
            served: self.served,
            settings: self.settings,
            warnings,
            left_out,
            wanted: self.wanted,
            run,
        })
    }
}

/// The handlers and the templates of a program, out of which everything is made.
#[derive(Debug)]
#[non_exhaustive]
pub struct Discovered {
    /// The handlers.
    pub registry: Registry,
    /// The templates.
    pub catalog: Catalog,
    /// Template files that are left out, each in one line; see [`Builder::only`].
    pub left_out: Vec<String>,
}

/// The name of this program.
fn program() -> Arc<str> {
    let path = std::env::args_os().next().map(PathBuf::from);
    let name = path.as_ref().and_then(|path| path.file_stem()).map(|name| name.to_string_lossy());
    name.map_or_else(|| "unknown".into(), |name| name.into())
}

/// How many decisions may be nested where no setting says so.
const DECISIONS: u32 = 20;

/// Refuses a template that nests more than `most` decisions.
fn nested(template: &Template, most: u32) -> Result<(), StartError> {
    let Some(chain) = template.decision_chain().filter(|chain| chain.length > most) else { return Ok(()) };
    let name = |step: u32| template.step(step).map(|step| step.name.to_string()).unwrap_or_default();
    let (first, last) = (name(chain.first), name(chain.last));
    Err(StartError::Decisions { name: full_name(template), depth: chain.length, first, last, most })
}

/// Holds handlers, templates and state against each other; what is not wrong but may not be meant is
/// returned.
pub(super) fn check<'a>(
    registry: &Registry,
    templates: impl IntoIterator<Item = &'a Template>,
    states: &States,
    partial: bool,
) -> Result<Vec<String>, StartError> {
    let checked = registry.check(templates, states);
    let elsewhere = |problem: &Problem| {
        partial && matches!(problem, Problem::NoHandler { .. } | Problem::BadAlias { .. })
    };
    let (elsewhere, problems): (Vec<_>, Vec<_>) = checked.problems.into_iter().partition(elsewhere);
    let problems: Vec<String> = problems.iter().map(ToString::to_string).collect();
    if !problems.is_empty() {
        return Err(StartError::Wiring { problems });
    }
    let warnings = checked.warnings.iter().map(ToString::to_string);
    Ok(warnings.chain(elsewhere.iter().map(ToString::to_string)).collect())
}
