//! Turns a template and the registry into the rules a task follows.

use std::{sync::Arc, time::Duration};

use tasker_template::{
    ChildInput, OnChildFailure, PublishedEvent, RetryOptions, Source, Step, StepKind, Template, TimerConfig,
};

use crate::{
    handler::{HandlerSpec, StepHandler},
    model::{
        BatchRule, Children, Compensation, Due, HandlerKey, Json, OnTimeout, PayloadCheck, Place,
        Publication, Retry, Rule, Rules, Served, SignalRefused, StepError, StepIndex, Target, Wait,
        task_loop::{Route, Routes},
    },
    registry::{Registration, Registry, Schema},
};

/// A template ready to run: its rules, and the handler of each step where this process has it.
pub(crate) struct CompiledTemplate {
    pub template: Arc<Template>,
    /// Its rules, and where its steps can run.
    pub routes: Arc<Routes>,
    /// The epoch of the registry it was compiled with.
    pub epoch: u64,
    /// The handler of each step, where this process has it.
    handlers: Vec<Option<Registration>>,
    /// What compensates each step, where something does.
    compensations: Vec<Option<Registration>>,
    /// What the results of steps must look like, where the template says so.
    results: Arc<[Option<Schema>]>,
}

/// What holds where neither the template nor the handler says anything.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Defaults {
    /// How long one attempt may take.
    pub timeout: Duration,
}

impl CompiledTemplate {
    pub(crate) fn new(
        template: Arc<Template>,
        registry: &Registry,
        served: &Served,
        defaults: Defaults,
    ) -> Self {
        // An invalid schema was refused when the template was read.
        let schema = |step: &Step| Schema::new(step.result_schema()?).ok();
        let results = template.steps().iter().map(schema).collect();
        Self::with(template, results, registry, served, defaults)
    }

    /// The same template, with what `registry` has gained since it was compiled.
    pub(crate) fn renewed(&self, registry: &Registry, served: &Served, defaults: Defaults) -> Self {
        Self::with(self.template.clone(), self.results.clone(), registry, served, defaults)
    }

    fn with(
        template: Arc<Template>,
        results: Arc<[Option<Schema>]>,
        registry: &Registry,
        served: &Served,
        defaults: Defaults,
    ) -> Self {
        let namespace: Arc<str> = template.namespace().into();
        let count = template.steps().len();
        let (mut rules, mut routes) = (Vec::with_capacity(count), Vec::with_capacity(count));
        let (mut handlers, mut compensations) = (Vec::with_capacity(count), Vec::with_capacity(count));
        for (no, step) in (0..).zip(template.steps()) {
            let handler =
                registry.find(&namespace, &step.handler.callable).ok().filter(|_| step.kind.has_handler());
            let compensation = handler.and_then(|handler| registry.compensation_of(handler));
            rules.push(rule(&template, no, (handler, compensation), defaults));
            routes.push(route(step, &namespace, (handler, compensation), served));
            handlers.push(handler.map(|handler| registry.wrapped(handler)));
            compensations.push(compensation.map(|handler| registry.wrapped(handler)));
        }
        let rules = Arc::new(Rules { steps: rules, on_failure: template.on_failure() });
        let (routes, epoch) = (Arc::new(Routes { rules, steps: routes }), registry.epoch());
        Self { template, routes, epoch, handlers, compensations, results }
    }

    /// The same template, with `handler` for the step `no` and all that call what it calls: another process
    /// resolved what the template writes. `None` where that is its handler already.
    pub(crate) fn bound(
        &self,
        no: u32,
        handler: &Registration,
        registry: &Registry,
        defaults: Defaults,
    ) -> Option<Self> {
        if self.key(StepIndex::of(no)) == Some(handler.key()) {
            return None;
        }
        let compensation = registry.compensation_of(handler);
        let mut rules = Rules::clone(self.rules());
        let (mut handlers, mut compensations) = (self.handlers.clone(), self.compensations.clone());
        let callable = &self.template.step(no)?.handler.callable;
        let steps = (0..).zip(self.template.steps()).filter(|(_, step)| step.handler.callable == *callable);
        for (no, place) in steps.map(|(no, _)| (no, no as usize)) {
            rules.steps[place] = rule(&self.template, no, (Some(handler), compensation), defaults);
            handlers[place] = Some(registry.wrapped(handler));
            compensations[place] = compensation.map(|handler| registry.wrapped(handler));
        }
        let routes = Arc::new(Routes { rules: Arc::new(rules), steps: self.routes.steps.clone() });
        let (template, results, epoch) = (self.template.clone(), self.results.clone(), self.epoch);
        Some(Self { template, routes, epoch, handlers, compensations, results })
    }

    /// The rules its tasks follow.
    pub(crate) fn rules(&self) -> &Arc<Rules> {
        &self.routes.rules
    }

    /// The key of the handler of a step or compensation, where it is here.
    pub(crate) fn key(&self, no: StepIndex) -> Option<&HandlerKey> {
        self.registered(no).map(Registration::key)
    }

    /// The handler of a step or compensation, where it is here.
    pub(crate) fn handler(&self, no: StepIndex) -> Option<&Arc<dyn StepHandler>> {
        self.registered(no).map(Registration::handler)
    }

    fn registered(&self, no: StepIndex) -> Option<&Registration> {
        let here = if no.compensates().is_some() { &self.compensations } else { &self.handlers };
        here.get(no.step() as usize)?.as_ref()
    }

    /// Whether the handler of every step is here.
    pub(crate) fn is_whole(&self) -> bool {
        let steps = self.handlers.iter().zip(self.template.steps());
        steps.into_iter().all(|(handler, step)| handler.is_some() || !step.kind.has_handler())
    }

    /// Whether `payload` has the shape that every step asks of signals of this name.
    ///
    /// # Errors
    /// When it has not.
    pub(crate) fn check_payload(&self, name: &str, payload: &Json) -> Result<(), SignalRefused> {
        for step in self.rules().steps_for_signal(Some(name)) {
            let problems = self.problems(StepIndex::of(step), "payload", payload);
            if !problems.is_empty() {
                return Err(SignalRefused::Payload { name: name.to_owned(), problem: problems.join("; ") });
            }
        }
        Ok(())
    }

    /// In what `json`, which is `what`, breaks the schema of a step.
    fn problems(&self, no: StepIndex, what: &str, json: &Json) -> Vec<String> {
        let schema = self.results.get(no.step() as usize).filter(|_| no.compensates().is_none());
        let Some(Some(schema)) = schema else { return Vec::new() };
        schema.problems(what, &json.to_value())
    }

    /// Whether `result` has the shape that the template asks of step `no`.
    ///
    /// # Errors
    /// When it breaks the step's schema: the step has then failed for good.
    pub(crate) fn check_schema(&self, no: StepIndex, result: &Json) -> Result<(), StepError> {
        let problems = self.problems(no, "result", result);
        if problems.is_empty() {
            Ok(())
        } else {
            Err(StepError::permanent("INVALID_RESULT", problems.join("; ")))
        }
    }
}

/// The handler of a step and what compensates it, where this process has them.
type Here<'a> = (Option<&'a Registration>, Option<&'a Registration>);

fn rule(template: &Template, no: u32, (handler, compensation): Here<'_>, defaults: Defaults) -> Rule {
    let step = &template.steps()[no as usize];
    let spec = handler.map(Registration::spec);
    let options = step.retry.or(spec.map_or(&RetryOptions::default(), |spec| &spec.retry));
    Rule {
        name: step.name.clone(),
        kind: step.kind,
        dependencies: template.dependencies(no).into(),
        dependents: template.dependents(no).into(),
        retry: retry(&options),
        timeout: Some(step.timeout.or(spec.and_then(|spec| spec.timeout)).unwrap_or(defaults.timeout)),
        batch: batch(template, no, step),
        wait: wait(template, step),
        publishes: publications(&step.publishes_events, handler),
        compensation_publishes: publications(&[], compensation),
        // Of a handler that is elsewhere, whoever calls it knows.
        rounds: spec.and_then(|spec| spec.rounds).map_or(0, |most| step.max_rounds.unwrap_or(most)),
        compensation: match handler {
            None if !step.kind.has_handler() => None,
            Some(_) => compensation.map(|compensation| compensation_rule(compensation.spec(), defaults)),
            None => Some(elsewhere(defaults)),
        },
    }
}

/// What a template says of the events of a step, and then what its handler says beside that.
fn publications(written: &[PublishedEvent], handler: Option<&Registration>) -> Arc<[Publication]> {
    let own = handler.map(Registration::spec).map_or(&[][..], |spec| &spec.publishes);
    let is_new = |event: &&PublishedEvent| {
        !written.iter().any(|other| other.name == event.name && other.condition == event.condition)
    };
    written.iter().chain(own.iter().filter(is_new)).map(publication).collect()
}

fn publication(event: &PublishedEvent) -> Publication {
    // An invalid schema was refused when the template was read.
    let schema = event.schema.as_ref().and_then(|schema| Schema::new(schema).ok());
    let check =
        |schema: Schema| PayloadCheck::new(move |payload| schema.problems("payload", &payload.to_value()));
    Publication {
        name: event.name.as_str().into(),
        condition: event.condition,
        mode: event.delivery_mode,
        check: schema.map(check),
    }
}

/// What its attribute says: templates say how a step runs, not how it is undone.
fn compensation_rule(spec: &HandlerSpec, defaults: Defaults) -> Compensation {
    let timeout = Some(spec.timeout.unwrap_or(defaults.timeout));
    Compensation { elsewhere: false, retry: retry(&spec.retry), timeout }
}

/// Of a step whose handler is not here: who has the handler decides.
fn elsewhere(defaults: Defaults) -> Compensation {
    Compensation { elsewhere: true, retry: Retry::default(), timeout: Some(defaults.timeout) }
}

fn route(step: &Step, namespace: &Arc<str>, (handler, compensation): Here<'_>, served: &Served) -> Route {
    let written = step.queue.as_deref().map(Arc::from);
    let target = match handler {
        Some(handler) => Target {
            handler: handler.key().clone(),
            namespace: None,
            queue: written.or_else(|| handler.spec().queue.clone()).or_else(|| Some(namespace.clone())),
        },
        None => Target {
            handler: step.handler.callable.as_str().into(),
            namespace: Some(namespace.clone()),
            queue: written,
        },
    };
    let is_served = target.queue.as_deref().is_some_and(|queue| served.has(queue));
    Route {
        target: Arc::new(target),
        priority: step.priority,
        runs_here: handler.is_some() && is_served,
        compensates_here: compensation.is_some(),
    }
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
    let strategy = configs().find_map(|config| config.failure_strategy).unwrap_or_default();
    Some(BatchRule { analyzer, parallelism, strategy })
}

/// What a step waits for besides other steps.
fn wait(template: &Template, step: &Step) -> Option<Wait> {
    if let Some(name) = step.signal_name() {
        let signal = step.signal.as_ref()?;
        let on_timeout = match &signal.on_timeout {
            tasker_template::OnTimeout::Fail => OnTimeout::Fail,
            tasker_template::OnTimeout::Skip => OnTimeout::Skip,
            tasker_template::OnTimeout::Default(value) => {
                OnTimeout::Default(Json::of(value).unwrap_or_else(|_| Json::null()))
            }
        };
        return Some(Wait::Signal { name: name.into(), timeout: signal.timeout, on_timeout });
    }
    if let Some(workflow) = &step.workflow {
        let (source, each) = match &workflow.input {
            ChildInput::One(source) => (source, false),
            ChildInput::Each(source) => (source, true),
        };
        let path = source.path.clone().into();
        let input = match &source.step {
            Some(of) => Place::Result(template.number_of(of)?, path),
            None => Place::Context(path),
        };
        let parallelism = workflow.parallelism.unwrap_or(u32::MAX);
        let collect = workflow.on_failure == OnChildFailure::Collect;
        return Some(Wait::Children(Children { input, each, parallelism, collect }));
    }
    match &step.timer {
        Some(TimerConfig::Delay(delay)) => Some(Wait::Timer(Due::After(*delay))),
        Some(TimerConfig::Until(Source { step: None, path })) => {
            Some(Wait::Timer(Due::Context(path.clone().into())))
        }
        Some(TimerConfig::Until(Source { step: Some(of), path })) => {
            let of = template.number_of(of)?;
            Some(Wait::Timer(Due::Result(of, path.clone().into())))
        }
        None => step.delay.map(Wait::Delay),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use tasker_template::{
        BatchConfig,
        FailureStrategy::{self, ContinueOnFailure, FailFast, Isolate},
    };

    use super::*;

    #[test]
    fn what_the_worker_says_of_failures_goes_before_what_its_analyzer_says() {
        let rule = |worker: Option<FailureStrategy>, analyzer: Option<FailureStrategy>| {
            let config = |failure_strategy| BatchConfig { failure_strategy, ..BatchConfig::default() };
            let mut cut = Step::new("cut").kind(StepKind::Batchable);
            cut.batch = Some(config(analyzer));
            let mut work = Step::new("work").kind(StepKind::BatchWorker).after(["cut"]);
            work.batch = Some(config(worker));
            let end = Step::new("end").kind(StepKind::DeferredConvergence).after(["work"]);
            let template = Template::builder("t").step(cut).step(work).step(end).build().unwrap();
            batch(&template, 1, &template.steps()[1]).unwrap().strategy
        };
        assert_eq!(rule(Some(FailFast), Some(ContinueOnFailure)), FailFast);
        assert_eq!(rule(Some(Isolate), Some(FailFast)), Isolate);
        assert_eq!(rule(None, Some(ContinueOnFailure)), ContinueOnFailure);
        assert_eq!(rule(None, None), FailFast);
    }
}
