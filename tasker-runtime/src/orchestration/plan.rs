//! Turns a template and the registry into the rules a task follows.

use std::{sync::Arc, time::Duration};

use jsonschema::Validator;
use tasker_template::{FailureStrategy, RetryOptions, Step, StepKind, Template};

use crate::{
    handler::StepHandler,
    model::{
        BatchRule, Compensation, HandlerKey, Json, Retry, Rule, Rules, StepError, StepNo,
        task_loop::{Route, Routes},
    },
    orchestration::queues::Served,
    registry::{Registration, Registry},
};

/// A template ready to run: its rules, and the handler of each step where this process has it.
pub(crate) struct Plan {
    pub template: Arc<Template>,
    /// Its rules, and where its steps can run.
    pub routes: Arc<Routes>,
    pub handlers: Vec<Option<&'static dyn StepHandler>>,
    /// What the results of steps must look like, where the template says so.
    results: Vec<Option<Validator>>,
    /// What undoes each step, where something does.
    pub compensators: Vec<Option<&'static dyn StepHandler>>,
}

/// What holds where neither the template nor the handler says anything.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Defaults {
    /// How long one attempt may take.
    pub timeout: Duration,
}

impl Plan {
    pub(crate) fn new(
        template: Arc<Template>,
        registry: &Registry,
        defaults: Defaults,
        served: &Served,
    ) -> Self {
        let steps = template.steps();
        let found = |step: &Step| registry.find(template.namespace(), &step.handler.callable).ok();
        let found: Vec<Option<&Registration>> = steps.iter().map(found).collect();
        let handlers: Vec<_> = found.iter().map(|found| found.map(Registration::handler)).collect();
        let compensator = |found: &Option<&Registration>| registry.compensator_of((*found)?);
        let compensators: Vec<_> =
            found.iter().map(|found| compensator(found).map(Registration::handler)).collect();
        let mut rules: Vec<Rule> = (0u32..)
            .zip(steps.iter().zip(&handlers))
            .map(|(no, (step, handler))| rule(&template, no, step, *handler, defaults))
            .collect();
        for (rule, (handler, compensator)) in rules.iter_mut().zip(handlers.iter().zip(&compensators)) {
            rule.compensation = match (handler, compensator) {
                (Some(_), None) => None,
                (_, Some(compensator)) => Some(compensation(*compensator, defaults)),
                // Whether the step is undone, only those who have its handler know.
                (None, None) => Some(Compensation { retry: rule.retry, timeout: rule.timeout }),
            };
        }
        let rules = Arc::new(Rules { steps: rules, on_failure: template.on_failure() });
        // An invalid schema was refused when the template was read.
        let schema = |step: &Step| jsonschema::validator_for(step.result_schema.as_ref()?).ok();
        let results = steps.iter().map(schema).collect();
        let route = |(step, (handler, compensator)): (&Step, (&Option<_>, &Option<_>))| {
            route(template.namespace(), step, *handler, *compensator, served)
        };
        let routes = steps.iter().zip(handlers.iter().zip(&compensators)).map(route).collect();
        let routes = Arc::new(Routes { rules, steps: routes });
        Self { template, routes, handlers, compensators, results }
    }

    /// The rules its tasks follow.
    pub(crate) fn rules(&self) -> &Arc<Rules> {
        &self.routes.rules
    }

    /// Whether `result` has the shape that the template asks of step `no`.
    ///
    /// # Errors
    /// When it breaks the step's schema: the step has then failed for good.
    pub(crate) fn check_schema(&self, no: StepNo, result: &Json) -> Result<(), StepError> {
        let schema = self.results.get(no.step() as usize).filter(|_| no.undoes().is_none());
        let Some(Some(schema)) = schema else { return Ok(()) };
        let result = result.to_value();
        let problems: Vec<String> = schema
            .iter_errors(&result)
            .map(|error| format!("result{}: {error}", error.instance_path().to_string().replace('/', ".")))
            .collect();
        if problems.is_empty() {
            Ok(())
        } else {
            Err(StepError::permanent("INVALID_RESULT", problems.join("; ")))
        }
    }
}

fn route(
    namespace: &str,
    step: &Step,
    handler: Option<&dyn StepHandler>,
    compensator: Option<&dyn StepHandler>,
    served: &Served,
) -> Route {
    let own = step.queue.as_deref().or(handler.and_then(|handler| handler.facts().queue));
    let queue = own.unwrap_or(namespace).to_owned();
    Route {
        handler: HandlerKey::from(handler.map_or(&*step.handler.callable, StepHandler::name)),
        priority: step.priority,
        runs_here: handler.is_some() && served.has(&queue),
        compensates_here: compensator.is_some(),
        queue,
    }
}

fn rule(
    template: &Template,
    no: u32,
    step: &Step,
    handler: Option<&dyn StepHandler>,
    defaults: Defaults,
) -> Rule {
    let facts = handler.map(StepHandler::facts);
    let options = step.retry.or(facts.map_or(&RetryOptions::default(), |facts| &facts.retry));
    Rule {
        name: step.name.clone(),
        kind: step.kind,
        dependencies: template.dependencies(no).into(),
        dependents: template.dependents(no).into(),
        retry: retry(&options),
        timeout: Some(step.timeout.or(facts.and_then(|facts| facts.timeout)).unwrap_or(defaults.timeout)),
        batch: batch(template, no, step),
        compensation: None,
    }
}

/// What its attribute says: templates say how a step runs, not how it is undone.
fn compensation(handler: &dyn StepHandler, defaults: Defaults) -> Compensation {
    let facts = handler.facts();
    Compensation { retry: retry(&facts.retry), timeout: Some(facts.timeout.unwrap_or(defaults.timeout)) }
}

fn retry(options: &RetryOptions) -> Retry {
    let plain = Retry::default();
    let base = options.base.unwrap_or(plain.base);
    Retry {
        max_attempts: match options.retryable {
            Some(false) => 1,
            _ => options.max_attempts.unwrap_or(plain.max_attempts),
        },
        backoff: options.backoff.unwrap_or(plain.backoff),
        base,
        // Who asks for a delay longer than the usual most means it.
        cap: options.max.unwrap_or(plain.cap.max(base)),
        max_suggested: options.max.unwrap_or(plain.max_suggested),
    }
}

fn batch(template: &Template, no: u32, step: &Step) -> Option<BatchRule> {
    if step.kind != StepKind::BatchWorker {
        return None;
    }
    let is_analyzer = |&&of: &&u32| template.steps()[of as usize].kind == StepKind::Batchable;
    let analyzer = template.dependencies(no).iter().find(is_analyzer).copied()?;
    // Either of the two may say it; the worker goes first.
    let configs =
        || [step.batch.as_ref(), template.steps()[analyzer as usize].batch.as_ref()].into_iter().flatten();
    let parallelism = configs().find_map(|config| config.parallelism).unwrap_or(u32::MAX);
    let said = |strategy: &FailureStrategy| *strategy != FailureStrategy::default();
    let strategy = configs().map(|config| config.failure_strategy).find(said).unwrap_or_default();
    Some(BatchRule { analyzer, parallelism, strategy })
}
