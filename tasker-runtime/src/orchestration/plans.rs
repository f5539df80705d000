//! The templates this process has compiled, each once for all who look at tasks or run them.

use std::{
    collections::HashMap,
    sync::{Arc, PoisonError, RwLock},
};

use super::{
    commands::Known,
    compiled::{CompiledTemplate, Defaults},
    templates,
};
use crate::{
    model::Served,
    registry::{LiveRegistry, Registration, Schema},
    store::{self, Store},
    template::Template,
};

/// The compiled templates of a process, by the number of their kept content. What was compiled before the
/// registry gained a handler is compiled anew when it is next asked for.
pub(crate) struct CompiledTemplates {
    store: Store,
    registry: Arc<LiveRegistry>,
    served: Served,
    defaults: Defaults,
    known: RwLock<HashMap<i64, Arc<CompiledTemplate>>>,
}

/// Why a kept template cannot be run here.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TemplateError {
    #[error("the template of this task is missing from the store")]
    Missing,
    #[error("the template of this task cannot be read: {0}")]
    Unreadable(String),
    #[error(transparent)]
    Store(#[from] store::Error),
}

impl CompiledTemplates {
    pub(crate) fn new(store: Store, registry: Arc<LiveRegistry>, served: Served, defaults: Defaults) -> Self {
        Self { store, registry, served, defaults, known: RwLock::default() }
    }

    /// The handlers they are compiled with.
    pub(crate) fn registry(&self) -> &Arc<LiveRegistry> {
        &self.registry
    }

    /// Compiles the template that is kept under this number, unless that is done.
    pub(crate) fn add(&self, number: i64, template: Arc<Template>) -> Arc<CompiledTemplate> {
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        let registry = self.registry.current();
        let compiled = match known.get(&number) {
            Some(compiled) if compiled.epoch == registry.epoch() => return compiled.clone(),
            Some(older) => older.renewed(&registry, &self.served, self.defaults),
            None => CompiledTemplate::new(template, &registry, &self.served, self.defaults),
        };
        let compiled = Arc::new(compiled);
        known.insert(number, compiled.clone());
        compiled
    }

    /// The template with this number, read from the store when this process does not know it yet.
    pub(crate) async fn get(&self, number: i64) -> Result<Arc<CompiledTemplate>, TemplateError> {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner).get(&number).cloned();
        match known {
            Some(compiled) if compiled.epoch == self.registry.epoch() => return Ok(compiled),
            Some(older) => return Ok(self.add(number, older.template.clone())),
            None => {}
        }
        let mut connection = self.store.reader().await?;
        let content = templates::content(&mut connection, number).await?.ok_or(TemplateError::Missing)?;
        let template = Template::from_canonical(&content)
            .map_err(|report| TemplateError::Unreadable(report.to_string()))?;
        let events = template.steps().iter().flat_map(|step| &step.publishes_events);
        let events = events.filter_map(|event| event.schema.as_ref());
        for schema in template.steps().iter().filter_map(tasker_template::Step::result_schema).chain(events) {
            Schema::new(schema).map_err(TemplateError::Unreadable)?;
        }
        Ok(self.add(number, Arc::new(template)))
    }

    /// The template with `handler` for the step `no`, as another process resolved what it calls.
    pub(crate) fn bound(
        &self,
        compiled: Arc<CompiledTemplate>,
        no: u32,
        handler: &Registration,
    ) -> Arc<CompiledTemplate> {
        let bound = compiled.bound(no, handler, &self.registry.current(), self.defaults);
        bound.map_or(compiled, Arc::new)
    }

    /// What is known here of the template with this number.
    pub(crate) async fn known(&self, number: i64) -> store::Result<Known> {
        let compiled = self.kept(number).await?;
        Ok(Known { rules: compiled.rules().clone(), whole: compiled.is_whole() })
    }

    /// As [`get`](Self::get), for those to whom a template that is not there is a fault of the database.
    pub(crate) async fn kept(&self, number: i64) -> store::Result<Arc<CompiledTemplate>> {
        self.get(number).await.map_err(|problem| match problem {
            TemplateError::Store(error) => error,
            problem => store::Error::Corrupt { what: problem.to_string() },
        })
    }
}
