//! Lists tasks, a page at a time.

use std::{fmt, str::FromStr};

use uuid::Uuid;

use super::{TaskSummary, Tasker};
use crate::{
    model::{TaskNo, TaskState, Timestamp},
    orchestration::view::{self, Wanted},
    store::Result,
};

/// Which tasks a list is to have, and how many; all of them, 50 to a page, until something is said.
///
/// ```
/// # use tasker_runtime::{Tasker, api::{Submission, TaskFilter}, model::TaskState, prelude::*};
/// #[step_handler]
/// async fn greet(name: String) -> String {
///     format!("hello {name}")
/// }
///
/// workflow!(greeting = [greet]);
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # std::env::set_current_dir(std::env::temp_dir())?;
/// let tasker = Tasker::builder().database("sqlite::memory:").connect().await?;
/// for name in ["ada", "grace", "edsger"] {
///     tasker.submit(Submission::to("greeting").context(name)?).await?;
/// }
/// let pending = TaskFilter::new().state(TaskState::Pending).limit(2);
/// let first = tasker.list(&pending).await?;
/// let rest = tasker.list(&pending.after(first.next.unwrap())).await?;
/// assert_eq!((first.tasks.len(), rest.tasks.len(), rest.next), (2, 1, None));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct TaskFilter {
    wanted: Wanted,
    key: Option<(String, String)>,
    after: Option<Cursor>,
    limit: usize,
}

impl Default for TaskFilter {
    fn default() -> Self {
        Self { wanted: Wanted::default(), key: None, after: None, limit: 50 }
    }
}

impl TaskFilter {
    /// All tasks.
    pub fn new() -> Self {
        Self::default()
    }

    /// Only tasks in this state, as the database keeps it: see [`TaskSummary::state`].
    pub fn state(mut self, state: TaskState) -> Self {
        self.wanted.state = Some(state);
        self
    }

    /// Only tasks of templates of this namespace.
    pub fn namespace(mut self, namespace: impl Into<String>) -> Self {
        self.wanted.namespace = Some(namespace.into());
        self
    }

    /// Only tasks of the template `namespace/name`, or of all that are called `name`, of whatever version.
    pub fn template(mut self, template: impl Into<String>) -> Self {
        let template = template.into();
        match template.split_once('/') {
            Some((namespace, name)) => {
                self.wanted.namespace = Some(namespace.to_owned());
                self.wanted.template = Some(name.to_owned());
            }
            None => self.wanted.template = Some(template),
        }
        self
    }

    /// Only tasks that were submitted at this time or later.
    pub fn created_since(mut self, time: Timestamp) -> Self {
        self.wanted.since = Some(time);
        self
    }

    /// Only tasks that were submitted before this time.
    pub fn created_until(mut self, time: Timestamp) -> Self {
        self.wanted.until = Some(time);
        self
    }

    /// Only tasks with this correlation id.
    pub fn correlation_id(mut self, id: Uuid) -> Self {
        self.wanted.correlation_id = Some(id);
        self
    }

    /// Only the task that was submitted to the template `namespace/name` with this idempotency key. Without a
    /// namespace, the namespace `default` is meant.
    pub fn idempotency_key(mut self, template: impl Into<String>, key: impl Into<String>) -> Self {
        self.key = Some((template.into(), key.into()));
        self
    }

    /// Goes on where a page ended: [`TaskPage::next`].
    pub fn after(mut self, cursor: Cursor) -> Self {
        self.after = Some(cursor);
        self
    }

    /// At most this many tasks to a page, and at least 1.
    pub fn limit(mut self, tasks: usize) -> Self {
        self.limit = tasks.max(1);
        self
    }
}

/// Where a page ended. As text it can be handed to others and read again; what it says means nothing to anybody
/// but [`Tasker::list`].
///
/// ```
/// use tasker_runtime::api::Cursor;
///
/// assert!("nonsense".parse::<Cursor>().is_err());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cursor(TaskNo);

/// Text that is not a cursor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("this is not a cursor: a page names the one of the next page")]
pub struct BadCursor;

/// What cursors begin with, and what they are made unlike numbers by.
const PREFIX: &str = "t";
const MASK: i64 = 0x5bd1_e995_9e37_79b9;

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{PREFIX}{:016x}", self.0.0 ^ MASK)
    }
}

impl FromStr for Cursor {
    type Err = BadCursor;

    fn from_str(text: &str) -> std::result::Result<Self, BadCursor> {
        let sixteen =
            |digits: &&str| digits.len() == 16 && digits.bytes().all(|digit| digit.is_ascii_hexdigit());
        let digits = text.strip_prefix(PREFIX).filter(sixteen).ok_or(BadCursor)?;
        let number = u64::from_str_radix(digits, 16).map_err(|_| BadCursor)?.cast_signed() ^ MASK;
        if number > 0 { Ok(Self(TaskNo(number))) } else { Err(BadCursor) }
    }
}

impl serde::Serialize for Cursor {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// Some tasks of a list, newest first.
#[derive(Clone, Debug, serde::Serialize)]
#[non_exhaustive]
pub struct TaskPage {
    /// The tasks.
    pub tasks: Vec<TaskSummary>,
    /// Where the next page begins; `None` after the last.
    pub next: Option<Cursor>,
}

/// So many tasks are looked at with one statement.
const WINDOW: i64 = 2000;
/// So many times the database is asked for one page.
const WINDOWS: u32 = 10;

impl Tasker {
    /// A page of the tasks that `filter` lets through, newest first.
    ///
    /// Of the newest 20,000 tasks after the cursor those are found that fit, however few they are: a page may
    /// have fewer tasks than the filter's limit, or none, and still say where the next one begins. So no page
    /// reads the whole table.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn list(&self, filter: &TaskFilter) -> Result<TaskPage> {
        let mut connection = self.inner.store.reader().await?;
        if let Some((template, key)) = &filter.key {
            let (namespace, name) = template.split_once('/').unwrap_or(("default", template));
            let lines = match view::of_key(&mut connection, namespace, name, key).await? {
                Some(task) => view::list(&mut connection, &filter.wanted, TaskNo(task.0 + 1), 1, 1).await?,
                None => Vec::new(),
            };
            let tasks = lines.into_iter().map(|line| TaskSummary::new(line, &[])).collect();
            return Ok(TaskPage { tasks, next: None });
        }
        let (mut lines, mut before) = (Vec::new(), filter.after.map_or(TaskNo(i64::MAX), |cursor| cursor.0));
        let mut next = None;
        for _ in 0..WINDOWS {
            let missing = filter.limit - lines.len();
            let found = view::list(&mut connection, &filter.wanted, before, WINDOW, missing).await?;
            let full = found.len() == missing;
            lines.extend(found);
            let edge = match lines.last().filter(|_| full) {
                Some(last) => Some(last.task),
                None => view::edge(&mut connection, before, WINDOW).await?,
            };
            next = edge.map(Cursor);
            let Some(edge) = edge.filter(|_| !full) else { break };
            before = edge;
        }
        if let Some(cursor) = next
            && view::edge(&mut connection, cursor.0, 1).await?.is_none()
        {
            next = None;
        }
        let held: Vec<TaskNo> =
            lines.iter().filter(|line| is_held(line.state)).map(|line| line.task).collect();
        let mut offers = view::offers_of(&mut connection, &held).await?;
        let summary = |line: view::TaskLine| {
            let on_offer = offers.remove(&line.task).unwrap_or_default();
            TaskSummary::new(line, &on_offer)
        };
        Ok(TaskPage { tasks: lines.into_iter().map(summary).collect(), next })
    }
}

/// Whether a task in this state may have steps on offer.
const fn is_held(state: TaskState) -> bool {
    matches!(state, TaskState::InProgress | TaskState::Compensating)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn cursor_is_read_as_it_was_written_and_nothing_else_is() {
        for number in [1, 2, 77, i64::MAX] {
            let cursor = Cursor(TaskNo(number));
            assert_eq!(cursor.to_string().parse(), Ok(cursor));
            assert_ne!(cursor.to_string(), format!("{PREFIX}{number:016x}"), "nobody is to count with it");
        }
        for text in ["", "t", "t12", "5", "t+5bd1e9959e3779b", "tzzzzzzzzzzzzzzzz", &format!("t{MASK:016x}")]
        {
            assert_eq!(text.parse::<Cursor>(), Err(BadCursor), "{text}");
        }
    }
}
