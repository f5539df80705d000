//! The templates a process knows, by name.

use std::{collections::BTreeMap, path::Path, sync::Arc};

use serde_json::Value;

use super::child_workflows;
use super::declared::is_declared;
use super::{NotFound, Registration, Registry, Workflow, schema::Schema, unreadable_files::UnreadableFile};
use crate::{
    model::Json,
    template::{self, HandlerRef, Options, Schedule, Template, UnknownHandler},
};

/// The templates a process can start tasks of. Of several versions the newest counts.
///
/// ```
/// use tasker_runtime::{registry::Catalog, template::{Step, Template}};
///
/// let mut catalog = Catalog::default();
/// catalog.add(Template::builder("checkout").namespace("shop").step(Step::new("charge")).build()?);
/// assert_eq!(catalog.find("shop/checkout")?.steps().len(), 1);
/// assert!(catalog.find("shop/chekout").is_err_and(|unknown| unknown.nearest.as_deref() == Some("shop/checkout")));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct Catalog {
    by_name: BTreeMap<(String, String), Known>,
    /// The content and the place of every version, by full name and version.
    seen: BTreeMap<String, (String, String)>,
    schedules: ScheduleNames,
    /// Versions with two contents and schemas that are none, each in one line.
    mistakes: Vec<String>,
}

#[derive(Clone, Debug)]
pub(crate) struct Known {
    pub template: Arc<Template>,
    /// The number of its kept content, once it is kept.
    pub number: i64,
    input: Option<Arc<Schema>>,
}

/// There is no such template.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there is no template `{name}`{}", nearest.as_ref().map(|name| format!("; did you mean `{name}`?")).unwrap_or_default())]
pub struct UnknownTemplate {
    /// What was asked for.
    pub name: String,
    /// The name that is nearest, or the first of several that fit.
    pub nearest: Option<String>,
}

impl Catalog {
    /// The templates of the files below `directory`, and the rendered reports of files with mistakes. A
    /// directory that does not exist has none. With a registry, handlers must be linked.
    #[must_use]
    pub fn load(directory: Option<&Path>, registry: Option<&Registry>) -> (Self, Vec<String>) {
        let (catalog, unreadable) = Self::read(directory, registry);
        (catalog, unreadable.into_iter().map(|file| file.report).collect())
    }

    /// As [`load`](Self::load), with the files that have mistakes.
    pub(crate) fn read(directory: Option<&Path>, registry: Option<&Registry>) -> (Self, Vec<UnreadableFile>) {
        let (mut catalog, mut unreadable) = (Self::default(), Vec::new());
        if let Some(directory) = directory.filter(|directory| directory.exists()) {
            for file in read_templates(registry, |options| template::load_tree(directory, options)) {
                match file.result {
                    Ok(parsed) => catalog.add_from(parsed.template, &file.path.display().to_string()),
                    Err(report) => {
                        unreadable.push(UnreadableFile { report: report.to_string(), path: file.path });
                    }
                }
            }
        }
        (catalog, unreadable)
    }

    /// Adds the workflows that are written in code and linked; returns the reports of those with mistakes.
    #[must_use = "a workflow with mistakes is missing from the catalog"]
    pub fn add_linked(&mut self) -> Vec<String> {
        let mut reports = Vec::new();
        for workflow in Workflow::discover() {
            match workflow.template() {
                Ok(template) => self.add_from(template, &workflow.place()),
                Err(report) => reports.push(report.to_string()),
            }
        }
        reports
    }

    /// Adds a template, unless a newer version is there.
    pub fn add(&mut self, template: Template) {
        self.add_from(template, "a template that the program builds");
    }

    /// Adds a template that is written at `place`. The same content may come twice, two contents of one
    /// version are a conflict.
    fn add_from(&mut self, template: Template, place: &str) {
        let version = format!("{} {}", full_name(&template), template.version());
        let content = template.to_canonical();
        match self.seen.get(&version) {
            Some((known, _)) if *known == content => {}
            Some((_, first)) => self.mistakes.push(format!(
                "two workflows are called {version}: {first} and {place}; rename one, or give it another version"
            )),
            None => {
                self.seen.insert(version.clone(), (content, place.to_owned()));
            }
        }
        let key = (template.namespace().to_owned(), template.name().to_owned());
        if self.by_name.get(&key).is_some_and(|known| known.template.version() > template.version()) {
            return;
        }
        // Of a file its reader has told, and it does not come here.
        let place = |what: &str, problem: String| {
            format!("workflow {version}, {place}: {what} is not a JSON schema: {problem}")
        };
        let input = template.input_schema().map(Schema::new).transpose();
        let input = input.unwrap_or_else(|problem| {
            self.mistakes.push(place("`input_schema`", problem));
            None
        });
        let input = input.map(Arc::new);
        for step in template.steps() {
            if let Some(Err(problem)) = step.result_schema.as_ref().map(Schema::new) {
                self.mistakes.push(place(&format!("`result_schema` of step `{}`", step.name), problem));
            }
        }
        let known = Known { template: Arc::new(template), number: 0, input };
        for schedule in known.template.schedules() {
            self.mistakes.extend(self.schedules.mistake(&known, schedule));
        }
        self.by_name.insert(key, known);
    }

    /// Adds the schedules of the files in the folder `schedules` beside `templates` to the templates that they start
    /// tasks of; returns the reports of files with mistakes. A folder that does not exist has none.
    #[must_use = "a schedule with mistakes starts nothing"]
    pub fn add_schedules(&mut self, templates: &Path) -> Vec<String> {
        let mut reports = Vec::new();
        for (path, read) in template::load_schedules(&templates.with_file_name("schedules")) {
            let added = read.map_err(|report| report.to_string()).and_then(|(template, schedule)| {
                let template =
                    template.ok_or("say which template it starts tasks of: `template: namespace/name`")?;
                self.add_schedule(&template, schedule)
            });
            reports.extend(added.err().map(|problem| match problem.starts_with("error[") {
                true => problem,
                false => format!("{}: {problem}", path.display()),
            }));
        }
        reports
    }

    fn add_schedule(&mut self, template: &str, schedule: Schedule) -> Result<(), String> {
        let full = full_name(self.find(template).map_err(|unknown| unknown.to_string())?);
        let Some(known) = self.by_name.values_mut().find(|known| known.full_name() == full) else {
            return Ok(());
        };
        if let Some(mistake) = self.schedules.mistake(known, &schedule) {
            return Err(mistake);
        }
        let name = schedule.name.clone().unwrap_or_else(|| full.clone());
        let with = Template::clone(&known.template).with_schedule(schedule);
        let taken = || format!("{full} has a schedule `{name}` already: give one of them another name");
        known.template = Arc::new(with.ok_or_else(taken)?);
        Ok(())
    }

    /// The templates, by namespace and name.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Template>> {
        self.by_name.values().map(|known| &known.template)
    }

    /// Names and versions that two different workflows have, with both places, schemas in code that are none, and steps
    /// that start workflows which are not there or never end; each in one line.
    pub(crate) fn mistakes(&self) -> Vec<String> {
        let of_children = child_workflows::mistakes(self);
        self.mistakes.iter().cloned().chain(of_children).collect()
    }

    /// The same of a catalog from which templates are missing that others may start.
    pub(crate) fn mistakes_of_each(&self) -> Vec<String> {
        self.mistakes.clone()
    }

    /// Leaves out a template.
    pub(crate) fn remove(&mut self, template: &Template) {
        self.by_name.remove(&(template.namespace().to_owned(), template.name().to_owned()));
    }

    pub(crate) fn known_mut(&mut self) -> impl Iterator<Item = &mut Known> {
        self.by_name.values_mut()
    }

    /// The template `namespace/name`, or `name` where only one namespace has it.
    ///
    /// # Errors
    /// When there is none, with the nearest name.
    pub fn find(&self, name: &str) -> Result<&Arc<Template>, UnknownTemplate> {
        self.known(name).map(|known| &known.template)
    }

    pub(crate) fn known(&self, name: &str) -> Result<&Known, UnknownTemplate> {
        let found = match name.split_once('/') {
            Some((namespace, name)) => self.by_name.get(&(namespace.to_owned(), name.to_owned())),
            None => {
                let mut named = self.by_name.iter().filter(|((_, known), _)| known == name);
                named.next().filter(|_| named.next().is_none()).map(|(_, known)| known)
            }
        };
        found.ok_or_else(|| UnknownTemplate { name: name.to_owned(), nearest: self.nearest(name) })
    }

    fn nearest(&self, asked: &str) -> Option<String> {
        let full: Vec<String> =
            self.by_name.keys().map(|(namespace, name)| format!("{namespace}/{name}")).collect();
        if let Some(near) = template::nearest(asked, full.iter().map(String::as_str)) {
            return Some(near.to_owned());
        }
        // Perhaps only one half of it is meant, or right.
        let name = asked.split_once('/').map_or(asked, |(_, name)| name);
        let near = template::nearest(name, self.by_name.keys().map(|(_, name)| name.as_str()))?;
        let found = self.by_name.keys().position(|(_, name)| name == near)?;
        full.get(found).cloned()
    }
}

/// The template of every schedule, by its name.
#[derive(Clone, Debug, Default)]
struct ScheduleNames(BTreeMap<String, String>);

impl ScheduleNames {
    /// Notes a schedule of a template; what is wrong with it, in some lines.
    fn mistake(&mut self, known: &Known, schedule: &Schedule) -> Option<String> {
        let full = known.full_name();
        let name = schedule.name.as_ref().unwrap_or(&full);
        let other = self.0.entry(name.clone()).or_insert_with(|| full.clone());
        if *other != full {
            return Some(format!(
                "two workflows have a schedule `{name}`: {other} and {full}; give one of them another name"
            ));
        }
        known.refused_input(schedule)
    }
}

impl Known {
    pub(crate) fn full_name(&self) -> String {
        full_name(&self.template)
    }

    /// What is wrong with the input of a schedule of it, in some lines.
    fn refused_input(&self, schedule: &Schedule) -> Option<String> {
        let full = self.full_name();
        let name = schedule.name.as_deref().unwrap_or(&full);
        let input = schedule.input_at(name, "1970-01-01T00:00:00Z");
        let problems = self.problems(&Json::of(&input).ok()?);
        let why = || format!("the input of schedule `{name}` does not fit {full}:\n{}", problems.join("\n"));
        (!problems.is_empty()).then(why)
    }

    /// What is wrong with `context` for this template; empty when nothing is.
    pub(crate) fn problems(&self, context: &Json) -> Vec<String> {
        let Some(validator) = &self.input else { return Vec::new() };
        let context: Value = match context.parse() {
            Ok(context) => context,
            Err(error) => return vec![format!("  input: {error}")],
        };
        validator.problems("  input", &context)
    }
}

/// Reads template files as [`Catalog::load`] does: schemas are compiled, `TASKER_ENV` chooses the environment, and
/// with a registry handlers must be linked. `read` gets the options for the functions of
/// [`template`](crate::template).
///
/// ```
/// use tasker_runtime::{registry, template};
///
/// let loaded = registry::read_templates(None, |options| template::load_tree("no/such/directory".as_ref(), options));
/// assert_eq!(loaded.len(), 1, "a directory that is not there is a mistake of its own");
/// ```
pub fn read_templates<T>(registry: Option<&Registry>, read: impl FnOnce(&Options<'_>) -> T) -> T {
    let schemas = |schema: &Value| Schema::new(schema).map(drop);
    let handlers = |handler: &HandlerRef| registry.map_or(Ok(()), |registry| linked(registry, handler));
    let environment = std::env::var("TASKER_ENV").ok();
    read(&Options {
        environment: environment.as_deref(),
        schema_check: Some(&schemas),
        handler_check: Some(&handlers),
        max_decision_depth: None,
    })
}

/// Whether a handler answers to what a template writes.
fn linked(registry: &Registry, handler: &HandlerRef) -> Result<(), UnknownHandler> {
    let named = |registration: &Registration| registration.handler().name() == handler.callable;
    match registry.find("", &handler.callable) {
        Err(NotFound::Unknown { .. }) if registry.handlers().iter().any(named) => Ok(()),
        Err(NotFound::Unknown { .. }) if is_declared("", &handler.callable) => Ok(()),
        Err(problem) => Err(UnknownHandler {
            message: problem.to_string(),
            help: Some(
                "a crate whose handlers are to be found must be named once: `use my_handlers as _;`"
                    .to_owned(),
            ),
        }),
        Ok(_) => Ok(()),
    }
}

/// Namespace and name.
pub(crate) fn full_name(template: &Template) -> String {
    format!("{}/{}", template.namespace(), template.name())
}

/// What the template asks for that this version does not do.
pub(crate) fn unsupported(template: &Template) -> Option<String> {
    if *template.lifecycle() != crate::template::Lifecycle::default() {
        return Some("`lifecycle` limits are not there yet".to_owned());
    }
    let undoes = template.on_failure() == crate::template::OnFailure::Compensate;
    if let Some(step) = template.steps().iter().find(|step| undoes && step.workflow.is_some()) {
        return Some(format!(
            "step `{}` starts tasks of another workflow, and `on_failure: compensate` does not undo what these did yet",
            step.name
        ));
    }
    template.steps().iter().find_map(|step| {
        let publishes = !step.publishes_events.is_empty();
        publishes.then(|| format!("step `{}`: `publishes_events` is not there yet", step.name))
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::template::Step;

    fn checkout(version: &str, step: &str) -> Template {
        let builder = Template::builder("checkout").namespace("shop").version(version.parse().unwrap());
        builder.step(Step::new(step)).build().unwrap()
    }

    #[test]
    fn two_contents_of_one_version_are_a_conflict_that_names_both_places() {
        let mut catalog = Catalog::default();
        catalog.add_from(checkout("1.0.0", "pay"), "src/a.rs:3");
        catalog.add_from(checkout("1.0.0", "pay"), "src/b.rs:4");
        catalog.add_from(checkout("1.1.0", "charge"), "src/c.rs:5");
        assert!(catalog.mistakes().is_empty(), "{:?}", catalog.mistakes());
        // An older version than the one that counts is one as well.
        catalog.add_from(checkout("1.0.0", "charge"), "config/tasks/checkout.yaml");
        let said = "two workflows are called shop/checkout 1.0.0: src/a.rs:3 and config/tasks/checkout.yaml; \
                    rename one, or give it another version";
        assert_eq!(catalog.mistakes(), [said]);
    }
}
