//! Workflows that are part of the program: written in code, or in a file that is bound to code.

use std::{
    collections::{HashMap, HashSet},
    fmt,
};

use serde_json::{Value, json};
use tasker_template::{
    Concurrency, OnConflict, OnFailure, Options, Parsed, Report, Schedule, Step, StepKind, Template,
    TemplateBuilder,
};

use super::const_check::{
    reads::Reads,
    workflow::{Listed, Message},
};
use crate::handler::{Capability, param::reads, schema::Describe, wait::Absent};
use crate::model::HandlerKey;

/// A workflow that is part of the program, as `workflow!` and `template!` make it.
///
/// The name of the workflow is a type of its own, whose only value leads here:
///
/// ```
/// use tasker_runtime::prelude::*;
///
/// #[step_handler]
/// async fn greet(name: String) -> String {
///     format!("hello {name}")
/// }
///
/// workflow!(greeting = [greet], namespace = "demo");
///
/// let template = greeting.template()?;
/// assert_eq!((template.namespace(), template.name()), ("demo", "greeting"));
/// # Ok::<(), tasker_runtime::template::Report>(())
/// ```
#[derive(Clone, Copy)]
pub struct Workflow {
    name: &'static str,
    source: Source,
    file: &'static str,
    line: u32,
}

/// Where a workflow comes from.
#[derive(Clone, Copy)]
enum Source {
    /// `workflow!`.
    Steps { steps: &'static [Listed], settings: Settings },
    /// `template!`: the path of the file, and what it says.
    Yaml { namespace: &'static str, path: &'static str, text: &'static str },
}

/// What `workflow!` says besides the steps.
#[derive(Clone, Copy)]
#[doc(hidden)]
pub struct Settings {
    /// `None`: the default one.
    namespace: Option<&'static str>,
    /// Three numbers, perhaps more after them; `None`: 1.0.0.
    version: Option<&'static str>,
    /// For people.
    description: Option<&'static str>,
    /// What becomes of a task one of whose steps has failed for good.
    on_failure: OnFailure,
    /// What describes the context, where the workflow says its type.
    context: Option<Describe>,
    /// How many tasks run at once: of the same value of this field, so many.
    concurrency: Option<(Option<&'static str>, u32, OnConflict)>,
    /// When tasks start by themselves, as JSON; empty: they do not.
    schedule: &'static str,
}

impl Settings {
    /// What holds where nothing is said.
    pub const DEFAULT: Self = Self {
        namespace: None,
        version: None,
        description: None,
        on_failure: OnFailure::Block,
        context: None,
        concurrency: None,
        schedule: "",
    };

    /// Sets the namespace.
    #[must_use]
    pub const fn namespace(mut self, namespace: &'static str) -> Self {
        self.namespace = Some(namespace);
        self
    }

    /// Sets the version, which must be a semantic one.
    #[must_use]
    pub const fn version(mut self, version: &'static str) -> Self {
        self.version = Some(version);
        self
    }

    /// Sets the description.
    #[must_use]
    pub const fn description(mut self, description: &'static str) -> Self {
        self.description = Some(description);
        self
    }

    /// Sets what describes the context.
    #[must_use]
    pub const fn context(mut self, context: Option<Describe>) -> Self {
        self.context = context;
        self
    }

    /// Sets how many tasks run at once.
    #[must_use]
    pub const fn concurrency(
        mut self,
        key: Option<&'static str>,
        limit: u32,
        on_conflict: OnConflict,
    ) -> Self {
        self.concurrency = Some((key, limit, on_conflict));
        self
    }

    /// Sets when tasks start by themselves, as JSON that the macro has checked.
    #[must_use]
    pub const fn schedule(mut self, json: &'static str) -> Self {
        self.schedule = json;
        self
    }

    /// Sets what becomes of a task one of whose steps has failed for good.
    #[must_use]
    pub const fn on_failure(mut self, on_failure: OnFailure) -> Self {
        self.on_failure = on_failure;
        self
    }
}

impl Workflow {
    /// A workflow of these steps.
    #[doc(hidden)]
    #[must_use]
    pub const fn of_steps(
        name: &'static str,
        steps: &'static [Listed],
        settings: Settings,
        file: &'static str,
        line: u32,
    ) -> Self {
        Self { name, source: Source::Steps { steps, settings }, file, line }
    }

    /// A workflow that a file describes.
    #[doc(hidden)]
    #[must_use]
    pub const fn of_yaml(
        (namespace, name): (&'static str, &'static str),
        path: &'static str,
        text: &'static str,
        file: &'static str,
        line: u32,
    ) -> Self {
        Self { name, source: Source::Yaml { namespace, path, text }, file, line }
    }

    /// The steps, for a workflow that takes them as its own.
    ///
    /// # Panics
    /// When it comes from a file, which is while the program is compiled.
    #[doc(hidden)]
    #[must_use]
    #[track_caller]
    pub const fn listed(&self) -> &'static [Listed] {
        match self.source {
            Source::Steps { steps, .. } => steps,
            Source::Yaml { path, .. } => {
                let mut text = Message::new();
                text.push("the steps of `").push(self.name).push("` stand in ").push(path);
                text.push(": only those of a workflow in code can be taken over with `..`").panic()
            }
        }
    }

    /// The name, without the namespace.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// Namespace and name, as tasks are submitted to it: `shop/checkout`.
    #[must_use]
    pub fn full_name(&self) -> String {
        let namespace = match self.source {
            Source::Steps { settings, .. } => settings.namespace.unwrap_or("default"),
            Source::Yaml { namespace, .. } => namespace,
        };
        format!("{namespace}/{}", self.name)
    }

    /// The template, as it is outside of every environment.
    ///
    /// # Errors
    /// What is wrong with it, as for a file.
    pub fn template(&self) -> Result<Template, Report> {
        self.parse(&Options::default()).map(|parsed| parsed.template)
    }

    /// The template and what has no effect in it, read for an environment and with further checks.
    ///
    /// # Errors
    /// What is wrong with it, as for a file.
    pub fn parse(&self, options: &Options<'_>) -> Result<Parsed, Report> {
        match self.source {
            Source::Steps { steps, settings } => self.builder(steps, settings).build_with(options),
            Source::Yaml { path, text, .. } => Template::parse(path, text, options),
        }
    }

    fn builder(&self, steps: &[Listed], settings: Settings) -> TemplateBuilder {
        let mut builder = Template::builder(self.name).origin(self.place()).on_failure(settings.on_failure);
        if let Some(namespace) = settings.namespace {
            builder = builder.namespace(namespace);
        }
        // The macro has checked the version.
        if let Some(version) = settings.version.and_then(|version| version.parse().ok()) {
            builder = builder.version(version);
        }
        if let Some(description) = settings.description {
            builder = builder.description(description);
        }
        if let Some(schema) = context_schema(steps, settings.context) {
            builder = builder.input_schema(schema);
        }
        if let Some((key, limit, on_conflict)) = settings.concurrency {
            let limit = Concurrency::of(limit).on_conflict(on_conflict);
            builder = builder.concurrency(key.into_iter().fold(limit, Concurrency::key));
        }
        // The macro has checked it.
        let schedule = serde_json::from_str(settings.schedule).ok();
        if let Some(schedule) = schedule.and_then(|json| Schedule::from_json(&self.place(), json).ok()) {
            builder = builder.schedule(schedule);
        }
        let names = StepNames::of(steps);
        let releasing: Vec<&Listed> = steps.iter().filter(|listed| !listed.releases().is_empty()).collect();
        let upstreams: Vec<Vec<&str>> =
            steps.iter().map(|listed| upstreams(&names, &releasing, listed)).collect();
        let chosen = chosen(steps, &upstreams);
        let is_worker = |listed: &&Listed| matches!(listed.capability, Capability::BatchWorker);
        let workers: HashSet<&str> = steps.iter().filter(is_worker).map(|listed| listed.step).collect();
        for (listed, upstreams) in steps.iter().zip(upstreams) {
            let step = match listed.capability {
                Capability::Signal(signal) => {
                    let mut config = signal.config();
                    let alias = (listed.step != listed.name).then(|| listed.name.to_owned());
                    config.name = config.name.or(alias);
                    config.schema = listed.schemas.output.map(|describe| describe());
                    Step::signal(listed.step, config)
                }
                Capability::Timer(timer) => {
                    Step::timer(listed.step, timer.config(|name| names.step(name).to_owned()))
                }
                Capability::Workflow(child) => {
                    // Its contexts are made by a step of its own.
                    let input = format!("{}_input", listed.step);
                    let handler = HandlerKey::new(child.namespace, child.handler);
                    let step = Step::new(&*input).handler(handler.as_str());
                    let step = step.kind(kind(listed, &names, &chosen, &workers));
                    builder = builder.step(step.after(upstreams));
                    builder = builder.step(Step::workflow(listed.step, child.config(&input)).after([input]));
                    continue;
                }
                _ => {
                    let handler = HandlerKey::new(listed.namespace, listed.name);
                    let mut step = Step::new(listed.step).handler(handler.as_str());
                    step.result_schema = listed.schemas.output.map(|describe| describe());
                    step.kind(kind(listed, &names, &chosen, &workers))
                }
            };
            builder = builder.step(step.after(upstreams));
        }
        builder
    }

    /// `file:line`, where it is written.
    #[must_use]
    pub fn place(&self) -> String {
        format!("{}:{}", self.file, self.line)
    }

    /// Every workflow that is linked into the program, sorted by name.
    #[must_use]
    pub fn discover() -> Vec<Self> {
        let mut all: Vec<Self> = inventory::iter::<Self>.into_iter().copied().collect();
        all.sort_by_cached_key(|workflow| (workflow.name, workflow.place()));
        all
    }
}

/// What a context must look like for every step that reads it as a whole, as far as their types describe it; the type
/// that the workflow names describes it for all.
fn context_schema(steps: &[Listed], named: Option<Describe>) -> Option<Value> {
    if let Some(describe) = named {
        return Some(describe());
    }
    let readers = steps.iter().filter(|listed| reads(listed.needs));
    let mut schemas: Vec<Value> = Vec::new();
    for schema in readers.filter_map(|listed| listed.schemas.context).map(|describe| describe()) {
        if !schemas.contains(&schema) {
            schemas.push(schema);
        }
    }
    match schemas.len() {
        0 | 1 => schemas.pop(),
        // A type that holds itself is described with references, which hold in a schema of its own only.
        _ if schemas.iter().any(|schema| schema.get("$defs").is_some()) => None,
        _ => Some(json!({ "allOf": schemas })),
    }
}

/// Which steps are meant by names, as the compiler has found out that they can be found.
struct StepNames {
    /// From the name of each step, and from that of each handler that no step is named after, to the step.
    steps: HashMap<&'static str, &'static str>,
}

impl StepNames {
    fn of(steps: &[Listed]) -> Self {
        let by_handler = steps.iter().map(|listed| (listed.name, listed.step));
        let by_name = steps.iter().map(|listed| (listed.step, listed.step));
        Self { steps: by_handler.chain(by_name).collect() }
    }

    fn step(&self, name: &'static str) -> &'static str {
        self.steps.get(name).copied().unwrap_or(name)
    }
}

/// The steps that a step waits for: those it reads, those it comes after, and those that it is a route or the
/// worker of.
fn upstreams(names: &StepNames, releasing: &[&Listed], listed: &Listed) -> Vec<&'static str> {
    let read = Reads::of(listed.needs).map(|read| names.step(read.name));
    let after = listed.after.iter().map(|name| names.step(name));
    let releases = |other: &Listed| other.releases().iter().any(|name| names.step(name) == listed.step);
    let released_by = releasing.iter().filter(|other| releases(other)).map(|other| other.step);
    let mut all: Vec<&str> = Vec::new();
    for name in read.chain(after).chain(released_by) {
        if !all.contains(&name) {
            all.push(name);
        }
    }
    all
}

/// The steps that a decision above them may leave out, or a signal that did not come.
fn chosen<'l>(steps: &'l [Listed], upstreams: &[Vec<&str>]) -> HashSet<&'l str> {
    let is_decision = |listed: &&Listed| matches!(listed.capability, Capability::Decision(_));
    let decisions: HashSet<&str> = steps.iter().filter(is_decision).map(|listed| listed.step).collect();
    let is_skipped = |listed: &&Listed| matches!(listed.capability, Capability::Signal(signal) if matches!(signal.absent, Absent::Skipped));
    let mut chosen: HashSet<&str> = steps.iter().filter(is_skipped).map(|listed| listed.step).collect();
    loop {
        let known = chosen.len();
        for (listed, upstreams) in steps.iter().zip(upstreams) {
            if upstreams.iter().any(|name| decisions.contains(name) || chosen.contains(name)) {
                chosen.insert(listed.step);
            }
        }
        if chosen.len() == known {
            return chosen;
        }
    }
}

/// What a step is: what its handler is made for; where that is nothing special, it waits for what was
/// taken of branches that it copes without, and for all batches.
fn kind(listed: &Listed, names: &StepNames, chosen: &HashSet<&str>, workers: &HashSet<&str>) -> StepKind {
    match listed.capability {
        Capability::Decision(_) => StepKind::Decision,
        Capability::BatchAnalyzer(_) => StepKind::Batchable,
        Capability::BatchWorker => StepKind::BatchWorker,
        Capability::Signal(_) => StepKind::Signal,
        Capability::Timer(_) => StepKind::Timer,
        Capability::Standard | Capability::Workflow(_) => {
            let converges = Reads::of(listed.needs).any(|read| {
                let step = names.step(read.name);
                workers.contains(step) || (read.optional && chosen.contains(step))
            });
            if converges { StepKind::DeferredConvergence } else { StepKind::Standard }
        }
    }
}

impl fmt::Debug for Workflow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at {}", self.name, self.place())
    }
}

inventory::collect!(Workflow);
