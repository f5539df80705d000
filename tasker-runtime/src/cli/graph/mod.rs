//! Draws templates and tasks.

mod mermaid;
mod picture;
mod tree;

use clap::{Args, ValueEnum};

use super::{Context, Done, Form, inspect, output};
use crate::api::Discovered;
use picture::Picture;
pub(crate) use tree::tree;

/// Draw a template or a task.
///
/// With `-o json` the same as data: `nodes` (name, kind, handler), `edges` (from, to) and `compensations`
/// (step, handler); of a task also the `state` of each, and at edges whether they were `taken`.
#[derive(Debug, Args)]
pub(crate) struct Graph {
    /// A template (namespace/name) or the id of a task
    what: String,
    /// The form of the drawing, where it is no JSON
    #[arg(long, default_value = "tree")]
    form: Drawing,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Drawing {
    /// Indented lines
    Tree,
    /// A Mermaid flowchart; of a task, thick edges are the route it took
    Mermaid,
}

impl Graph {
    pub(crate) async fn run(self, context: Context) -> Done {
        let form = context.global.output;
        let (report, template, picture) = match self.what.parse() {
            Ok(task) => {
                let tasker = context.builder().without_templates().connect().await?;
                let found = tasker.show_with_template(task).await?;
                let (report, template) = found.ok_or_else(|| inspect::unknown_task(task))?;
                let picture = Picture::new(&template, Some(&report), tasker.registry());
                (Some(report), template, picture)
            }
            Err(_) => {
                let Discovered { registry, catalog, .. } = context.builder().only(&self.what).discover()?;
                let template = catalog.find(&self.what).map_err(super::run::unknown_template)?.clone();
                let picture = Picture::new(&template, None, &registry);
                (None, template, picture)
            }
        };
        if form != Form::Table {
            return output::json(&picture, form);
        }
        let text = match self.form {
            Drawing::Tree => tree::draw(&template, report.as_ref(), &picture),
            Drawing::Mermaid => mermaid::draw(&picture),
        };
        output::print(text.trim_end())
    }
}
