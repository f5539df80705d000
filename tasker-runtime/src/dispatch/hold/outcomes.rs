//! What comes back of the steps of held tasks, and what operators ask of them.

use std::sync::atomic::Ordering;

use super::{Back, Hold, Over, start::offer_of};
use crate::{
    dispatch::{
        held::{Held, Wanted},
        watch::Update,
    },
    model::{Attempt, Command, CommandError, Event, Lease, StepNo},
    orchestration::{
        commands::{self, Waiting},
        journal::{Entry, Failure},
        record::{Done, Failed},
    },
    store,
};

impl Hold {
    pub(super) fn over(&mut self, over: Over) {
        let task = over.lease.task;
        let Some(held) = self.held.get_mut(&task).filter(|held| held.lease == over.lease) else {
            self.shared.counters.late.fetch_add(1, Ordering::Relaxed);
            tracing::debug!(task = task.0, "late outcome refused: the task is no longer held here");
            return;
        };
        held.running = held.running.saturating_sub(1);
        self.touched.push(task);
        let result = match over.outcome {
            None => return held.progress.put_back(over.no),
            Some(Ok(result)) => held.plan.check_result(over.no, &result).map(|()| result),
            Some(Err(error)) => Err(error),
        };
        match result {
            Ok(result) => {
                let event = Event::Completed { result: result.clone() };
                let finished_at = held.progress.after_all(over.finished_at);
                // Refused results were found just above.
                let _ = held.progress.apply_at(over.no, &event, finished_at);
                self.batch.done.push(Done {
                    attempt: Attempt { lease: over.lease, step: over.no, number: over.attempt },
                    started_at: over.started_at,
                    finished_at,
                    result,
                });
            }
            Err(error) => {
                let spent = held.progress.slot(over.no).map_or(0, |slot| slot.spent()) + 1;
                let seed = (task.0 as u64).rotate_left(32) ^ u64::from(over.attempt);
                let delay = held.progress.rules().retry_after(over.no, spent, &error, seed);
                let retry_at = delay.map(|delay| over.finished_at + delay);
                let _ = held.progress.apply(over.no, &Event::Failed { retry_at });
                self.batch.failed.push(Failed {
                    attempt: Attempt { lease: over.lease, step: over.no, number: over.attempt },
                    started_at: over.started_at,
                    failed_at: over.finished_at,
                    retry_at,
                    error,
                });
            }
        }
    }

    /// Offers a step to others; it counts as running until it comes back.
    pub(super) fn lend(&mut self, lease: Lease, no: StepNo, attempt: u32) {
        let Some(held) = self.held.get_mut(&lease.task).filter(|held| held.lease == lease) else { return };
        if self.draining {
            held.running = held.running.saturating_sub(1);
            held.progress.put_back(no);
            return self.touched.push(lease.task);
        }
        self.offers.push(offer_of(held, no, attempt, self.shared.clock.now()));
    }

    pub(super) fn back(&mut self, lease: Lease, back: Back) {
        let task = lease.task;
        let Some(held) = self.held.get_mut(&task).filter(|held| held.lease == lease) else { return };
        held.running = held.running.saturating_sub(1);
        self.touched.push(task);
        held.recorded |= !matches!(back, Back::Nothing(_));
        match back {
            Back::Nothing(step) => held.progress.put_back(step),
            Back::Done(entry) => {
                // It was followed before it was recorded.
                let event = Event::Completed { result: entry.result.clone() };
                let _ = held.progress.apply_at(entry.step, &event, entry.finished_at);
                held.results.complete(entry.step, entry.result.clone());
                let took = entry.finished_at.since(entry.started_at);
                let Entry { step, attempt, result, .. } = entry;
                self.shared.watchers.tell(held.facts.id, || Update::Completed {
                    step,
                    attempt,
                    took,
                    result,
                });
            }
            Back::Failed(failure) => {
                let Failure { step, attempt, retry_at, error, .. } = failure;
                let _ = held.progress.apply(step, &Event::Failed { retry_at });
                match retry_at {
                    Some(at) => self.wake_at(task, at),
                    None => held.results.failed(step, &error),
                }
                self.tell_failed(task, step, attempt, retry_at, error);
            }
        }
    }

    pub(super) async fn asked(&mut self, waiting: Waiting) {
        // Of an earlier lease, it may have been followed or taken back since; otherwise it comes again.
        let meant = |held: &&mut Held| held.lease.epoch == waiting.epoch;
        let Some(held) = self.held.get_mut(&waiting.task).filter(meant) else { return };
        let wanted = match waiting.command {
            Command::Cancel => Some(Wanted::Cancelled),
            Command::Pause => Some(Wanted::Paused),
            _ => None,
        };
        if wanted.is_some() {
            // It stays on record until the task has come to that, whoever holds it by then.
            held.wanted = wanted;
            self.touched.push(waiting.task);
            return;
        }
        let followed = if waiting.command == Command::Resume {
            held.wanted = None;
            commands::forget(&mut self.session, waiting.id).await.map(|()| true)
        } else {
            self.follow(&waiting).await
        };
        self.touched.push(waiting.task);
        if let Err(error) = followed {
            // It is still there and comes again.
            tracing::warn!(%error, "a command waits for the database");
        }
    }

    /// Follows a command about steps of a held task, or refuses it; false: somebody has done so before.
    async fn follow(&mut self, waiting: &Waiting) -> store::Result<bool> {
        let Some(held) = self.held.get_mut(&waiting.task) else { return Ok(false) };
        let facts = match waiting.command.facts(&held.progress) {
            // Only tasks that nobody holds can be given up.
            Ok(_) if waiting.command == Command::GiveUp => {
                Err(CommandError::NotBlocked(held.progress.state()))
            }
            facts => facts,
        };
        let facts = match facts {
            Ok(facts) => facts,
            Err(problem) => {
                tracing::warn!(task = %waiting.uuid, %problem, "an operator's command does not fit any more");
                return commands::refuse(&mut self.session, waiting, &problem).await;
            }
        };
        let now = held.progress.after_all(self.shared.clock.now());
        let written = commands::record(&mut self.session, waiting, &facts, now).await?;
        if written {
            facts.into_iter().for_each(|fact| held.accept(fact, now));
            // What a failed batch had cancelled may be due since.
            held.progress.wake(now);
        }
        Ok(written)
    }
}
