//! The smallest template around one step: what it reads before it, what it names after it.

use std::{sync::Arc, time::Duration};

use super::StepRun;
use crate::{
    handler::{HandlerSpec, Need, Role, StepHandler, Upstream},
    model::{HandlerKey, Json, Served, StepError, StepIndex},
    orchestration::compiled::{CompiledTemplate, Defaults},
    registry::{Registration, Registry},
    template::{Step, StepKind, Template},
};

/// A step, where it stands and what is known there.
pub(super) struct Scene {
    pub template: Arc<Template>,
    pub step: u32,
    /// By the number of the step.
    pub results: Vec<Upstream>,
    /// For a compensation: the result of what it undoes.
    pub compensates: Option<Json>,
}

impl Scene {
    /// The scene that a test describes.
    pub(super) fn of(run: &StepRun) -> Result<Self, StepError> {
        let spec = run.handler.spec();
        let compensated = spec.compensates.as_ref().map(|compensated| &*compensated.name);
        let (mut before, mut results, mut compensates) = (Vec::new(), Vec::new(), None);
        for (name, given) in &run.results {
            match given {
                Upstream::Complete(json) if compensated == Some(name.as_str()) => {
                    compensates = Some(json.clone());
                }
                _ => {
                    before.push(name.as_str());
                    results.push(given.clone());
                }
            }
        }
        if let Some(compensated) = compensated.filter(|_| compensates.is_none()) {
            return Err(not_given(compensated));
        }
        let read = |name: &str| {
            spec.needs.iter().any(|need| matches!(need, Need::Step { name: read, .. } if *read == name))
        };
        if let Some(name) = before.iter().find(|name| !run.reads_more && !read(name)) {
            return Err(not_read(run, name));
        }
        for &need in &spec.needs {
            let Need::Step { name, optional, .. } = need else { continue };
            if before.contains(&name) || compensated == Some(name) {
                continue;
            }
            if !optional {
                return Err(not_given(name));
            }
            before.push(name);
            results.push(Upstream::NotTaken);
        }
        let template = template(run, &spec, &before).map_err(|report| {
            let message = format!("no template can have such a step: {report}");
            StepError::permanent("IMPOSSIBLE_STEP", message)
        })?;
        let step = u32::try_from(before.len()).unwrap_or(u32::MAX);
        Ok(Self { template: Arc::new(template), step, results, compensates })
    }
}

fn not_read(run: &StepRun, name: &str) -> StepError {
    let handler = run.handler.name();
    let message = format!(
        "the test gives a result of `{name}`, which `{handler}` does not read: mark a parameter of it with \
         `#[depends_on({name})]`, or leave the result out"
    );
    StepError::permanent("NOT_READ", message)
}

fn not_given(name: &str) -> StepError {
    let message = format!(
        "the test gives no result of `{name}`: add `.result_of::<{name}>(&…)` or `.result_of_step(\"{name}\", &…)`"
    );
    StepError::permanent("NOT_GIVEN", message)
}

fn template(run: &StepRun, spec: &HandlerSpec, before: &[&str]) -> Result<Template, crate::template::Report> {
    let builder = Template::builder("one_step").namespace(spec.namespace.as_deref().unwrap_or("default"));
    let builder = before.iter().fold(builder, |builder, name| builder.step(calling(name)));
    let compensated = spec.compensates.as_ref();
    let own_key = || HandlerKey::new(spec.namespace.as_deref(), run.handler.name());
    let key = compensated.map_or_else(own_key, |compensated| compensated.key.clone());
    let own = safe(compensated.map_or(run.handler.name(), |compensated| &compensated.name));
    let mut step = Step::new(own.clone()).handler(key.as_str()).after(before.iter().map(|name| safe(name)));
    step.handler.initialization = run.config.clone();
    let after: Vec<Step> = match &spec.role {
        Role::Decision(routes) => {
            step.kind = StepKind::Decision;
            routes.iter().map(|route| calling(route).after([own.as_str()])).collect()
        }
        Role::BatchAnalyzer(worker) => {
            step.kind = StepKind::Batchable;
            vec![calling(worker).kind(StepKind::BatchWorker).after([own.as_str()])]
        }
        _ => Vec::new(),
    };
    after.into_iter().fold(builder.step(step), |builder, step| builder.step(step)).build()
}

fn calling(handler: &str) -> Step {
    Step::new(safe(handler)).handler(handler)
}

/// A handler may have a name that no step can have, such as a Rust path.
fn safe(name: &str) -> String {
    let allowed = |letter: char| letter.is_ascii_alphanumeric() || letter == '_' || letter == '-';
    name.chars().map(|letter| if allowed(letter) { letter } else { '_' }).collect()
}

/// Whether the engine could follow this result.
pub(super) fn check(
    handler: &'static dyn StepHandler,
    template: Arc<Template>,
    step: u32,
    result: &Json,
) -> Result<(), StepError> {
    let registry = Registry::of([Registration::new(handler, file!(), line!(), module_path!())]);
    // Nothing is run here.
    let defaults = Defaults { timeout: Duration::ZERO };
    let compiled = CompiledTemplate::new(template, &registry, &Served::default(), defaults);
    compiled.check_schema(StepIndex::of(step), result)?;
    compiled.rules().checked(StepIndex::of(step), result.clone()).map(drop)
}
