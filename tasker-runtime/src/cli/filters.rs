//! Which tasks a command means.

use clap::Args;
use uuid::Uuid;

use super::{inspect::state, times::point};
use crate::{
    api::TaskFilter,
    model::{TaskState, Timestamp},
};

/// Which tasks are meant; all conditions that are given have to hold.
#[derive(Clone, Debug, Default, PartialEq, Args)]
pub(crate) struct Filters {
    /// Only tasks in this state; a task that its process keeps for an imminent retry counts as in_progress
    #[arg(long, value_parser = state)]
    state: Option<TaskState>,
    /// Only tasks of this namespace
    #[arg(long)]
    namespace: Option<String>,
    /// Only tasks of this template, as namespace/name
    #[arg(long)]
    template: Option<String>,
    /// Only tasks that were submitted at this time or later: RFC 3339, or how long ago, as 2h
    #[arg(long, value_name = "TIME", value_parser = point)]
    since: Option<Timestamp>,
    /// Only tasks that were submitted before this time: RFC 3339, or how long ago, as 30d
    #[arg(long, value_name = "TIME", value_parser = point)]
    until: Option<Timestamp>,
    /// Only tasks with a step that has no result and whose last attempt failed with this code
    #[arg(long, value_name = "CODE")]
    error: Option<String>,
    /// Only tasks that wait for this step: it runs, or waits for a time, a signal, a worker, an attempt or you
    #[arg(long, value_name = "STEP")]
    waiting_for: Option<String>,
    /// Only tasks with this correlation id
    #[arg(long, value_name = "ID")]
    correlation_id: Option<Uuid>,
}

impl Filters {
    /// Whether they say nothing.
    pub(crate) fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// The step that is waited for, if that is asked.
    pub(crate) fn waiting_for(&self) -> Option<&str> {
        self.waiting_for.as_deref()
    }

    /// What they say of tasks that are not over, or of those in the state that they name.
    pub(crate) fn open_unless_asked(&self) -> TaskFilter {
        if self.state.is_some() { self.filter() } else { self.filter().open() }
    }

    /// What they say.
    pub(crate) fn filter(&self) -> TaskFilter {
        let filter = TaskFilter::new();
        let filter = self.state.into_iter().fold(filter, TaskFilter::state);
        let filter = self.namespace.iter().fold(filter, TaskFilter::namespace);
        let filter = self.template.iter().fold(filter, TaskFilter::template);
        let filter = self.since.into_iter().fold(filter, TaskFilter::created_since);
        let filter = self.until.into_iter().fold(filter, TaskFilter::created_until);
        let filter = self.error.iter().fold(filter, TaskFilter::error_code);
        let filter = self.waiting_for.iter().fold(filter, TaskFilter::waiting_for);
        self.correlation_id.into_iter().fold(filter, TaskFilter::correlation_id)
    }
}
