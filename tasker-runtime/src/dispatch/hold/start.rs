//! Steps that are ready are called here or offered to others.

use std::sync::Arc;

use tokio::sync::mpsc::UnboundedSender;

use super::{Hold, Message};
use crate::{
    dispatch::{batch, call::Call, engine::Shared, held::Held, watch::Update},
    handler::{StepParts, TaskSequenceStep},
    model::{Attempt, StepNo, TaskNo, Timestamp},
    orchestration::{record, share::Offer},
};

impl Hold {
    pub(super) async fn start_ready(&mut self, task: TaskNo) {
        let Some(held) = self.held.get_mut(&task) else { return };
        if held.takeovers > 0 && held.recorded {
            held.takeovers = 0;
            if let Err(error) = record::note_progress(&mut self.session, held.lease).await {
                tracing::warn!(%error, "the deaths of earlier holders still count");
            }
            if self.suspect == Some(task) {
                self.suspect = None;
            }
        }
        if self.draining || held.wanted.is_some() {
            return;
        }
        let mut ready = held.progress.take_ready();
        if ready.is_empty() {
            return;
        }
        held.settle_skipped();
        let priority = |no: &StepNo| std::cmp::Reverse(held.plan.route(*no).priority);
        if ready.len() > 1 {
            ready.sort_by_key(priority);
        }
        for no in ready {
            if no.undoes().is_none() && !held.plan.route(no).runs_here {
                held.running += 1;
                let attempt = held.progress.slot(no).map_or(0, |slot| slot.failed_attempts()) + 1;
                self.offers.push(offer_of(held, no, attempt, self.shared.clock.now()));
            } else {
                start(&self.shared, &self.me, held, no);
            }
        }
    }
}

pub(super) fn offer_of(held: &Held, step: StepNo, attempt: u32, offered_at: Timestamp) -> Offer {
    let attempt = Attempt { lease: held.lease, step, number: attempt };
    Offer { attempt, offered_at, target: held.plan.route(step).target.clone() }
}

pub(super) fn start(shared: &Arc<Shared>, me: &UnboundedSender<Message>, held: &mut Held, no: StepNo) {
    let (Some(handler), Some(key)) = (held.plan.handler(no).cloned(), held.plan.key(no)) else { return };
    let attempt = held.progress.slot(no).map_or(0, |slot| slot.failed_attempts()) + 1;
    let spent = held.progress.slot(no).map_or(0, |slot| slot.spent());
    let max_attempts = (attempt - 1 - spent).saturating_add(held.plan.rules.retry(no).max_attempts.max(1));
    shared.watchers.tell(held.facts.id, || Update::Started { step: no, attempt });
    let step = TaskSequenceStep::new(StepParts {
        task: held.facts.clone(),
        step: no.step(),
        name: held.plan.rules.name(no),
        attempt,
        max_attempts,
        batch: batch::part_of(shared, &held.results.batches, held.lease, (no, attempt), &held.cancel),
        results: held.results.clone(),
        undoes: held.progress.undone(no).cloned(),
        states: shared.states.clone(),
        cancel: held.stop.clone(),
    });
    held.running += 1;
    let call = Call {
        lease: held.lease,
        no,
        attempt,
        loan: 0,
        step,
        cancel: held.cancel.clone(),
        permit: shared.permits.request(key, no.undoes().is_none()),
        handler,
        timeout: held.plan.rules.timeout(no),
        grace: shared.settings.cancel_grace,
        clock: shared.clock.clone(),
        running: shared.running.clone(),
        done: me.clone(),
    };
    tokio::spawn(call.run());
}
