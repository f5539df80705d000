//! Draws templates and tasks.

mod mermaid;
mod picture;
mod tree;

use clap::{Args, ValueEnum};

use super::{Context, Done, Form, inspect, output};
use crate::api::Discovered;
use picture::Picture;
pub(crate) use tree::{Branch, branches, title};

/// Draw a template or a task.
///
/// With `-o json` the same as data: `nodes` (name, kind, handler), `edges` (from, to) and `compensations`
/// (step, handler); for a task also the `state` of each, and whether each edge was `taken`.
#[derive(Debug, Args)]
pub(crate) struct Graph {
    /// A template (namespace/name) or the id of a task
    what: String,
    /// The form of the drawing, unless it is JSON
    #[arg(long, default_value = "tree")]
    form: Drawing,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Drawing {
    /// Indented lines
    Tree,
    /// A Mermaid flowchart; for a task, thick edges are the route it took
    Mermaid,
}

impl Graph {
    pub(crate) async fn run(self, context: Context) -> Done {
        let form = context.global.output;
        let (report, template, picture) = match self.what.parse() {
            Ok(task) => {
                let tasker = context.visiting()?.without_templates().connect().await?;
                let found = tasker.show_with_template(task).await?;
                let (report, template) = found.ok_or_else(|| inspect::unknown_task(task))?;
                let picture = Picture::new(&template, Some(&report), &tasker.registry());
                (Some(report), template, picture)
            }
            Err(_) => {
                let discovered = context.without_database().only(&self.what).discover()?;
                let Discovered { registry, catalog, .. } = discovered;
                let template = catalog.find(&self.what).map_err(super::run::unknown_template)?.clone();
                let picture = Picture::new(&template, None, &registry);
                (None, template, picture)
            }
        };
        if form != Form::Table {
            return output::json(&picture, form);
        }
        match self.form {
            Drawing::Tree => output::print_coloured(&tree::draw(&template, report.as_ref(), &picture)),
            Drawing::Mermaid => output::print(mermaid::draw(&picture).trim_end()),
        }
    }
}
