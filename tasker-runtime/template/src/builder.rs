//! Templates written in code.

use std::time::Duration;

use semver::Version;
use serde::Serialize;
use serde_json::{Map, Value};

use crate::limits::Concurrency;
use crate::parse::{Options, Parsed};
use crate::report::{Code, Report};
use crate::schedule::Schedule;
use crate::step::Step;
use crate::template::{Content, Lifecycle, OnFailure, Template};

impl Template {
    /// Starts a template in code. Namespace `default`, version 1.0.0, no steps.
    ///
    /// ```
    /// use tasker_template::{Step, Template};
    ///
    /// let checkout = Template::builder("checkout")
    ///     .namespace("shop")
    ///     .step(Step::new("validate"))
    ///     .step(Step::new("charge").after(["validate"]))
    ///     .build()?;
    /// assert_eq!(checkout.dependents(0), [1]);
    ///
    /// let mistaken = Template::builder("checkout").step(Step::new("ship").after(["charge"])).build();
    /// assert_eq!(mistaken.unwrap_err().mistakes[0].message, "step `ship` depends on `charge`, which is no step");
    /// # Ok::<(), tasker_template::Report>(())
    /// ```
    pub fn builder(name: impl Into<String>) -> TemplateBuilder {
        TemplateBuilder {
            origin: String::new(),
            content: Content {
                name: name.into(),
                namespace: "default".to_owned(),
                version: Version::new(1, 0, 0),
                description: None,
                input_schema: None,
                on_failure: OnFailure::default(),
                lifecycle: Lifecycle::default(),
                metadata: Map::new(),
                domain_events: Vec::new(),
                concurrency: Vec::new(),
                schedules: Vec::new(),
                steps: Vec::new(),
            },
        }
    }
}

/// A template that is being written in code; [`TemplateBuilder::build`] checks it.
///
/// ```
/// use tasker_template::{Step, Template};
///
/// let circle = Template::builder("circle")
///     .step(Step::new("one").after(["two"]))
///     .step(Step::new("two").after(["one"]));
/// assert!(circle.build().is_err());
/// ```
#[derive(Debug, Clone)]
#[must_use = "a builder does nothing until `build`"]
pub struct TemplateBuilder {
    origin: String,
    content: Content,
}

impl TemplateBuilder {
    /// Says where the template is written, for mistakes: `src/checkout.rs:12`.
    pub fn origin(mut self, origin: impl Into<String>) -> Self {
        self.origin = origin.into();
        self
    }

    /// Sets the namespace.
    pub fn namespace(mut self, namespace: impl Into<String>) -> Self {
        self.content.namespace = namespace.into();
        self
    }

    /// Sets the version.
    pub fn version(mut self, version: Version) -> Self {
        self.content.version = version;
        self
    }

    /// Sets the description.
    pub fn description(mut self, description: impl Into<String>) -> Self {
        self.content.description = Some(description.into());
        self
    }

    /// Sets the JSON Schema of the context.
    pub fn input_schema(mut self, schema: Value) -> Self {
        self.content.input_schema = Some(schema);
        self
    }

    /// Sets what becomes of a task one of whose steps has failed for good.
    pub fn on_failure(mut self, on_failure: OnFailure) -> Self {
        self.content.on_failure = on_failure;
        self
    }

    /// Sets the limits of a task.
    pub fn lifecycle(mut self, lifecycle: Lifecycle) -> Self {
        self.content.lifecycle = lifecycle;
        self
    }

    /// Limits how many tasks of it run at once; of several limits each holds.
    pub fn concurrency(mut self, limit: Concurrency) -> Self {
        self.content.concurrency.push(limit);
        self
    }

    /// Lets tasks of it start by themselves. Of several schedules all but one have a name.
    pub fn schedule(mut self, schedule: Schedule) -> Self {
        self.content.schedules.push(schedule);
        self
    }

    /// Appends a step.
    pub fn step(mut self, step: Step) -> Self {
        self.content.steps.push(step);
        self
    }

    /// Checks what was written, exactly as a file is checked.
    ///
    /// # Errors
    /// A report of every mistake, without places in a file; each names the way to the value.
    pub fn build(self) -> Result<Template, Report> {
        self.build_with(&Options::default()).map(|parsed| parsed.template)
    }

    /// As [`Self::build`], with the checks that `options` adds; its environment has no effect here.
    ///
    /// # Errors
    /// As [`Self::build`].
    pub fn build_with(self, options: &Options<'_>) -> Result<Parsed, Report> {
        let Self { origin, mut content } = self;
        whole_millis(&mut content);
        match to_value(&content) {
            Ok(value) => crate::parse::value(&origin, value, options),
            Err(message) => Err(Report::of_file(&origin, Code::WrongType, message, None)),
        }
    }
}

fn to_value(content: &impl Serialize) -> Result<Value, String> {
    serde_json::to_value(content).map_err(|error| error.to_string())
}

/// Rounds durations up to the millisecond, so that a very short timeout does not become none.
fn whole_millis(content: &mut Content) {
    let limits = &mut content.lifecycle;
    let mut all: Vec<&mut Option<Duration>> = vec![
        &mut limits.max_duration,
        &mut limits.max_waiting_for_dependencies,
        &mut limits.max_waiting_for_retry,
        &mut limits.max_steps_in_process,
    ];
    for step in &mut content.steps {
        all.extend([&mut step.timeout, &mut step.retry.base, &mut step.retry.max]);
    }
    for duration in all.into_iter().flatten() {
        if duration.subsec_nanos() % 1_000_000 != 0 {
            *duration =
                Duration::from_millis(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX - 1) + 1);
        }
    }
}
