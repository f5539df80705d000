//! Checks, lists and shows templates, and writes one to start from.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use serde::Serialize;

use super::{Context, Done, Failure, Form, new, output, printable::printable};
use crate::{
    api::Catalog,
    registry::{self, Workflow},
    template::{self, Loaded, Verdict},
};

/// Check, list, show and write templates.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Check template files; reports everything that is wrong at once
    Check(Check),
    /// List the templates that tasks can be submitted to
    List {
        /// List those that tasks which are not over started with, by version and content, and how many these are
        #[arg(long)]
        in_flight: bool,
    },
    /// Print a template in its canonical form
    Show {
        /// The template, as namespace/name
        template: String,
    },
    /// Print or write a template to start from
    New(new::Template),
}

/// Check template files.
#[derive(Debug, Args)]
pub(crate) struct Check {
    /// Files or folders [default: the templates directory, and the workflows in the program]
    paths: Vec<PathBuf>,
    /// Do not check whether the handlers are linked
    #[arg(long)]
    no_handlers: bool,
}

/// The verdict on one file.
#[derive(Serialize)]
struct Checked<'a> {
    file: String,
    verdict: Verdict,
    report: &'a template::Report,
}

impl Command {
    pub(crate) async fn run(self, context: Context) -> Done {
        match self {
            Self::Check(check) => check.run(&context),
            Self::List { in_flight: true } => super::in_flight::list(context).await,
            Self::List { in_flight: false } => list(&context),
            Self::Show { template } => show(&context, &template),
            Self::New(template) => template.run(),
        }
    }
}

impl Check {
    fn run(self, context: &Context) -> Done {
        let linked = context.registry();
        let linked = (!self.no_handlers).then_some(&linked);
        let most = Some(context.config.settings().limits.max_decision_depth);
        let with = |read: &dyn Fn(&template::Options<'_>) -> Vec<Loaded>| {
            registry::read_templates(linked, |options| {
                read(&template::Options { max_decision_depth: most, ..*options })
            })
        };
        let all = self.paths.is_empty();
        let paths = if all { vec![context.directory()] } else { self.paths };
        let mut loaded = Vec::new();
        for path in &paths {
            if path.is_dir() {
                loaded.extend(with(&|options| template::load_tree(path, options)));
            } else if path.exists() {
                loaded.extend(with(&|options| vec![template::load_file(path, options)]));
            } else if !all {
                return Err(Failure::not_found(format!("there is no file or folder {}", path.display())));
            }
        }
        if all {
            loaded.extend(with(&|options| {
                Workflow::discover().iter().map(|one| checked(one, options)).collect()
            }));
        }
        if loaded.is_empty() {
            let paths: Vec<String> = paths.iter().map(|path| path.display().to_string()).collect();
            let nowhere_else = if all { ", and no workflow is linked into this program" } else { "" };
            output::say!("there are no templates in {}{nowhere_else}", printable(&paths.join(", ")));
        }
        report(&loaded, context.global.output)?;
        let wrong = loaded.iter().filter(|file| file.report().verdict() == Verdict::Error).count();
        let mistakes = if all && wrong == 0 { mistakes_among(context).join("\n") } else { String::new() };
        match wrong {
            0 if mistakes.is_empty() => Ok(()),
            0 => Err(Failure::run(mistakes)),
            _ => Err(Failure::quiet(1)),
        }
    }
}

/// A workflow that is part of the program, checked as a file is.
fn checked(workflow: &Workflow, options: &template::Options<'_>) -> Loaded {
    Loaded { path: workflow.place().into(), result: workflow.parse(options) }
}

fn report(loaded: &[Loaded], form: Form) -> Done {
    let checked: Vec<Checked<'_>> = loaded
        .iter()
        .map(|file| Checked {
            file: file.path.display().to_string(),
            verdict: file.report().verdict(),
            report: file.report(),
        })
        .collect();
    match form {
        Form::Json => output::json(&checked, form),
        Form::Jsonl => checked.iter().try_for_each(|file| output::json(file, form)),
        Form::Table => checked.iter().try_for_each(|file| {
            output::print(&format!("{}: {}", printable(&file.file), file.verdict))?;
            let text = file.report.render(output::has_colours());
            if text.is_empty() { Ok(()) } else { output::print_coloured(text.trim_end()) }
        }),
    }
}

/// What `template list` says of a template.
#[derive(Serialize)]
struct Line {
    template: String,
    version: String,
    steps: usize,
    description: String,
}

/// The templates without mistakes, and what is wrong with the others.
pub(super) fn load(context: &Context) -> (Catalog, Vec<String>) {
    let (mut catalog, mut reports) = Catalog::load(Some(&context.directory()), None);
    reports.extend(catalog.add_linked());
    (catalog, reports)
}

/// What templates without mistakes of their own have against each other, and what is wrong with the files of schedules.
fn mistakes_among(context: &Context) -> Vec<String> {
    let (mut catalog, _) = load(context);
    let mut mistakes = catalog.add_schedules(&context.directory());
    mistakes.extend(catalog.mistakes());
    mistakes
}

fn mistaken(reports: &[String]) -> Failure {
    Failure::usage(format!("templates have mistakes:\n{}", reports.join("\n"))).try_this("template check")
}

fn list(context: &Context) -> Done {
    let (catalog, reports) = load(context);
    let lines: Vec<Line> = catalog
        .iter()
        .map(|template| Line {
            template: format!("{}/{}", template.namespace(), template.name()),
            version: template.version().to_string(),
            steps: template.steps().len(),
            description: template.description().unwrap_or_default().to_owned(),
        })
        .collect();
    output::list(&lines, context.global.output, &["template", "version", "steps", "description"], |line| {
        vec![line.template.clone(), line.version.clone(), line.steps.to_string(), line.description.clone()]
    })?;
    if reports.is_empty() { Ok(()) } else { Err(mistaken(&reports)) }
}

fn show(context: &Context, name: &str) -> Done {
    let (catalog, reports) = load(context);
    // One that is not there may be what a file with mistakes was to be.
    let unknown =
        |error| if reports.is_empty() { super::run::unknown_template(error) } else { mistaken(&reports) };
    let template = catalog.find(name).map_err(unknown)?;
    match context.global.output {
        Form::Table => output::print(template.to_yaml().trim_end()),
        form => {
            let value: serde_json::Value =
                serde_json::from_str(&template.to_canonical()).map_err(Failure::run)?;
            output::json(&value, form)
        }
    }
}
