//! Who asked what of a task, and what came of it.

use serde::Serialize;
use uuid::Uuid;

use super::Tasker;
use crate::{
    model::{Json, Timestamp},
    orchestration::{
        commands::{self, AuditLine},
        view,
    },
    store,
};

/// One thing that somebody asked of a task: a command, a signal, a replay or a fork.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct AuditEntry {
    /// Its number among all lines of the audit trail, which grows with time.
    pub number: i64,
    /// When it was asked.
    pub at: Timestamp,
    /// Who asked.
    pub actor: String,
    /// What: `retry`, `cancel`, `signal` and so on.
    pub action: String,
    /// The command in full, as JSON.
    pub detail: Json,
    /// Why, in the words of who asked; see [`Tasker::because`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Why the process that holds the task did not follow it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refused: Option<String>,
    /// It is on record, and the process that holds the task has not followed it so far.
    pub pending: bool,
}

impl AuditEntry {
    fn new(line: AuditLine) -> Self {
        let AuditLine { id, at, actor, action, detail, reason, refused, pending } = line;
        let detail = detail.map_or_else(Json::null, |text| Json::stored(&text));
        Self { number: id, at, actor, action, detail, reason, refused, pending }
    }
}

impl Tasker {
    /// What was asked of a task after the entry `after` (from the beginning: 0), oldest first, at most `limit`
    /// entries; `None` when there is no such task. What was refused at once has changed nothing and is not among it.
    ///
    /// ```
    /// # use tasker_runtime::{Tasker, api::Submission, model::Command, prelude::*};
    /// #[step_handler]
    /// async fn pay(cents: u64) -> u64 {
    ///     cents
    /// }
    ///
    /// workflow!(paying = [pay]);
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # std::env::set_current_dir(std::env::temp_dir())?;
    /// let tasker = Tasker::builder().database("sqlite::memory:").connect().await?;
    /// let task = tasker.submit(Submission::to("paying").context(&5)?).await?;
    /// tasker.as_actor("ada").because("ordered twice").operate(task, &Command::Cancel).await?;
    /// let trail = tasker.audit(task, 0, 10).await?.ok_or("it is gone")?;
    /// assert_eq!((&*trail[0].actor, &*trail[0].action), ("ada", "cancel"));
    /// assert_eq!(trail[0].reason.as_deref(), Some("ordered twice"));
    /// assert!(tasker.audit(task, trail[0].number, 10).await?.ok_or("it is gone")?.is_empty());
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn audit(
        &self,
        task: Uuid,
        after: i64,
        limit: usize,
    ) -> store::Result<Option<Vec<AuditEntry>>> {
        let mut connection = self.inner.store.reader().await?;
        let Some(number) = view::number(&mut connection, task).await? else { return Ok(None) };
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let lines = commands::trail(&mut connection, number, after, limit).await?;
        Ok(Some(lines.into_iter().map(AuditEntry::new).collect()))
    }
}
