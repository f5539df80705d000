//! Adds tasks that begin where others have come to: a replay with the same input, a fork with the results of
//! everything that is not below one of its steps.
//!
//! What is kept is written into the journal of the new task in the transaction that adds it, so that whoever claims it
//! finds it there as any other result. The other task is read and stays as it is. A crash before the commit leaves
//! nothing.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{
    append, commands,
    compiled::CompiledTemplate,
    submit::{self, NewTask, Request},
    turns,
    view::{self, StoredTask},
};
use crate::{
    model::{ForkRefused, History, Json, Timestamp},
    registry::Schema,
    store::{self, Connection, Error, sql, values},
    template::Template,
};

/// Where a task comes from that another one was the model of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Origin {
    /// The other task, which may be gone by now.
    pub task: Uuid,
    /// What was made of it.
    pub kind: OriginKind,
    /// Of a fork: the step that it runs from.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub from: Option<String>,
}

/// What a task is made of another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum OriginKind {
    /// The same from the beginning.
    Replay,
    /// The same from one of its steps.
    Fork,
}

impl OriginKind {
    /// Its name: `replay` or `fork`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Replay => "replay",
            Self::Fork => "fork",
        }
    }
}

/// What is asked for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asked<'a> {
    /// The new task.
    pub uuid: Uuid,
    /// The step that it runs from; `None`: it keeps nothing.
    pub from: Option<&'a str>,
    /// Its context; `None`: the other's.
    pub context: Option<&'a Json>,
    /// Who asks.
    pub actor: &'a str,
}

/// Why no task was added.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NotAdded {
    #[error(transparent)]
    Refused(#[from] ForkRefused),
    #[error("the input does not fit the template")]
    Context { template: String, problems: Vec<String> },
    /// As many tasks run already as a limit of the template lets, this among them.
    #[error("a limit of the template skips it")]
    Skipped { running: Uuid },
    #[error(transparent)]
    Store(#[from] store::Error),
}

/// A task that was added.
#[derive(Debug)]
pub(crate) struct Added {
    /// The queue it waits in.
    pub queue: String,
    /// Other tasks were told to end, for the limit that it waits for.
    pub cancels: bool,
}

/// Adds a task with the template of the task `model`, which is compiled in `plan`; `None`: there is no task `model`.
pub(crate) async fn add(
    connection: &mut Connection,
    model: Uuid,
    plan: &CompiledTemplate,
    asked: Asked<'_>,
    now: Timestamp,
) -> Result<Option<Added>, NotAdded> {
    if let Some(context) = asked.context {
        fits(plan, context)?;
    }
    connection
        .transaction(async |connection| {
            let Some((task, history)) = view::find(connection, model).await? else { return Ok(None) };
            if let Some(step) = history.unknown_step(plan.rules()) {
                let problem = "is not a step of its template";
                return Err(Error::corrupt("the journal", step.code(), problem).of_task(model).into());
            }
            let kept = match asked.from {
                Some(step) => history.forked(plan.rules(), step, task.state.is_final())?,
                None => History::default(),
            };
            let queue = task.queue.clone();
            let request = Request { task: like(task, plan, asked, now)?, key: None };
            let added = submit::submit_in_transaction(connection, std::slice::from_ref(&request)).await?;
            let number = match added.first() {
                Some(submit::Added::New { task, .. }) => *task,
                Some(submit::Added::Skipped { task }) => return Err(NotAdded::Skipped { running: *task }),
                _ => {
                    return Err(Error::Corrupt {
                        what: "a task was not added, and nobody said why".to_owned(),
                    }
                    .into());
                }
            };
            append::keep(connection, number, &kept).await?;
            let kind = if asked.from.is_some() { OriginKind::Fork } else { OriginKind::Replay };
            let origin = Origin { task: model, kind, from: asked.from.map(str::to_owned) };
            let origin = serde_json::to_string(&origin).unwrap_or_default();
            connection.execute(&sql::SET_ORIGIN, values![number.0, &*origin]).await?;
            let by = commands::Asker::without_reason(asked.actor);
            commands::audit_line(connection, number, now, by, kind.as_str(), &origin).await?;
            Ok(Some(Added { queue, cancels: request.cancels() }))
        })
        .await
}

/// The new task that is like `task` but for what is asked.
fn like(
    task: StoredTask,
    plan: &CompiledTemplate,
    asked: Asked<'_>,
    now: Timestamp,
) -> Result<NewTask, NotAdded> {
    let context = asked.context.cloned().unwrap_or(task.context);
    let turns = turns::of(&plan.template, &context).map_err(|problem| NotAdded::Context {
        template: name(&plan.template),
        problems: vec![format!("  {problem}")],
    })?;
    Ok(NewTask {
        uuid: asked.uuid,
        correlation_id: task.correlation_id,
        template: task.template,
        context,
        tags: None,
        created_at: now,
        run_at: now,
        priority: i16::try_from(task.priority).unwrap_or_default(),
        queue: task.queue,
        turns,
    })
}

/// Namespace, name and version.
fn name(template: &Template) -> String {
    format!("{}/{} {}", template.namespace(), template.name(), template.version())
}

/// Refuses a context that the input schema of the template does not let through.
fn fits(plan: &CompiledTemplate, context: &Json) -> Result<(), NotAdded> {
    let template = &plan.template;
    let schema = template.input_schema().map(Schema::new).transpose();
    let problems = match schema {
        // Without a schema that can be read, nothing is asked of it: its tasks began so.
        Ok(None) | Err(_) => return Ok(()),
        Ok(Some(schema)) => schema.problems("  input", &context.to_value()),
    };
    if problems.is_empty() {
        return Ok(());
    }
    Err(NotAdded::Context { template: name(template), problems })
}
