//! Starts what a [`Builder`](super::Builder) put together, once the database answers.

use std::{collections::BTreeSet, sync::Arc};

use super::{Catalog, StartError, Tasker, catalog::full_name, tasker::Inner};
use crate::{
    clock::Clock,
    dispatch::{
        Engine,
        announce::Announcer,
        engine::{Parts, Plans, Settings},
        queues::Served,
    },
    handler::States,
    orchestration::{
        plan::Defaults,
        templates::{self, Kept},
    },
    registry::Registry,
    store::{self, Store},
};

/// Everything a [`Tasker`] is made of but its database. What fits together without one was checked.
pub(crate) struct Prepared {
    /// The database, where it is open already.
    pub store: Option<Store>,
    pub url: String,
    pub options: store::Options,
    pub clock: Option<Clock>,
    pub registry: Arc<Registry>,
    pub catalog: Catalog,
    pub replace: bool,
    pub states: Arc<States>,
    pub served: Served,
    pub settings: Settings,
    pub warnings: Vec<String>,
    /// Whether tasks are run, and not only submitted and looked at.
    pub run: bool,
}

impl Prepared {
    /// Opens the database and starts. May be called again after it failed.
    ///
    /// # Errors
    /// When a template changed, or the database does not do its part.
    pub(crate) async fn start(&self) -> Result<Tasker, StartError> {
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
        let plans = || Plans::new(store.clone(), self.registry.clone(), defaults);
        let (running, viewing) = (plans(), plans());
        let catalog = self.keep_templates(&store, &clock, [&running, &viewing]).await?;
        let announcer = Announcer::start(&store, self.settings.wake.listens());
        let engine = if self.run {
            let queues = catalog.iter().map(|template| template.namespace());
            let queues: BTreeSet<&str> = queues.filter(|queue| self.served.has(queue)).collect();
            let parts = Parts {
                store: store.clone(),
                registry: self.registry.clone(),
                states: self.states.clone(),
                plans: running,
                queues: queues.into_iter().map(str::to_owned).collect(),
                served: self.served.clone(),
                settings: self.settings.clone(),
                clock: clock.clone(),
                announcer: announcer.clone(),
            };
            Some(Engine::start(parts).await?)
        } else {
            None
        };
        let (registry, warnings) = (self.registry.clone(), self.warnings.clone());
        let inner = Inner { store, clock, catalog, registry, plans: viewing, engine, announcer, warnings };
        Ok(Tasker { inner: Arc::new(inner) })
    }

    /// Keeps the templates in the database; the catalog that is returned knows their numbers there.
    async fn keep_templates(
        &self,
        store: &Store,
        clock: &Clock,
        plans: [&Plans; 2],
    ) -> Result<Catalog, StartError> {
        let mut catalog = self.catalog.clone();
        let mut connection = store.writer().await?;
        for known in catalog.known_mut() {
            match templates::keep(&mut connection, &known.template, clock.now(), self.replace).await? {
                Kept::As(number) => known.number = number,
                Kept::Differs => {
                    return Err(StartError::Changed {
                        name: full_name(&known.template),
                        version: known.template.version().to_string(),
                    });
                }
            }
            for plans in plans {
                plans.add(known.number, known.template.clone());
            }
        }
        Ok(catalog)
    }
}
