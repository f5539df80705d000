//! Lists tasks, a page at a time.

use std::{
    collections::{HashMap, hash_map::Entry},
    fmt,
    str::FromStr,
};

use uuid::Uuid;

use super::{TaskSummary, Tasker};
use crate::{
    model::{TaskNo, TaskState, Timestamp},
    orchestration::{
        journal::{self, History},
        plans::TemplateError,
        view::{self, Wanted},
    },
    store::{Connection, Result},
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
    waiting_for: Option<String>,
    key: Option<(String, String)>,
    after: Option<Cursor>,
    limit: usize,
}

impl Default for TaskFilter {
    fn default() -> Self {
        Self { wanted: Wanted::default(), waiting_for: None, key: None, after: None, limit: 50 }
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

    /// The namespace that is meant, if one is; see [`namespace`](Self::namespace) and [`template`](Self::template).
    #[must_use]
    pub fn of_namespace(&self) -> Option<&str> {
        self.wanted.namespace.as_deref()
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

    /// Only tasks that have a step, or a compensation, without a result whose last attempt failed with this code: it
    /// has failed for good, waits for its next attempt, or is being tried again.
    pub fn error_code(mut self, code: impl Into<String>) -> Self {
        self.wanted.error = Some(code.into());
        self
    }

    /// Only tasks that wait for the step of this name: its turn has come and it has no result. It runs, waits for a
    /// time, a signal, a worker or its next attempt, or has failed for good. Batches are named like `process_003`,
    /// and `process` means any of them; compensations like `undo charge`.
    pub fn waiting_for(mut self, step: impl Into<String>) -> Self {
        self.waiting_for = Some(step.into());
        self.wanted.open = true;
        self
    }

    /// Only tasks that are not over.
    pub fn open(mut self) -> Self {
        self.wanted.open = true;
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
    /// It has fewer tasks than it could have, because it had looked at as many as one page may: the next one goes on.
    pub incomplete: bool,
}

/// So many tasks are looked at with one statement.
const WINDOW: i64 = 2000;
/// So many times the database is asked for one page.
const WINDOWS: u32 = 10;
/// The journals of so many tasks are read at once.
const JOURNALS: usize = 100;

impl Tasker {
    /// A page of the tasks that `filter` lets through, newest first.
    ///
    /// Of the newest 20,000 tasks after the cursor those are found that fit, however few they are; where
    /// [`waiting_for`](TaskFilter::waiting_for) has their journals read, it is the newest 1,000 that are not over. So
    /// no page reads the whole table: it may have fewer tasks than the filter's limit, or none, and says then that it
    /// is [`incomplete`](TaskPage::incomplete) and where the next one begins.
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
            drop(connection);
            let lines = self.waiting(lines, filter).await?;
            let tasks = lines.into_iter().map(|line| TaskSummary::new(line, &[])).collect();
            return Ok(TaskPage { tasks, next: None, incomplete: false });
        }
        drop(connection);
        let (lines, next) = self.page(filter).await?;
        let mut connection = self.inner.store.reader().await?;
        let held: Vec<TaskNo> =
            lines.iter().filter(|line| is_held(line.state)).map(|line| line.task).collect();
        let mut offers = view::offers_of(&mut connection, &held).await?;
        let summary = |line: view::TaskLine| {
            let on_offer = offers.remove(&line.task).unwrap_or_default();
            TaskSummary::new(line, &on_offer)
        };
        let incomplete = next.is_some() && lines.len() < filter.limit;
        Ok(TaskPage { tasks: lines.into_iter().map(summary).collect(), next, incomplete })
    }

    /// The ids of all tasks that `filter` lets through, newest first. It walks through all pages, however many there
    /// are; what is submitted meanwhile is not among them. How many tasks a page may have is of no matter here.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn matching(&self, filter: &TaskFilter) -> Result<Vec<Uuid>> {
        let mut filter = filter.clone().limit(usize::try_from(WINDOW).unwrap_or(usize::MAX));
        if filter.key.is_some() {
            return Ok(self.list(&filter).await?.tasks.into_iter().map(|task| task.task_id).collect());
        }
        let mut tasks = Vec::new();
        loop {
            let (lines, next) = self.page(&filter).await?;
            tasks.extend(lines.into_iter().map(|line| line.uuid));
            let Some(next) = next else { return Ok(tasks) };
            filter = filter.after(next);
        }
    }

    /// The lines of a page, and where the next one begins.
    async fn page(&self, filter: &TaskFilter) -> Result<(Vec<view::TaskLine>, Option<Cursor>)> {
        let mut connection = self.inner.store.reader().await?;
        let mut before = match (filter.after, filter.wanted.until) {
            (Some(cursor), _) => cursor.0,
            (None, Some(until)) => view::submitted_before(&mut connection, until).await?,
            (None, None) => TaskNo(i64::MAX),
        };
        let (mut lines, mut next) = (Vec::new(), None);
        for _ in 0..WINDOWS {
            let missing = filter.limit - lines.len();
            let at_once = if filter.waiting_for.is_some() { JOURNALS } else { missing };
            let found = view::list(&mut connection, &filter.wanted, before, WINDOW, at_once).await?;
            let end = match found.last().filter(|_| found.len() == at_once) {
                Some(last) => Some(last.task),
                None => self.edge(&mut connection, filter, before).await?,
            };
            drop(connection);
            lines.extend(self.waiting(found, filter).await?);
            connection = self.inner.store.reader().await?;
            // Of more than are missing, the next page has the rest.
            let full = lines.len() >= filter.limit;
            let last = lines.get(filter.limit.saturating_sub(1)).filter(|_| lines.len() > filter.limit);
            next = last.map(|last| last.task).or(end);
            lines.truncate(filter.limit);
            match next.filter(|_| !full) {
                Some(end) => before = end,
                None => break,
            }
        }
        if let Some(place) = next
            && view::edge(&mut connection, place, 1).await?.is_none()
        {
            next = None;
        }
        Ok((lines, next.map(Cursor)))
    }

    /// Where a window before the task `before` ends; `None` where no task after it can be wanted.
    async fn edge(
        &self,
        connection: &mut Connection,
        filter: &TaskFilter,
        before: TaskNo,
    ) -> Result<Option<TaskNo>> {
        let edge = view::edge(connection, before, WINDOW).await?;
        let too_old = |latest: Timestamp| filter.wanted.since.is_some_and(|since| latest < since);
        Ok(edge.filter(|(_, latest)| !too_old(*latest)).map(|(last, _)| last))
    }

    /// Those of the tasks that wait for the step that `filter` asks for; where it asks for none, all.
    async fn waiting(&self, lines: Vec<view::TaskLine>, filter: &TaskFilter) -> Result<Vec<view::TaskLine>> {
        let Some(step) = &filter.waiting_for else { return Ok(lines) };
        let mut templates = HashMap::new();
        for line in &lines {
            if let Entry::Vacant(vacant) = templates.entry(line.template) {
                match self.inner.plans.get(line.template).await {
                    Ok(plan) => drop(vacant.insert(Some(plan.rules().clone()))),
                    Err(TemplateError::Store(error)) => return Err(error),
                    // Nobody can say what its tasks wait for.
                    Err(_) => drop(vacant.insert(None)),
                }
            }
        }
        let rules = |line: &view::TaskLine| templates.get(&line.template).and_then(Option::as_ref);
        let has_step = |line: &view::TaskLine| rules(line)?.number(step);
        let tasks: Vec<TaskNo> =
            lines.iter().filter(|line| has_step(line).is_some()).map(|line| line.task).collect();
        let mut histories = journal::read_each(&mut self.inner.store.reader().await?, &tasks).await?;
        let mut waiting = Vec::new();
        for line in lines {
            let (Some(number), Some(rules)) = (has_step(&line), rules(&line).cloned()) else { continue };
            // What cannot be read is told by those who run the task.
            let Ok(history) = histories.remove(&line.task).unwrap_or_else(|| Ok(History::default())) else {
                continue;
            };
            if history.replay(rules).waits_for(number) {
                waiting.push(line);
            }
        }
        Ok(waiting)
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
