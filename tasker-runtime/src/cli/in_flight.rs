//! What tasks that are not over started with, and whether this program can go on with them.

use serde::Serialize;

use super::{Context, Done, Failure, Form, inspect::seconds, output, printable::printable, templates::load};
use crate::api::{Examination, InFlight, InFlightProblem};

/// What this program has of a template.
#[derive(Clone, Copy, Serialize)]
#[serde(rename_all = "snake_case")]
enum Here {
    /// The same content.
    Same,
    /// Another content or another version under that name.
    Other,
    /// Nothing.
    Nothing,
}

/// What `template list --in-flight` says of a template.
#[derive(Serialize)]
struct Line {
    #[serde(flatten)]
    open: InFlight,
    here: Here,
}

/// Lists the templates that open tasks started with.
pub(crate) async fn list(context: Context) -> Done {
    let form = context.global.output;
    let (catalog, _) = load(&context);
    let tasker = context.visiting()?.without_templates().without_migration().connect().await?;
    let here = |open: &InFlight| match catalog.find(&format!("{}/{}", open.namespace, open.template)) {
        Ok(template) if open.is_of(template) => Here::Same,
        Ok(_) => Here::Other,
        Err(_) => Here::Nothing,
    };
    let lines: Vec<Line> =
        tasker.in_flight().await?.into_iter().map(|open| Line { here: here(&open), open }).collect();
    output::list(&lines, form, &["template", "version", "digest", "open", "oldest", "here"], |line| {
        let here = match line.here {
            Here::Same => "the same",
            Here::Other => "another version or content",
            Here::Nothing => "not there",
        };
        vec![
            name(&line.open.namespace, &line.open.template),
            line.open.version.clone(),
            short(&line.open.digest),
            line.open.tasks.to_string(),
            seconds(line.open.oldest),
            here.to_owned(),
        ]
    })
}

/// So many problems are told; of more, those of the first templates.
const MAX_TOLD: usize = 50;

/// Says which open tasks would hang or fail if only this program ran them.
pub(crate) async fn examine(context: Context) -> Done {
    let form = context.global.output;
    let partial = context.config.settings().handlers.partial;
    let tasker = context.visiting()?.without_templates().without_migration().connect().await?;
    let examined = tasker.examine(partial).await?;
    match form {
        Form::Table => tell(&examined)?,
        form => output::json(&examined, form)?,
    }
    if examined.problems.is_empty() { Ok(()) } else { Err(Failure::quiet(1)) }
}

fn tell(examined: &Examination) -> Done {
    let tasks = many(examined.tasks);
    if examined.problems.is_empty() {
        return output::print(&format!("ok     {tasks} not over: this program can go on with all of them"));
    }
    for problem in examined.problems.iter().take(MAX_TOLD) {
        output::print(&line(problem))?;
    }
    if let Some(more @ 1..) = examined.problems.len().checked_sub(MAX_TOLD) {
        output::say!("{}", output::dim(&format!("{more} more problems; `-o json` shows them all")));
    }
    output::say!("{tasks} not over; what would hang or fail after a deployment of this program is listed");
    Ok(())
}

fn line(problem: &InFlightProblem) -> String {
    let examples: Vec<String> = problem.examples.iter().map(ToString::to_string).collect();
    let more = if problem.tasks as usize > examples.len() { ", …" } else { "" };
    format!(
        "wrong  {} {} {}: {}: {}\n       {}{more}",
        printable(&name(&problem.namespace, &problem.template)),
        printable(&problem.version),
        short(&problem.digest),
        many(problem.tasks),
        printable(&problem.detail),
        examples.join(", "),
    )
}

fn many(tasks: u64) -> String {
    format!("{tasks} task{}", if tasks == 1 { "" } else { "s" })
}

fn name(namespace: &str, template: &str) -> String {
    if template.is_empty() { "a template that is gone".to_owned() } else { format!("{namespace}/{template}") }
}

/// As much of a digest as tells contents apart.
fn short(digest: &str) -> String {
    digest.chars().take(12).collect()
}
