//! Steps that wait for a time or for somebody: they call nothing, and end here.

use std::collections::BTreeSet;

use super::{ActiveTask, LINGERS, TaskLoop, published};
use crate::{
    Attempt, Done, Event, Failed, Lease, LeftOut, NoResult, Signal, StepIndex, TaskNo, Timestamp, WaitEnd,
};

impl<B> TaskLoop<B> {
    pub(super) fn signals(&mut self, lease: Lease, signals: Vec<Signal>) {
        let Some(task) = self.held_under(lease) else { return };
        task.progress.receive(signals);
        self.touched.push(lease.task);
    }

    pub(super) fn children_seen(&mut self, attempt: Attempt, end: Option<WaitEnd>, now: Timestamp) {
        let Some(task) = self.held_under(attempt.lease) else { return };
        task.lingers = Some(now + LINGERS);
        task.looking = task.looking.saturating_sub(1);
        if let Some(end) = end {
            task.progress.children_over(attempt.step, attempt.number, end);
        }
        self.touched.push(attempt.task());
    }

    pub(super) fn reread(&mut self, lease: Lease) {
        let Some(task) = self.held_under(lease) else { return };
        task.unread = true;
        self.touched.push(lease.task);
    }

    /// Ends the waits of touched tasks that are over. One that begins with what is only about to be written is left to
    /// the next round: as no step starts, no wait ends before what it depends on is durable.
    pub(super) fn end_waits(&mut self, now: Timestamp) {
        let mut unwritten: Option<BTreeSet<TaskNo>> = None;
        for at in 0..self.touched.len() {
            let task = self.touched[at];
            let over = self.waits_over(task, now);
            if over.is_empty() {
                continue;
            }
            if unwritten.get_or_insert_with(|| self.batch.tasks().collect()).contains(&task) {
                self.left_waiting.push(task);
                continue;
            }
            over.into_iter().for_each(|(step, end)| self.end_wait(task, step, end, now));
            // What waited for these may be over as well.
            if !self.waits_over(task, now).is_empty() {
                self.left_waiting.push(task);
            }
        }
    }

    fn waits_over(&mut self, task: TaskNo, now: Timestamp) -> Vec<(StepIndex, WaitEnd)> {
        let active = self.tasks.get_mut(&task);
        let goes_on = |active: &&mut ActiveTask<B>| active.wanted.is_none() && !active.unread;
        let Some(active) = active.filter(goes_on).filter(|_| !self.draining) else { return Vec::new() };
        active.progress.wake(now);
        active.progress.waits_over(now)
    }

    fn end_wait(&mut self, task: TaskNo, step: StepIndex, end: WaitEnd, now: Timestamp) {
        let Some(active) = self.tasks.get_mut(&task) else { return };
        let lease = active.lease;
        let at = active.progress.after_all(now);
        let event = match end {
            WaitEnd::Result(result, number) => {
                let attempt = Attempt { lease, step, number };
                let (started_at, finished_at) = (at, at);
                let event = Event::Completed { result: result.clone() };
                let published = published(&active.progress, attempt, &Ok(result.clone()), &[]);
                self.batch.done.push(Done { attempt, started_at, finished_at, result, published });
                if number > 0 {
                    active.progress.used_up(number);
                }
                event
            }
            WaitEnd::Skipped => {
                let attempt = Attempt { lease, step, number: 0 };
                self.batch.left_out.push(LeftOut { attempt, at });
                Event::Skipped
            }
            WaitEnd::Failed(error) => {
                let attempt = Attempt { lease, step, number: active.next_attempt(step) };
                let (started_at, failed_at) = (at, at);
                let came = NoResult::Failed(error);
                let published = published(&active.progress, attempt, &Err((came.clone(), None)), &[]);
                let failed = Failed { attempt, started_at, failed_at, retry_at: None, came, published };
                self.batch.failed.push(failed);
                Event::Failed { retry_at: None }
            }
        };
        // Nothing is to be followed in the result of a wait.
        let _ = active.progress.apply_at(step, &event, at);
    }
}
