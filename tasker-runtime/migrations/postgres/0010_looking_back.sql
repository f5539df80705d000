-- Where a task comes from that was replayed or forked from another one: an object with `task`, `kind` and, of a fork, `from`.
alter table tasker.tasks add column origin json;

-- What waits for an operator or for a signal without an end: with runs_queue and runs_held it finds every task that is
-- not over without a walk over all there ever were.
create index runs_resting on tasker.runs (task_id) where owner is null and run_at = 9223372036854775807;
