//! What comes back of the steps of held tasks.

use super::{AttemptEnded, LoanReturned, TaskLoop, Wanted, next::max_attempts};
use crate::{
    Attempt, Done, Ended, Event, EventOutcome, Failed, FailedAttempt, Failure, Json, Lease, NoResult, Offer,
    Progress, Published, Said, StepError, StepIndex, Timestamp,
};

/// When the next attempt may start after `attempt` failed; `None`: there is none, the step has failed for good.
fn retry_at(
    progress: &Progress,
    attempt: Attempt,
    error: &StepError,
    failed_at: Timestamp,
) -> Option<Timestamp> {
    let spent = progress.slot(attempt.step).map_or(0, |slot| slot.spent()) + 1;
    let seed = (attempt.task().0 as u64).rotate_left(32) ^ u64::from(attempt.number);
    let delay = progress.rules().retry_after(attempt.step, spent, error, seed)?;
    Some(failed_at + delay)
}

/// What an attempt came to, as it is to be recorded.
pub type Came = Result<Json, (NoResult, Option<Timestamp>)>;

/// What an attempt came to that ended like this: its result, or how it ended without one and when the next attempt
/// or round may start.
///
/// `progress` is where the task stands without it.
///
/// # Errors
/// What it came to instead of a result: that is to be recorded just as well.
pub fn came(
    progress: &Progress,
    attempt: Attempt,
    outcome: Result<Ended, StepError>,
    finished_at: Timestamp,
) -> Came {
    let step = attempt.step;
    let ended = outcome.and_then(|ended| match ended {
        Ended::Done(result) => progress.rules().checked(step, result).map(Ok),
        Ended::Again(again) => progress.next_round(step, again, finished_at).map(Err),
    });
    match ended {
        Ok(Ok(result)) => Ok(result),
        Ok(Err((round, due))) => Err((NoResult::Again(round), Some(due))),
        Err(error) => {
            let retry_at = retry_at(progress, attempt, &error, finished_at);
            Err((NoResult::Failed(error), retry_at))
        }
    }
}

/// What is published with what `attempt` came to: its result, or its failure and when the next attempt may start.
///
/// `progress` is where the task stands without it.
#[must_use]
pub fn published(
    progress: &Progress,
    attempt: Attempt,
    came: &Came,
    said: &[Said],
) -> Option<Box<Published>> {
    let publications = progress.rules().publications(attempt.step);
    if publications.is_empty() {
        return None;
    }
    match came {
        Ok(result) => Published::after_result(publications, EventOutcome::Success, result, said),
        // There is no outcome to tell of yet.
        Err((NoResult::Again(_), _)) => None,
        Err((NoResult::Failed(error), retry_at)) => {
            let retry_at = *retry_at;
            let (number, max_attempts) = (attempt.number, max_attempts(progress, attempt));
            let failed = FailedAttempt { number, max_attempts, retry_at, error };
            Published::after_failure(publications, failed, said)
        }
    }
}

impl<B> TaskLoop<B> {
    pub(super) fn attempt_ended(&mut self, ended: AttemptEnded) {
        let AttemptEnded { attempt, started_at, finished_at, outcome, said } = ended;
        let Some(task) = self.tasks.get_mut(&attempt.task()).filter(|task| task.lease == attempt.lease)
        else {
            return;
        };
        self.touched.push(attempt.task());
        let Some(outcome) = outcome else { return task.put_back(attempt.step) };
        task.came_back();
        let progress = &mut task.progress;
        let came = came(progress, attempt, outcome, finished_at);
        let published = published(progress, attempt, &came, &said);
        match came {
            Ok(result) => {
                let finished_at = progress.after_all(finished_at);
                // What cannot be followed was found just above.
                let _ = progress.apply_at(
                    attempt.step,
                    &Event::Completed { result: result.clone() },
                    finished_at,
                );
                self.batch.done.push(Done { attempt, started_at, finished_at, result, published });
            }
            Err((came, retry_at)) => {
                let failed_at = finished_at;
                let failed = Failed { attempt, started_at, failed_at, retry_at, came, published };
                let _ = progress.apply(attempt.step, &Failure::from(&failed).event());
                self.batch.failed.push(failed);
            }
        }
    }

    /// Offers a step to others; it counts as running until it comes back.
    pub(super) fn overflow(&mut self, attempt: Attempt, now: Timestamp) {
        let draining = self.draining;
        let Some(task) = self.held_under(attempt.lease) else { return };
        if draining || task.wanted.is_some() || task.unread {
            task.put_back(attempt.step);
            return self.touched.push(attempt.task());
        }
        task.lend(attempt.step);
        let offer = task.offer(attempt.step, attempt.number, now);
        self.offers.push(offer);
    }

    /// A step that takes its processes with it is offered no more, and its task waits for an operator.
    pub(super) fn takers_died(&mut self, lease: Lease, step: StepIndex) {
        let Some(task) = self.held_under(lease) else { return };
        // One that is to leave anyway takes back this offer as well, which somebody had when it took back the others.
        if task.wanted.is_none() {
            task.wanted = Some(Wanted::SetAside(step));
        }
        self.touched.push(lease.task);
    }

    pub(super) fn loan_returned(&mut self, lease: Lease, returned: LoanReturned) {
        let Some(task) = self.held_under(lease) else { return };
        task.loan_ended(returned.step());
        match returned {
            LoanReturned::Nothing(step) => task.put_back(step),
            LoanReturned::Done(entry) => {
                task.came_back();
                task.recorded = true;
                // It was followed before it was recorded.
                let event = Event::Completed { result: entry.result };
                let _ = task.progress.apply_at(entry.step, &event, entry.finished_at);
            }
            LoanReturned::Failed(failure) => {
                task.came_back();
                task.recorded = true;
                let _ = task.progress.apply(failure.step, &failure.event());
            }
        }
        self.touched.push(lease.task);
    }
}

impl<B> super::ActiveTask<B> {
    pub(super) fn offer(&self, step: StepIndex, number: u32, offered_at: Timestamp) -> Offer {
        let attempt = Attempt { lease: self.lease, step, number };
        Offer { attempt, offered_at, target: self.routes.of(step).target.clone() }
    }
}
