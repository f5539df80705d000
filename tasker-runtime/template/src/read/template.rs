//! The whole of a file.

use semver::Version;
use serde_json::Value;

use crate::check::{self, Places};
use crate::report::Code;
use crate::step::Step;
use crate::template::{Content, Lifecycle, Template};
use crate::tree::{NodeId, shown};

use super::environment::Environment;
use super::fields::{Field, Fields, Key, alias, idle, key};
use super::step::{Draft, Patch};
use super::{Read, Reader};

const TEMPLATE_KEYS: &[Key] = &[
    key("name"),
    key("namespace"),
    alias("namespace_name", "namespace"),
    key("version"),
    key("description"),
    key("input_schema"),
    alias("schema", "input_schema"),
    key("defaults"),
    key("on_failure"),
    key("lifecycle"),
    key("concurrency"),
    key("schedule"),
    alias("schedules", "schedule"),
    key("steps"),
    alias("step_templates", "steps"),
    key("workflow_steps"),
    key("environments"),
    idle("metadata", "it is kept and shown"),
    idle("domain_events", "they are kept and shown; `publishes_events` on a step publishes"),
    idle("task_handler", "a task has no handler of its own"),
    idle("task_handler_class", "a task has no handler of its own"),
    idle("system_dependencies", "handlers reach their systems themselves"),
    idle("system_dependency", "handlers reach their systems themselves"),
    idle("loaded_from", "the file is known by its path"),
    idle("identity_strategy", "give an idempotency key when you submit a task"),
    idle("execution_environment", "every handler is Rust code linked into the worker"),
    idle("language", "every handler is Rust code linked into the worker"),
];

const DEFAULTS_KEYS: &[Key] = &[key("timeout_seconds"), key("retry")];

/// How many steps a template may have.
const MOST_STEPS: usize = 10_000;

impl Reader<'_> {
    /// The template, `None` where it has no usable name or no steps.
    pub(super) fn template(&mut self) -> Option<Read> {
        let root = self.tree.root;
        let fields = self.fields(root, "a template", TEMPLATE_KEYS)?;
        let name = fields.get("name").and_then(|field| self.template_name(field));
        if fields.get("name").is_none() {
            self.missing(root, "a template", "name");
        }
        let header = self.header(&fields, name.unwrap_or_default());
        let defaults = fields.value("defaults").map_or_else(Patch::default, |at| self.defaults(at));
        let drafts = self.drafts(&fields);
        let environment = fields
            .value("environments")
            .map_or_else(Environment::default, |at| self.environments(at, &drafts));
        let (steps, places) = self.finish(drafts, &defaults, environment);
        let graph = check::steps(self, &steps, &places)?;
        let template = Template::new(Content { steps, ..header }, graph);
        Some(Read { template, name: fields.value("name").unwrap_or(root) })
    }

    /// All but the steps.
    fn header(&mut self, fields: &Fields, name: String) -> Content {
        let namespace = fields.get("namespace").and_then(|field| self.template_name(field));
        Content {
            name,
            namespace: namespace.unwrap_or_else(|| "default".to_owned()),
            version: fields
                .get("version")
                .and_then(|field| self.version(field))
                .unwrap_or(Version::new(1, 0, 0)),
            description: fields.get("description").and_then(|field| self.text(field)),
            input_schema: fields.get("input_schema").and_then(|field| self.schema(field)),
            on_failure: fields.get("on_failure").and_then(|field| self.word(field)).unwrap_or_default(),
            lifecycle: fields.value("lifecycle").map_or_else(Lifecycle::default, |at| self.lifecycle(at)),
            metadata: fields.get("metadata").and_then(|field| self.map(field)).unwrap_or_default(),
            domain_events: fields
                .get("domain_events")
                .map_or_else(Vec::new, |field| self.domain_events(field)),
            concurrency: fields.get("concurrency").map_or_else(Vec::new, |field| self.concurrency(field)),
            schedules: fields.get("schedule").map_or_else(Vec::new, |field| self.schedules(field)),
            steps: Vec::new(),
        }
    }

    fn template_name(&mut self, field: Field) -> Option<String> {
        let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
        self.name(field, allowed, "lower case letters, digits and `_`")
    }

    fn version(&mut self, field: Field) -> Option<Version> {
        // `1.0` without quotes is a number, and what is meant is what is written.
        let written = match &self.tree.node(field.value).content {
            crate::tree::Content::Number(number) => {
                self.tree.written(field.value).map_or_else(|| number.to_string(), str::to_owned)
            }
            _ => self.text(field)?,
        };
        if let Ok(version) = Version::parse(&written) {
            return Some(version);
        }
        let bare = written.trim().trim_start_matches(['v', 'V', '=', ' ']);
        let better = [bare.to_owned(), format!("{bare}.0"), format!("{bare}.0.0")]
            .into_iter()
            .find(|better| Version::parse(better).is_ok());
        let help = match better {
            Some(better) => format!("write `{better}`"),
            None => "write three numbers, for instance `1.0.0`".to_owned(),
        };
        let message = format!("`{}` is no semantic version", shown(&written));
        self.mistake(field.value, Code::BadVersion, message, Some(help));
        None
    }

    fn domain_events(&mut self, field: Field) -> Vec<Value> {
        let items = self.list(field).unwrap_or_default();
        items.into_iter().map(|item| self.tree.to_json(item)).collect()
    }

    fn defaults(&mut self, at: NodeId) -> Patch {
        let fields = self.fields(at, "`defaults`", DEFAULTS_KEYS);
        fields.map_or_else(Patch::default, |fields| self.patch(&fields))
    }

    /// The steps as they are written, in either layout.
    fn drafts(&mut self, fields: &Fields) -> Vec<Draft> {
        let Some(field) = fields.get("steps") else {
            self.missing(self.tree.root, "a template", "steps");
            return Vec::new();
        };
        let Some(items) = self.list(field) else { return Vec::new() };
        if items.is_empty() {
            let help = Some("add one: `- name: …`".to_owned());
            self.mistake(field.key, Code::NoSteps, "a template needs at least one step".to_owned(), help);
        }
        if items.len() > MOST_STEPS {
            let message = format!("a template has at most {MOST_STEPS} steps, found {}", items.len());
            let help = Some("split the workflow, or let a batch worker run for each item".to_owned());
            self.mistake(field.key, Code::TooManySteps, message, help);
            return Vec::new();
        }
        let drafts: Vec<Draft> = items.into_iter().filter_map(|item| self.step(item)).collect();
        match fields.get("workflow_steps") {
            Some(workflow) if field.written == "steps" => {
                let message = "`workflow_steps` puts `step_templates` together, not `steps`".to_owned();
                let help = Some("write the dependencies into `steps`".to_owned());
                self.mistake(workflow.key, Code::MisplacedKey, message, help);
                drafts
            }
            Some(workflow) => self.workflow_steps(workflow, drafts),
            None => drafts,
        }
    }

    /// Lays defaults and environment over the steps and asks for their handlers.
    fn finish(
        &mut self,
        drafts: Vec<Draft>,
        defaults: &Patch,
        mut environment: Environment,
    ) -> (Vec<Step>, Vec<Places>) {
        let mut steps = Vec::with_capacity(drafts.len());
        let mut places = Vec::with_capacity(drafts.len());
        for mut draft in drafts {
            let name = draft.name.as_ref().map(|(name, _)| name.clone()).unwrap_or_default();
            let own = std::mem::take(&mut draft.patch);
            let patch = environment.take(&name).over(own.over(defaults.clone()));
            let name_at = draft.name.as_ref().map(|&(_, at)| at);
            let handler_at = patch.handler.callable.as_ref().map(|&(_, at)| at).or(name_at);
            let step = draft.finish(patch);
            if let (Some(check), Some(at)) = (self.options.handler_check, handler_at)
                && step.kind.has_handler()
                && let Err(missing) = check(&step.handler)
            {
                self.mistake(at, Code::UnknownHandler, missing.message, missing.help);
            }
            places.push(Places {
                name: name_at,
                step: draft.at,
                kind: draft.kind_at,
                depends_on: draft.depends_on.iter().map(|&(_, at)| at).collect(),
            });
            steps.push(step);
        }
        (steps, places)
    }
}
