//! Tasks that steps of other tasks start, and the way back, as `orchestration/family.rs` has them.

use tasker_model::{Attempt, Command, Json, StepError, TaskNo, TaskState, Timestamp, WaitEnd};

use super::Db;

/// A row of `children`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ChildRow {
    pub(crate) task: TaskNo,
    /// It is over, and the task that started it was told.
    pub(crate) ended: bool,
}

/// What a step starts.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Family {
    pub(crate) attempt: Attempt,
    pub(crate) items: usize,
    pub(crate) workflow: usize,
    pub(crate) queue: usize,
    pub(crate) parallelism: usize,
    pub(crate) collect: bool,
}

/// What there is of the tasks that a step starts.
#[derive(Clone, Debug)]
pub(crate) enum Seen {
    NotHeld,
    Open,
    Over(WaitEnd),
}

impl Db {
    /// Starts what is to be started of the tasks of a step, and looks at those that were.
    pub(crate) fn see_children(&mut self, worker: i64, family: Family, now: Timestamp) -> Seen {
        let Attempt { lease, step, number } = family.attempt;
        if !self.covers(worker, lease) || self.task(lease.task).run.over {
            return Seen::NotHeld;
        }
        let rows = self.task(lease.task);
        let last = |item: usize| {
            let mut of_item = rows.children.range((step, item, 0)..=(step, item, u32::MAX));
            of_item.next_back().map(|((_, _, attempt), row)| (*attempt, *row))
        };
        let complete = |row: &ChildRow| self.task(row.task).run.state == TaskState::Complete;
        let (mut open, mut failed, mut missing) = (0, false, Vec::new());
        for item in 0..family.items {
            match last(item) {
                None => missing.push(item),
                Some((_, row)) if !row.ended => open += 1,
                Some((_, row)) if complete(&row) => {}
                Some((attempt, _)) if attempt < number => missing.push(item),
                Some(_) => failed = true,
            }
        }
        if failed && !family.collect {
            missing.clear();
        }
        if missing.is_empty() && open == 0 {
            let error = StepError::permanent("CHILD_FAILED", "a task did not complete");
            let result = WaitEnd::Result(Json::null(), 0);
            return Seen::Over(if failed && !family.collect { WaitEnd::Failed(error) } else { result });
        }
        for item in missing.into_iter().take(family.parallelism.saturating_sub(open)) {
            let task = self.submit(family.workflow, family.queue, now.as_micros(), 0, None);
            self.task_mut(task).parent = Some(lease.task);
            let row = ChildRow { task, ended: false };
            self.task_mut(lease.task).children.insert((step, item, number), row);
        }
        Seen::Open
    }

    /// Tells the task that started this one that it is over, in the transaction that ends it.
    pub(super) fn tell_parent(&mut self, task: TaskNo, now: Timestamp) {
        let Some(parent) = self.task(task).parent else { return };
        let rows = self.task_mut(parent);
        let row = rows.children.values_mut().find(|row| row.task == task && !row.ended);
        let Some(row) = row else { return };
        row.ended = true;
        if rows.run.over {
            return;
        }
        match rows.run.owner {
            Some(_) => self.leave_delivery(parent),
            None => self.deliver(parent, now),
        }
    }

    /// Asks the tasks that this one started, and that are not over, to follow it to this state.
    pub(super) fn ask_children(&mut self, task: TaskNo, state: TaskState) {
        let command = match state {
            TaskState::Paused => Command::Pause,
            state if state.is_final() => Command::Cancel,
            _ => return,
        };
        self.leave_to_children(task, &command);
    }

    pub(super) fn leave_to_children(&mut self, task: TaskNo, command: &Command) {
        let open: Vec<TaskNo> =
            self.task(task).children.values().filter(|row| !row.ended).map(|row| row.task).collect();
        open.into_iter().for_each(|child| self.leave(child, command.clone()));
    }
}
