//! How many tasks of a template may run at once.

use serde::Serialize;

use crate::words::words;

words! {
    /// What becomes of a submission while as many tasks of its key run as may.
    #[derive(Default)]
    pub enum OnConflict {
        /// Its task waits in line: higher priorities first, then the older ones.
        #[default]
        Queue = "queue",
        /// It becomes no task: the submitter is given one of those that run.
        Skip = "skip",
        /// Those that run are cancelled, and its task is the next in line.
        CancelRunning = "cancel_running",
    }
}

/// How many tasks with the same key run at once, over all processes: from when one is started until it is over, however
/// long it waits in between.
///
/// ```
/// use tasker_template::{Concurrency, OnConflict, Step, Template};
///
/// let one_each = Concurrency::of(1).key("$.customer");
/// let sync = Template::builder("sync").step(Step::new("copy")).concurrency(one_each).build()?;
/// assert_eq!(sync.concurrency()[0].on_conflict, OnConflict::Queue);
///
/// let mistaken = Concurrency::of(1).key("customer");
/// let refused = Template::builder("sync").step(Step::new("copy")).concurrency(mistaken).build().unwrap_err();
/// assert_eq!(refused.mistakes[0].help.as_deref(), Some("write `$.customer`"));
/// # Ok::<(), tasker_template::Report>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Concurrency {
    /// The field of the context whose value is the key, as `$.customer`: text, a number, `true` or `false`, at most 255
    /// bytes. Absent: all tasks of the template have the same key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// How many, 1 to 1,000,000.
    pub limit: u32,
    /// What becomes of a submission while so many run.
    #[serde(skip_serializing_if = "is_queue")]
    pub on_conflict: OnConflict,
}

impl Concurrency {
    /// So many tasks of the template at once.
    #[must_use]
    pub fn of(limit: u32) -> Self {
        Self { key: None, limit, on_conflict: OnConflict::default() }
    }

    /// So many for each value of a field of the context, `$.customer`.
    #[must_use]
    pub fn key(self, field: impl Into<String>) -> Self {
        Self { key: Some(field.into()), ..self }
    }

    /// Does this with a submission while so many run.
    #[must_use]
    pub fn on_conflict(self, on_conflict: OnConflict) -> Self {
        Self { on_conflict, ..self }
    }
}

fn is_queue(on_conflict: &OnConflict) -> bool {
    *on_conflict == OnConflict::Queue
}

/// The names of the fields in `$.a.b`; `None` where that is no way to a field.
#[must_use]
pub fn context_path(text: &str) -> Option<Vec<&str>> {
    let names: Vec<&str> = text.strip_prefix("$.")?.split('.').collect();
    (!names.iter().any(|name| name.is_empty())).then_some(names)
}
