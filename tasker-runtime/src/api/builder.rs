//! Puts a [`Tasker`] together and checks that its parts fit.

use std::{any::Any, collections::BTreeMap, path::PathBuf, sync::Arc};

use uuid::Uuid;

use super::{Catalog, StartError, Tasker, Watch, broken::Broken, catalog::full_name, prepared::Prepared};
#[cfg(feature = "http")]
use crate::handler::api::ApiClient;
use crate::{
    clock::Clock,
    config::Config,
    dispatch::{
        engine::{Settings, Wake},
        queues::Served,
    },
    handler::{Registration, States},
    registry::{Problem, Registry},
    store::{self, Store},
    template::Template,
};

/// Builds a [`Tasker`].
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
    served: Served,
    states: States,
    templates: Vec<Template>,
    directory: Option<PathBuf>,
    replace: bool,
    partial: bool,
    aliases: BTreeMap<String, String>,
    wanted: Option<String>,
    kept_only: bool,
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
        let size = |name| usize::try_from(config.number(name)).unwrap_or(usize::MAX);
        self.url = Some(config.text("database.url").to_owned());
        self.options.pool_size = u32::try_from(config.number("database.pool_size")).unwrap_or(8);
        self.max_decision_depth = u32::try_from(config.number("limits.max_decision_depth")).ok();
        self.options.full_sync = config.flag("database.full_sync");
        self.directory = Some(config.text("templates.directory").into());
        self.partial = config.flag("handlers.partial");
        self.aliases = config.aliases().clone();
        self.served = Served::of(config.names("worker.queues"));
        self.settings = Settings {
            concurrency: size("worker.concurrency"),
            window: size("worker.held_tasks"),
            lease: config.seconds("worker.lease_seconds"),
            poll: config.millis("worker.poll_ms"),
            wake: Wake::from_name(config.text("worker.wake")),
            drain: config.seconds("worker.drain_seconds"),
            cancel_grace: config.millis("worker.cancel_grace_ms"),
            step_timeout: config.seconds("steps.timeout_seconds"),
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

    /// A directory whose template files are loaded.
    #[must_use]
    pub fn template_directory(mut self, directory: impl Into<PathBuf>) -> Self {
        self.directory = Some(directory.into());
        self
    }

    /// Lets a template whose content changed replace the kept one of the same version, for new tasks.
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

    /// Only this template is needed: files that are broken, or have changed without a new version, and are
    /// about others are left out.
    #[must_use]
    pub(crate) fn wanting(mut self, template: &str) -> Self {
        self.wanted = Some(template.to_owned());
        self
    }

    /// No templates but those the tasks started with, which the database keeps: for looking at tasks, and for
    /// what operators ask of them.
    #[must_use]
    pub(crate) fn kept_only(mut self) -> Self {
        self.kept_only = true;
        self
    }

    /// Opens the database, checks everything and starts to run tasks.
    ///
    /// # Errors
    /// When handlers, templates and state do not fit together, a template changed, or the database does
    /// not answer.
    pub async fn start(self) -> Result<Tasker, StartError> {
        self.prepare()?.start().await
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
    pub(crate) async fn resume(self, task: Uuid) -> Result<Option<(Tasker, Watch)>, StartError> {
        let partial = self.partial;
        self.kept_only().with_client().parts(false, true)?.resume(task, partial).await
    }

    /// The handlers and the templates, without a database.
    ///
    /// # Errors
    /// When templates have mistakes.
    pub(crate) fn templates(mut self) -> Result<(Registry, Catalog), StartError> {
        self.gather().map(|gathered| (gathered.registry, gathered.catalog))
    }

    /// As [`connect`](Self::connect), with the checks of a start.
    ///
    /// # Errors
    /// As [`start`](Self::start).
    pub(crate) async fn connect_checked(self) -> Result<Tasker, StartError> {
        self.with_client().parts(true, false)?.start().await
    }

    /// Makes the checks of a start that need no database.
    ///
    /// # Errors
    /// As [`start`](Self::start), without those of a database.
    pub(crate) fn prepare(self) -> Result<Prepared, StartError> {
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

    /// Makes the checks of a start, and starts nothing. Returns what is not wrong but may not be meant.
    ///
    /// # Errors
    /// As [`start`](Self::start), without those of a database.
    pub(crate) fn check(mut self) -> Result<Vec<String>, StartError> {
        let Gathered { registry, catalog, .. } = self.gather()?;
        check(&registry, catalog.iter().map(AsRef::as_ref), &self.states, self.partial)
    }

    /// Says that a program will give a value of type `T` to its handlers.
    pub(crate) fn promise_state<T: 'static>(mut self) -> Self {
        self.states.promise::<T>();
        self
    }

    /// Finds handlers and templates.
    fn gather(&mut self) -> Result<Gathered, StartError> {
        let discovered = self.registry.is_none() && !self.undiscovered;
        let linked = discovered.then(Registration::linked).into_iter().flatten();
        let handlers = std::mem::take(&mut self.handlers);
        let registry = self.registry.take().unwrap_or_else(|| Registry::of(linked.chain(handlers)));
        let registry = registry.with_aliases(std::mem::take(&mut self.aliases));
        if self.kept_only {
            return Ok(Gathered { registry, catalog: Catalog::default(), left_out: Vec::new() });
        }
        let (mut catalog, broken) = Catalog::read(self.directory.as_deref(), None);
        let in_the_way = |file: &Broken| self.wanted.as_ref().is_none_or(|wanted| file.may_be(wanted));
        let (in_the_way, passed_over): (Vec<_>, Vec<_>) = broken.into_iter().partition(in_the_way);
        let mut reports: Vec<String> = in_the_way.into_iter().map(|file| file.report).collect();
        if discovered {
            reports.extend(catalog.add_linked());
        }
        if !reports.is_empty() {
            return Err(StartError::Templates { reports });
        }
        for template in std::mem::take(&mut self.templates) {
            catalog.add(template);
        }
        if !catalog.conflicts().is_empty() {
            return Err(StartError::Templates { reports: catalog.conflicts().to_vec() });
        }
        let most = self.max_decision_depth.unwrap_or(DECISIONS);
        let wanted = |template: &&Arc<Template>| {
            let is = |wanted: &String| *wanted == full_name(template) || wanted == template.name();
            self.wanted.as_ref().is_none_or(is)
        };
        catalog.iter().filter(wanted).try_for_each(|template| nested(template, most))?;
        Ok(Gathered { registry, catalog, left_out: passed_over.iter().map(Broken::left_out).collect() })
    }

    /// Puts the parts together, and asks no database yet.
    fn parts(mut self, checked: bool, run: bool) -> Result<Prepared, StartError> {
        let Gathered { registry, catalog, left_out } = self.gather()?;
        let warnings = if checked {
            check(&registry, catalog.iter().map(AsRef::as_ref), &self.states, self.partial)?
        } else {
            Vec::new()
        };
        let url = self.url.or_else(|| std::env::var("DATABASE_URL").ok().filter(|url| !url.is_empty()));
        Ok(Prepared {
            store: self.store,
            url: url.unwrap_or_else(|| "sqlite://tasker.db".to_owned()),
            options: self.options,
            clock: self.clock,
            registry: Arc::new(registry),
            catalog,
            replace: self.replace,
            states: Arc::new(self.states),
            served: self.served,
            settings: self.settings,
            warnings,
            left_out,
            wanted: self.wanted,
            run,
        })
    }
}

/// The handlers and the templates, out of which everything is made.
struct Gathered {
    registry: Registry,
    catalog: Catalog,
    /// Template files that are passed over, each in one line.
    left_out: Vec<String>,
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
