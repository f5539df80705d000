//! What the holder of a task appends to its journal.

use tasker_model::{
    Attempt, Batch, Done, End, Entry, Failed, FailedAttempt, Failure, Kind, Lease, LeftOut, NoResult,
    Published, StepError, StepIndex, TaskNo, Timestamp,
};

use super::{Db, EventRow, POISON, Problem, Result, StepRow};

/// The results that a statement saw covered by their leases when it began; `None`: its worker had been given up.
#[derive(Clone, Debug)]
pub(crate) struct Covered(Option<Vec<bool>>);

fn entry(done: &Done) -> Entry {
    Entry {
        step: done.attempt.step,
        kind: Kind::Handler,
        attempt: done.attempt.number,
        started_at: done.started_at,
        finished_at: done.finished_at,
        result: done.result.clone(),
    }
}

/// What a result becomes that the tables refuse.
pub(super) fn refused() -> StepError {
    StepError::permanent("RESULT_REFUSED", "the store cannot hold the result of this step")
}

/// What is published with a failure for good that is recorded in the place of a result.
pub(super) fn failed_instead(
    published: Option<&Published>,
    number: u32,
    error: &StepError,
) -> Option<Box<Published>> {
    let failed = FailedAttempt { number, max_attempts: number, retry_at: None, error };
    Published::after_failure(&published?.publications, failed, &[])
}

impl Db {
    /// `append_events.sql`: each event gets the next number of its task.
    fn log(&mut self, task: TaskNo, step: StepIndex, attempt: u32, published: Option<&Published>) {
        let rows = self.task_mut(task);
        for event in published.iter().flat_map(|published| &published.events) {
            let seq = rows.events.last().map_or(0, |last| last.seq) + 1;
            rows.events.push(EventRow { seq, step, attempt, name: event.name.to_string() });
        }
    }

    /// A result with what is published with it; one that is there already stays, and nothing is published. False
    /// then.
    pub(super) fn add_result(&mut self, task: TaskNo, entry: Entry, published: Option<&Published>) -> bool {
        if self.task(task).steps.contains_key(&entry.step) {
            return false;
        }
        let (step, attempt) = (entry.step, entry.attempt);
        self.task_mut(task).steps.insert(step, StepRow { entry });
        self.log(task, step, attempt, published);
        true
    }

    /// `append.sql`, by holders, of failures: whether the leases covered all of them.
    pub(crate) fn append_failures(&mut self, worker: i64, failed: &[Failed]) -> bool {
        let mut all = true;
        for failed in failed {
            let covered = self.covers(worker, failed.attempt.lease);
            all &= covered;
            if covered {
                self.add_failure(failed);
            }
        }
        all
    }

    /// The same of steps that are left out.
    pub(crate) fn append_left_out(&mut self, worker: i64, left_out: &[LeftOut]) -> bool {
        let mut all = true;
        for left_out in left_out {
            let Attempt { lease, step, .. } = left_out.attempt;
            let covered = self.covers(worker, lease);
            all &= covered;
            if covered {
                let (started_at, finished_at) = (left_out.at, left_out.at);
                let (kind, attempt, result) = (Kind::Skipped, 0, tasker_model::Json::null());
                let entry = Entry { step, kind, attempt, started_at, finished_at, result };
                self.task_mut(lease.task).recorded_under = lease.epoch;
                self.task_mut(lease.task).steps.entry(step).or_insert(StepRow { entry });
            }
        }
        all
    }

    /// `append.sql`, by holders, of results: what is recorded already stays, and what the tables refuse is
    /// recorded in another form, a failure for good. The tasks of which something else is recorded than came in.
    pub(crate) fn append_results(&mut self, worker: i64, done: &[Done]) -> Vec<TaskNo> {
        let mut altered = Vec::new();
        for done in done.iter().filter(|done| self.covers(worker, done.attempt.lease)).collect::<Vec<_>>() {
            let Done { attempt, started_at, finished_at: failed_at, .. } = *done;
            if done.result.as_str().contains(POISON) {
                let (retry_at, error) = (None, refused());
                let published = failed_instead(done.published.as_deref(), attempt.number, &error);
                let came = NoResult::Failed(error);
                self.add_failure(&Failed { attempt, started_at, failed_at, retry_at, came, published });
                altered.push(attempt.task());
                continue;
            }
            self.task_mut(attempt.task()).recorded_under = attempt.lease.epoch;
            if !self.add_result(attempt.task(), entry(done), done.published.as_deref()) {
                altered.push(attempt.task());
            }
        }
        altered
    }

    /// An attempt that is there already stays.
    pub(super) fn add_failure(&mut self, failed: &Failed) {
        let Attempt { lease, step, number } = failed.attempt;
        let failure = Failure::from(failed);
        self.task_mut(lease.task).recorded_under = lease.epoch;
        if self.task(lease.task).attempts.contains_key(&(step, number)) {
            return;
        }
        self.task_mut(lease.task).attempts.insert((step, number), failure);
        self.log(lease.task, step, number, failed.published.as_deref());
    }

    /// What the snapshot of `record.sql` sees. The row of its worker is locked from then on until it commits: nobody
    /// takes the lease of a result meanwhile.
    pub(crate) fn see(&mut self, worker: i64, done: &[Done]) -> Covered {
        let lives = self.writes(worker);
        Covered(lives.then(|| done.iter().map(|done| self.covers(worker, done.attempt.lease)).collect()))
    }

    /// `record.sql`: how many results and ends were written.
    pub(crate) fn record(
        &mut self,
        worker: i64,
        seen: &Covered,
        done: &[Done],
        ends: &[End],
    ) -> Result<(usize, usize)> {
        let none = Vec::new();
        let covers = seen.0.as_ref().unwrap_or(&none);
        if seen.0.is_some() {
            self.written(worker);
        }
        let covered = || done.iter().zip(covers).filter(|(_, covered)| **covered).map(|(done, _)| done);
        let breaks = |done: &Done| {
            done.result.as_str().contains(POISON)
                || self.task(done.attempt.task()).steps.contains_key(&done.attempt.step)
        };
        if covered().any(breaks) {
            return Err(Problem::Refused);
        }
        for done in covered() {
            let Lease { task, .. } = done.attempt.lease;
            let rows = self.task_mut(task);
            rows.recorded_under = done.attempt.lease.epoch;
            rows.steps.insert(done.attempt.step, StepRow { entry: entry(done) });
            debug_assert!(done.published.as_ref().is_none_or(|published| !published.is_kept()));
        }
        let mut ended = 0;
        for end in ends.iter() {
            let now = end.finished_at.unwrap_or_default();
            if self.covers(worker, end.lease) && !self.task(end.lease.task).run.over {
                self.end(end);
                if end.kin.parent && end.finished_at.is_some() {
                    self.tell_parent(end.lease.task, now);
                }
                if end.kin.children {
                    self.ask_children(end.lease.task, end.state);
                }
                ended += 1;
            }
        }
        Ok((covered().count(), ended))
    }

    fn end(&mut self, end: &End) {
        let run = &mut self.task_mut(end.lease.task).run;
        run.state = end.state;
        run.over = end.finished_at.is_some();
        if let Some(at) = end.run_at {
            (run.run_at, run.owner) = (at.as_micros(), None);
        }
    }

    /// `progressed.sql`
    pub(crate) fn note_progress(&mut self, lease: Lease) {
        let rows = self.task_mut(lease.task);
        if rows.run.lease == lease.epoch {
            (rows.run.takeovers, rows.deaths) = (0, 0);
        }
    }

    /// `quarantine.sql`
    pub(crate) fn set_aside(&mut self, worker: i64, lease: Lease) {
        if self.covers(worker, lease) {
            self.task_mut(lease.task).set_aside = true;
        }
    }

    /// The tasks of `batch` whose leases do not hold; those that it gave back apart.
    pub(crate) fn find_lost(&self, worker: i64, batch: &Batch) -> tasker_model::Exceptions {
        let leases =
            batch.done.iter().map(|d| d.attempt.lease).chain(batch.failed.iter().map(|f| f.attempt.lease));
        let mut exceptions = tasker_model::Exceptions::default();
        let leases = leases.chain(batch.left_out.iter().map(|l| l.attempt.lease));
        for lease in leases.chain(batch.ends.iter().map(|end| end.lease)) {
            if self.covers(worker, lease) || !exceptions.spare(lease.task) {
                continue;
            }
            let given_back =
                batch.ends.iter().any(|end| end.lease.task == lease.task && end.run_at.is_some());
            if given_back { &mut exceptions.stale } else { &mut exceptions.lost }.insert(lease.task);
        }
        exceptions
    }

    /// When a step of the task was recorded to be tried again, by its last failed attempt.
    pub(crate) fn retry_at(&self, attempt: Attempt) -> Option<Timestamp> {
        let last = self.task(attempt.task()).attempts.get(&(attempt.step, attempt.number.checked_sub(1)?))?;
        last.retry_at
    }
}
