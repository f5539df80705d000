//! One step.

use std::time::Duration;

use serde_json::Value;

use crate::child::ChildConfig;
use crate::report::Code;
use crate::retry::RetryOptions;
use crate::step::{BatchConfig, HandlerRef, MOST_ROUNDS, PublishedEvent, Step, StepKind};
use crate::tree::{Content, NodeId};
use crate::wait::{SignalConfig, TimerConfig};

use super::Reader;
use super::fields::{Field, Fields, Key, alias, idle, key};
use super::handler::HandlerPatch;

/// Of what the names of steps and queues are made.
pub(crate) const NAME_CHARACTERS: &str = "letters, digits, `_`, `.` and `-`";

pub(crate) const WHY_LIFECYCLE: &str = "limits belong to the whole task: write `lifecycle` beside `steps`";

const STEP_KEYS: &[Key] = &[
    key("name"),
    key("description"),
    key("type"),
    alias("step_type", "type"),
    key("handler"),
    key("depends_on"),
    alias("dependencies", "depends_on"),
    key("timeout_seconds"),
    key("retry"),
    alias("max_retries", "older_retries"),
    key("queue"),
    key("priority"),
    key("result_schema"),
    key("publishes_events"),
    key("batch_config"),
    key("delay"),
    key("max_rounds"),
    key("timer"),
    key("signal"),
    key("workflow"),
    alias("handler_class", "handler"),
    alias("handler_config", "older_config"),
    alias("default_retryable", "older_retryable"),
    alias("default_retry_limit", "older_retries"),
    alias("depends_on_step", "depends_on"),
    alias("depends_on_steps", "depends_on"),
    idle("system_dependency", "handlers reach their systems themselves"),
    idle("lifecycle", WHY_LIFECYCLE),
];

const BATCH_KEYS: &[Key] = &[
    key("batch_size"),
    key("parallelism"),
    key("cursor_field"),
    key("failure_strategy"),
    idle("checkpoint_interval", "a worker saves its checkpoints itself"),
    idle("worker_template", "the worker is the step of type `batch_worker` that depends on the analyzer"),
];

/// What may be said about a step in several places, each laid over the one before: the defaults, the
/// step itself, the environment.
#[derive(Debug, Clone, Default)]
pub(crate) struct Patch {
    pub(crate) handler: HandlerPatch,
    pub(crate) timeout: Option<Duration>,
    pub(crate) retry: RetryOptions,
    pub(crate) queue: Option<String>,
    pub(crate) priority: Option<i32>,
}

impl Patch {
    /// This patch laid over `base`.
    pub(crate) fn over(self, base: Self) -> Self {
        Self {
            handler: self.handler.over(base.handler),
            timeout: self.timeout.or(base.timeout),
            retry: self.retry.or(&base.retry),
            queue: self.queue.or(base.queue),
            priority: self.priority.or(base.priority),
        }
    }
}

/// A step before defaults and environment, with the places that later checks point at.
#[derive(Debug)]
pub(crate) struct Draft {
    pub(crate) at: NodeId,
    /// The name and its place; `None` where it was a mistake.
    pub(crate) name: Option<(String, NodeId)>,
    pub(crate) description: Option<String>,
    pub(crate) kind: StepKind,
    /// The place of the kind, else of the name.
    pub(crate) kind_at: NodeId,
    pub(crate) depends_on: Vec<(String, NodeId)>,
    pub(crate) patch: Patch,
    pub(crate) result_schema: Option<Value>,
    pub(crate) publishes_events: Vec<PublishedEvent>,
    pub(crate) batch: Option<BatchConfig>,
    pub(crate) delay: Option<Duration>,
    pub(crate) max_rounds: Option<u32>,
    pub(crate) timer: Option<TimerConfig>,
    pub(crate) signal: Option<SignalConfig>,
    pub(crate) workflow: Option<ChildConfig>,
}

impl Draft {
    /// The step this becomes, with `patch` for all that can be said in several places.
    pub(crate) fn finish(&self, patch: Patch) -> Step {
        let name = self.name.as_ref().map_or("", |(name, _)| name);
        if !self.kind.has_handler() {
            return Step {
                description: self.description.clone(),
                kind: self.kind,
                handler: HandlerRef::new(""),
                depends_on: self.depends_on.iter().map(|(name, _)| name.clone()).collect(),
                publishes_events: self.publishes_events.clone(),
                timer: self.timer.clone(),
                signal: self.signal.clone(),
                workflow: self.workflow.clone(),
                ..Step::new(name)
            };
        }
        Step {
            name: name.into(),
            description: self.description.clone(),
            kind: self.kind,
            handler: patch.handler.finish(name),
            depends_on: self.depends_on.iter().map(|(name, _)| name.clone()).collect(),
            timeout: patch.timeout,
            retry: patch.retry,
            queue: patch.queue,
            priority: patch.priority.unwrap_or(0),
            result_schema: self.result_schema.clone(),
            publishes_events: self.publishes_events.clone(),
            batch: self.batch.clone(),
            delay: self.delay,
            max_rounds: self.max_rounds,
            timer: None,
            signal: None,
            workflow: None,
        }
    }
}

impl Reader<'_> {
    /// One item of `steps` or `step_templates`.
    pub(crate) fn step(&mut self, at: NodeId) -> Option<Draft> {
        let fields = self.fields(at, "a step", STEP_KEYS)?;
        let name = fields.get("name").and_then(|field| self.step_name(field));
        if fields.get("name").is_none() {
            self.missing(at, "a step", "name");
        }
        let kind = fields.get("type").and_then(|field| self.word(field)).unwrap_or_default();
        self.misplaced(&fields, kind);
        let depends_on = fields.get("depends_on").map_or_else(Vec::new, |field| self.depends_on(field));
        Some(Draft {
            at,
            description: fields.get("description").and_then(|field| self.text(field)),
            kind,
            kind_at: fields.value("type").or(fields.value("name")).unwrap_or(at),
            name,
            delay: fields.get("delay").and_then(|field| self.wait(field)),
            max_rounds: fields.get("max_rounds").and_then(|field| self.max_rounds(field, kind)),
            timer: self.timer(at, &fields, kind, &depends_on),
            signal: self.signal(&fields, kind),
            workflow: self.workflow(at, &fields, kind, &depends_on),
            depends_on,
            patch: self.patch(&fields),
            result_schema: fields.get("result_schema").and_then(|field| self.schema(field)),
            publishes_events: fields
                .get("publishes_events")
                .map_or_else(Vec::new, |field| self.events(field)),
            batch: fields.get("batch_config").and_then(|field| self.batch(field, kind)),
        })
    }

    /// How often a step is called anew that says it is not done.
    fn max_rounds(&mut self, field: Field, kind: StepKind) -> Option<u32> {
        if kind.has_handler() && kind != StepKind::Standard {
            let message = format!("`max_rounds` has no place on a step of type `{kind}`: it goes one round");
            let help = Some("remove it, or poll in a step before this one".to_owned());
            self.mistake(field.key, Code::MisplacedKey, message, help);
            return None;
        }
        self.whole(field, 1..=i64::from(MOST_ROUNDS)).and_then(|rounds| u32::try_from(rounds).ok())
    }

    fn step_name(&mut self, field: Field) -> Option<(String, NodeId)> {
        let name = self.plain_name(field);
        if name.as_deref() == Some("ALL") {
            let message = "`ALL` means every step, in `environments`: no step can be called so".to_owned();
            self.mistake(field.value, Code::ReservedName, message, Some("call it something else".to_owned()));
        }
        // A refused name still is the one that others depend on: they are not mistaken.
        let written = match &self.tree.node(field.value).content {
            Content::Text(text) if !text.trim().is_empty() => text.clone().into_owned(),
            _ => return None,
        };
        Some((written, field.value))
    }

    /// The name of a step or a queue.
    fn plain_name(&mut self, field: Field) -> Option<String> {
        self.name(field, |c| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-'), NAME_CHARACTERS)
    }

    /// What a step shares with `defaults` and `environments`.
    pub(crate) fn patch(&mut self, fields: &Fields) -> Patch {
        let mut handler =
            fields.get("handler").map_or_else(HandlerPatch::default, |field| self.handler(field));
        if let Some(field) = fields.get("older_config") {
            let config = HandlerPatch { initialization: self.map(field), ..HandlerPatch::default() };
            if handler.initialization.is_some() {
                let message = "`handler_config` says again what `handler.initialization` says".to_owned();
                self.mistake(
                    field.key,
                    Code::ConflictingKeys,
                    message,
                    Some("keep one of the two".to_owned()),
                );
            }
            handler = handler.over(config);
        }
        Patch {
            handler,
            timeout: self.timeout(fields),
            retry: self.retry(fields),
            queue: fields.get("queue").and_then(|field| self.plain_name(field)),
            priority: fields
                .get("priority")
                .and_then(|field| self.whole(field, i64::from(i16::MIN)..=i64::from(i16::MAX)))
                .and_then(|priority| i32::try_from(priority).ok()),
        }
    }

    /// Names of steps, each with its place. One name stands for a list of one where the key says so.
    pub(crate) fn depends_on(&mut self, field: Field) -> Vec<(String, NodeId)> {
        let single = matches!(self.tree.node(field.value).content, Content::Text(_));
        if field.written == "depends_on_step" && single {
            return self.text(field).map(|name| (name, field.value)).into_iter().collect();
        }
        let items = self.list(field).unwrap_or_default();
        let mut names = Vec::with_capacity(items.len());
        for item in items {
            if let Content::Text(name) = &self.tree.node(item).content {
                names.push((name.clone().into_owned(), item));
            } else {
                self.wrong_type(item, "a dependency must be the name of a step", None);
            }
        }
        names
    }

    fn batch(&mut self, field: Field, kind: StepKind) -> Option<BatchConfig> {
        if !matches!(kind, StepKind::Batchable | StepKind::BatchWorker) {
            let message = format!("`batch_config` has no place on a step of type `{kind}`");
            let help = "write `type: batch_worker` (or `batchable`), or remove it".to_owned();
            self.mistake(field.key, Code::MisplacedKey, message, Some(help));
        }
        let fields = self.fields(field.value, "`batch_config`", BATCH_KEYS)?;
        let mut count = |key, most| {
            let number = fields.get(key).and_then(|field| self.whole(field, 1..=most));
            number.and_then(|number| u32::try_from(number).ok())
        };
        Some(BatchConfig {
            batch_size: count("batch_size", 1_000_000),
            parallelism: count("parallelism", 10_000),
            cursor_field: fields.get("cursor_field").and_then(|field| self.text(field)),
            failure_strategy: fields.get("failure_strategy").and_then(|field| self.word(field)),
        })
    }
}
