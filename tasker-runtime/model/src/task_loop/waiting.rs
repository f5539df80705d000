//! Steps that wait for a time or for somebody: they call nothing, and end here.

use super::TaskLoop;
use crate::{Attempt, Done, Event, Failed, Lease, LeftOut, Signal, TaskNo, Timestamp, WaitEnd};

impl<B> TaskLoop<B> {
    pub(super) fn signals(&mut self, lease: Lease, signals: Vec<Signal>) {
        let Some(task) = self.held_under(lease) else { return };
        task.progress.receive(signals);
        self.touched.push(lease.task);
    }

    pub(super) fn reread(&mut self, lease: Lease) {
        let Some(task) = self.held_under(lease) else { return };
        task.unread = true;
        self.touched.push(lease.task);
    }

    /// Ends the waits of touched tasks that are over, one after the other as long as that ends others.
    pub(super) fn end_waits(&mut self, now: Timestamp) {
        for at in 0..self.touched.len() {
            while self.end_waits_of(self.touched[at], now) {}
        }
    }

    /// Whether some wait of the task ended.
    fn end_waits_of(&mut self, task: TaskNo, now: Timestamp) -> bool {
        let Some(active) = self.tasks.get_mut(&task) else { return false };
        if self.draining || active.wanted.is_some() || active.unread {
            return false;
        }
        active.progress.wake(now);
        let over = active.progress.waits_over(now);
        let ended = !over.is_empty();
        for (step, end) in over {
            let lease = active.lease;
            let at = active.progress.after_all(now);
            let event = match end {
                WaitEnd::Result(result, number) => {
                    let attempt = Attempt { lease, step, number };
                    let (started_at, finished_at) = (at, at);
                    let event = Event::Completed { result: result.clone() };
                    self.batch.done.push(Done { attempt, started_at, finished_at, result });
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
                    self.batch.failed.push(Failed { attempt, started_at, failed_at, retry_at: None, error });
                    Event::Failed { retry_at: None }
                }
            };
            // Nothing is to be followed in the result of a wait.
            let _ = active.progress.apply_at(step, &event, at);
        }
        ended
    }
}
