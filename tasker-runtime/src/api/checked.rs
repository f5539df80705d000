//! Starts what a [`Builder`](super::Builder) put together, once the database answers.

use std::{
    collections::BTreeSet,
    sync::{Arc, atomic::AtomicU64},
};

use tokio::sync::Mutex;
use uuid::Uuid;

use super::{Catalog, StartError, Tasker, Watch, builder, tasker::Inner};
use crate::{
    clock::Clock,
    dispatch::{
        Engine, engine::EngineConfig, notify::Notifier, settings::Settings, submitter::Submitter,
        watch::Watchers,
    },
    handler::{States, Subscriber},
    model::Served,
    orchestration::{
        compiled::Defaults,
        plans::CompiledTemplates,
        schedules,
        templates::{self, Kept},
        view,
    },
    registry::{LiveRegistry, Registry, catalog::full_name},
    store::{self, Store},
    template::Template,
};

/// Everything a [`Tasker`] is made of but its database: what [`Builder::check`](super::Builder::check) found to fit
/// together.
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
/// # std::env::set_current_dir(std::env::temp_dir())?;
/// let checked = Tasker::builder().database("sqlite::memory:").check()?;
/// assert!(checked.warnings().is_empty());
/// // A database that is away may be tried again and again.
/// let tasker = checked.start().await?;
/// let said: String = tasker.run("greeting", "ada").await?;
/// assert_eq!(said, "hello ada");
/// # Ok(())
/// # }
/// ```
pub struct Checked {
    /// The database, where it is open already.
    pub(super) store: Option<Store>,
    pub(super) url: String,
    /// Who gives commands where nobody else is named.
    pub(super) actor: Arc<str>,
    pub(super) options: store::Options,
    pub(super) clock: Option<Clock>,
    pub(super) registry: Arc<LiveRegistry>,
    pub(super) catalog: Catalog,
    pub(super) replace: bool,
    pub(super) states: Arc<States>,
    pub(super) subscribers: Vec<Subscriber>,
    pub(super) served: Served,
    pub(super) settings: Settings,
    pub(super) warnings: Vec<String>,
    /// Template files that are passed over, each in one line.
    pub(super) left_out: Vec<String>,
    /// The one template that is needed; all, when none is named.
    pub(super) wanted: Option<String>,
    /// Whether tasks are run, and not only submitted and looked at.
    pub(super) run: bool,
}

/// A database that answers, and what is known of the templates in it.
struct Connected {
    store: Store,
    clock: Clock,
    catalog: Catalog,
    plans: Arc<CompiledTemplates>,
    left_out: Vec<String>,
}

impl std::fmt::Debug for Checked {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Checked").field("warnings", &self.warnings).finish_non_exhaustive()
    }
}

impl Checked {
    /// What is not wrong but may not be meant, such as handlers that no template uses.
    #[must_use]
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// The templates and the handlers.
    pub(crate) fn shapes(&self) -> (&Catalog, Arc<Registry>) {
        (&self.catalog, self.registry.current())
    }

    /// Opens the database and starts. May be called again after it failed.
    ///
    /// # Errors
    /// When a template changed, or the database does not do its part.
    pub async fn start(&self) -> Result<Tasker, StartError> {
        let connected = self.open().await?;
        let queues = connected.catalog.iter().map(|template| template.namespace().to_owned()).collect();
        self.launch(connected, queues, Watchers::default()).await
    }

    /// Opens the database and starts for the queue of `task`, which is watched from the first moment; `None`
    /// when there is no such task.
    ///
    /// # Errors
    /// When the handlers do not fit the template of the task, or the database does not do its part.
    pub(super) async fn resume(
        &self,
        task: Uuid,
        partial: bool,
    ) -> Result<Option<(Tasker, Watch)>, StartError> {
        let connected = self.open().await?;
        let found = view::find(&mut connected.store.reader().await?, task).await?;
        let Some((stored, _)) = found else { return Ok(None) };
        let plan = connected.plans.kept(stored.template).await?;
        builder::check(&self.registry.current(), [&*plan.template], &self.states, partial)?;
        let watchers = Watchers::default();
        let watch = Watch::new(task, Some(watchers.add(task)));
        let tasker = self.launch(connected, BTreeSet::from([stored.queue]), watchers).await?;
        Ok(Some((tasker, watch)))
    }

    async fn open(&self) -> Result<Connected, StartError> {
        let store = match &self.store {
            Some(store) => store.clone(),
            None => Store::open(&self.url, self.options).await?,
        };
        let clock = self.clock.clone().unwrap_or_else(Clock::system);
        let asked = clock.now();
        if let Some(time) = store.now().await? {
            clock.follow(time, asked);
        }
        let defaults = Defaults { timeout: self.settings.step_timeout };
        let (registry, served) = (self.registry.clone(), self.served.clone());
        let plans = Arc::new(CompiledTemplates::new(store.clone(), registry, served, defaults));
        let (catalog, left_out) = (self.catalog.clone(), self.left_out.clone());
        let mut connected = Connected { store, clock, catalog, plans, left_out };
        self.keep_templates(&mut connected).await?;
        Ok(connected)
    }

    async fn launch(
        &self,
        connected: Connected,
        queues: BTreeSet<String>,
        watchers: Watchers,
    ) -> Result<Tasker, StartError> {
        let Connected { store, clock, catalog, plans, left_out } = connected;
        let notifier = Notifier::start(&store, self.settings.wake.listens());
        let engine = if self.run {
            let parts = EngineConfig {
                store: store.clone(),
                states: self.states.clone(),
                subscribers: self.subscribers.clone(),
                plans: plans.clone(),
                catalog: Arc::new(catalog.clone()),
                queues: queues.into_iter().filter(|queue| self.served.has(queue)).collect(),
                served: self.served.clone(),
                settings: self.settings.clone(),
                clock: clock.clone(),
                notifier: notifier.clone(),
                watchers,
            };
            Some(Engine::start(parts).await?)
        } else {
            None
        };
        let submitter = Submitter::new(&store);
        let inner = Inner {
            store,
            clock,
            catalog,
            plans,
            states: self.states.clone(),
            engine,
            notifier,
            submitter,
            looks: AtomicU64::new(0),
            horizon: Mutex::default(),
            warnings: self.warnings.clone(),
            left_out,
        };
        Ok(Tasker { inner: Arc::new(inner), actor: self.actor.clone(), reason: None })
    }

    /// Keeps the templates in the database; the catalog then knows their numbers there. One that changed is
    /// left out where another one is wanted.
    async fn keep_templates(&self, connected: &mut Connected) -> Result<(), StartError> {
        let wanted = |template: &Arc<Template>| {
            let is = |name: &String| self.catalog.find(name).is_ok_and(|found| Arc::ptr_eq(found, template));
            self.wanted.as_ref().is_none_or(is)
        };
        let mut changed = Vec::new();
        let mut connection = connected.store.writer().await?;
        let now = connected.clock.now();
        for known in connected.catalog.known_mut() {
            match templates::keep(&mut connection, &known.template, now, self.replace).await? {
                Kept::As(number) => {
                    known.number = number;
                    connected.plans.add(number, known.template.clone());
                }
                Kept::Differs => {
                    let (name, version) = (full_name(&known.template), known.template.version().to_string());
                    let error = StartError::Changed { name, version };
                    if wanted(&known.template) {
                        return Err(error);
                    }
                    connected.left_out.push(error.to_string());
                    changed.push(known.template.clone());
                }
            }
        }
        changed.iter().for_each(|template| connected.catalog.remove(template));
        schedules::keep(&mut connection, &connected.catalog, now).await?;
        Ok(())
    }
}
