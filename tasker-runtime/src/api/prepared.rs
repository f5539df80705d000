//! Starts what a [`Builder`](super::Builder) put together, once the database answers.

use std::{collections::BTreeSet, sync::Arc};

use uuid::Uuid;

use super::{Catalog, StartError, Tasker, Watch, builder, catalog::full_name, tasker::Inner};
use crate::{
    clock::Clock,
    dispatch::{Engine, announce::Announcer, engine::Parts, settings::Settings, watch::Watchers},
    handler::States,
    model::Served,
    orchestration::{
        compiled::Defaults,
        plans::CompiledTemplates,
        templates::{self, Kept},
        view,
    },
    registry::LiveRegistry,
    store::{self, Store},
    template::Template,
};

/// Everything a [`Tasker`] is made of but its database. What fits together without one was checked.
pub(crate) struct Prepared {
    /// The database, where it is open already.
    pub store: Option<Store>,
    pub url: String,
    pub options: store::Options,
    pub clock: Option<Clock>,
    pub registry: Arc<LiveRegistry>,
    pub catalog: Catalog,
    pub replace: bool,
    pub states: Arc<States>,
    pub served: Served,
    pub settings: Settings,
    pub warnings: Vec<String>,
    /// Template files that are passed over, each in one line.
    pub left_out: Vec<String>,
    /// The one template that is needed; all, when none is named.
    pub wanted: Option<String>,
    /// Whether tasks are run, and not only submitted and looked at.
    pub run: bool,
}

/// A database that answers, and what is known of the templates in it.
struct Opened {
    store: Store,
    clock: Clock,
    catalog: Catalog,
    plans: Arc<CompiledTemplates>,
    left_out: Vec<String>,
}

impl Prepared {
    /// Opens the database and starts. May be called again after it failed.
    ///
    /// # Errors
    /// When a template changed, or the database does not do its part.
    pub(crate) async fn start(&self) -> Result<Tasker, StartError> {
        let opened = self.open().await?;
        let queues = opened.catalog.iter().map(|template| template.namespace().to_owned()).collect();
        self.launch(opened, queues, Watchers::default()).await
    }

    /// Opens the database and starts for the queue of `task`, which is watched from the first moment; `None`
    /// when there is no such task.
    ///
    /// # Errors
    /// When the handlers do not fit the template of the task, or the database does not do its part.
    pub(crate) async fn resume(
        &self,
        task: Uuid,
        partial: bool,
    ) -> Result<Option<(Tasker, Watch)>, StartError> {
        let opened = self.open().await?;
        let found = view::find(&mut opened.store.reader().await?, task).await?;
        let Some((stored, _)) = found else { return Ok(None) };
        let plan = opened.plans.kept(stored.template).await?;
        builder::check(&self.registry.current(), [&*plan.template], &self.states, partial)?;
        let watchers = Watchers::default();
        let watch = Watch::new(task, Some(watchers.add(task)));
        let tasker = self.launch(opened, BTreeSet::from([stored.queue]), watchers).await?;
        Ok(Some((tasker, watch)))
    }

    async fn open(&self) -> Result<Opened, StartError> {
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
        let mut opened = Opened { store, clock, catalog, plans, left_out };
        self.keep_templates(&mut opened).await?;
        Ok(opened)
    }

    async fn launch(
        &self,
        opened: Opened,
        queues: BTreeSet<String>,
        watchers: Watchers,
    ) -> Result<Tasker, StartError> {
        let Opened { store, clock, catalog, plans, left_out } = opened;
        let announcer = Announcer::start(&store, self.settings.wake.listens());
        let engine = if self.run {
            let parts = Parts {
                store: store.clone(),
                states: self.states.clone(),
                plans: plans.clone(),
                queues: queues.into_iter().filter(|queue| self.served.has(queue)).collect(),
                served: self.served.clone(),
                settings: self.settings.clone(),
                clock: clock.clone(),
                announcer: announcer.clone(),
                watchers,
            };
            Some(Engine::start(parts).await?)
        } else {
            None
        };
        let warnings = self.warnings.clone();
        let states = self.states.clone();
        let inner = Inner { store, clock, catalog, plans, states, engine, announcer, warnings, left_out };
        Ok(Tasker { inner: Arc::new(inner) })
    }

    /// Keeps the templates in the database; the catalog then knows their numbers there. One that changed is
    /// left out where another one is wanted.
    async fn keep_templates(&self, opened: &mut Opened) -> Result<(), StartError> {
        let wanted = |template: &Arc<Template>| {
            let is = |name: &String| self.catalog.find(name).is_ok_and(|found| Arc::ptr_eq(found, template));
            self.wanted.as_ref().is_none_or(is)
        };
        let mut changed = Vec::new();
        let mut connection = opened.store.writer().await?;
        let now = opened.clock.now();
        for known in opened.catalog.known_mut() {
            match templates::keep(&mut connection, &known.template, now, self.replace).await? {
                Kept::As(number) => {
                    known.number = number;
                    opened.plans.add(number, known.template.clone());
                }
                Kept::Differs => {
                    let (name, version) = (full_name(&known.template), known.template.version().to_string());
                    let error = StartError::Changed { name, version };
                    if wanted(&known.template) {
                        return Err(error);
                    }
                    opened.left_out.push(error.to_string());
                    changed.push(known.template.clone());
                }
            }
        }
        changed.iter().for_each(|template| opened.catalog.remove(template));
        Ok(())
    }
}
