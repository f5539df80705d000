//! Claims, and workers that come, live and go.

use tasker_model::{Lease, TaskNo, Timestamp};

use super::{Db, WorkerRow, given_back};
use crate::world::Micros;

/// A task that was claimed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Claimed {
    pub(crate) lease: Lease,
    pub(crate) takeovers: u32,
    pub(crate) template: usize,
    pub(crate) phase: tasker_model::TaskState,
    pub(crate) created_at: Timestamp,
    pub(crate) has_parent: bool,
}

impl Db {
    /// `claim.sql`
    pub(crate) fn claim(&mut self, worker: i64, queue: usize, now: Micros, limit: usize) -> Vec<Claimed> {
        if !self.lives(worker) {
            return Vec::new();
        }
        let due = self.numbered().filter(|(_, rows)| {
            rows.run.owner.is_none() && rows.run.queue == queue && rows.run.run_at <= now
        });
        let mut due: Vec<(i16, Micros, TaskNo)> =
            due.map(|(task, rows)| (-rows.run.priority, rows.run.run_at, task)).collect();
        due.sort_unstable();
        due.truncate(limit);
        let claimed = due.into_iter().map(|(_, _, task)| {
            let rows = self.task_mut(task);
            rows.deaths_at_claim = rows.deaths;
            let (created_at, has_parent) = (rows.created_at, rows.parent.is_some());
            let run = &mut rows.run;
            run.owner = Some(worker);
            run.lease += 1;
            if given_back(run.state) == tasker_model::TaskState::Pending {
                run.state = tasker_model::TaskState::InProgress;
            }
            let lease = Lease { task, epoch: run.lease };
            let (takeovers, template, phase) = (run.takeovers, run.template, given_back(run.state));
            Claimed { lease, takeovers, template, phase, created_at, has_parent }
        });
        claimed.collect()
    }

    /// `drop_offers.sql`
    pub(crate) fn drop_offers(&mut self, tasks: &[TaskNo]) {
        self.offers.retain(|(task, _), _| !tasks.contains(task));
    }

    /// `held_by.sql`
    pub(crate) fn held_by(&self, worker: i64) -> Vec<Lease> {
        let held = self.numbered().filter(|(_, rows)| rows.run.owner == Some(worker) && !rows.run.over);
        held.map(|(task, rows)| Lease { task, epoch: rows.run.lease }).collect()
    }

    /// `let_go.sql`
    pub(crate) fn let_go(&mut self, worker: i64, lease: Lease, now: Timestamp) {
        if self.covers(worker, lease) && !self.task(lease.task).run.over {
            let run = &mut self.task_mut(lease.task).run;
            (run.owner, run.run_at, run.state) = (None, now.as_micros(), given_back(run.state));
        }
    }

    /// `not_dead.sql`
    pub(crate) fn note_not_dead(&mut self, leases: &[Lease]) {
        for lease in leases {
            let rows = self.task_mut(lease.task);
            if rows.run.lease >= lease.epoch && rows.run.takeovers > 0 && !rows.run.over {
                rows.run.takeovers -= 1;
                rows.deaths = rows.deaths.saturating_sub(1);
            }
        }
    }

    /// `add_worker.sql`
    pub(crate) fn register(&mut self, now: Micros, lease: Micros) -> i64 {
        self.workers.push(WorkerRow { expires_at: now + lease, stopped: false, writing: 0 });
        i64::try_from(self.workers.len()).unwrap_or_default()
    }

    /// `heartbeat.sql`
    pub(crate) fn heartbeat(&mut self, worker: i64, now: Micros, lease: Micros) -> bool {
        let alive = self.lives(worker);
        if let (true, Ok(at)) = (alive, usize::try_from(worker - 1)) {
            self.workers[at].expires_at = now + lease;
        }
        alive
    }

    /// The workers whose leases ran out before `now` lose what they hold.
    pub(crate) fn take_back_expired(&mut self, now: Micros) -> usize {
        let expired = (1i64..)
            .zip(&self.workers)
            .filter(|(_, row)| !row.stopped && row.expires_at < now && row.writing == 0);
        let expired: Vec<i64> = expired.map(|(worker, _)| worker).collect();
        expired.into_iter().map(|worker| self.take_back(worker, now, true)).sum()
    }

    /// `take_back.sql`, `free_offers.sql` and `stop_worker.sql`. Waits for what the worker is writing.
    pub(crate) fn take_back(&mut self, worker: i64, now: Micros, died: bool) -> usize {
        let mut freed = 0;
        for rows in &mut self.tasks {
            if rows.run.owner == Some(worker) && !rows.run.over {
                let run = &mut rows.run;
                (run.owner, run.run_at, run.state) = (None, now, given_back(run.state));
                run.takeovers += u32::from(died);
                rows.deaths += u32::from(died);
                freed += 1;
            }
        }
        let taken = self.offers.iter_mut().filter(|(_, offer)| offer.taker == Some(worker));
        for ((task, _), offer) in taken {
            offer.taker = None;
            offer.deaths += u32::from(died);
            if let Some(rows) = usize::try_from(task.0).ok().and_then(|at| self.tasks.get_mut(at)) {
                rows.taker_deaths = rows.taker_deaths.max(offer.deaths);
            }
        }
        if let Some(row) = usize::try_from(worker - 1).ok().and_then(|at| self.workers.get_mut(at)) {
            row.stopped = true;
        }
        freed
    }
}
