-- append failed attempts
-- $1 task, $2 lease, $3 step, $4 attempt, $5 started, $6 failed, $7 next attempt (null: for good), $8 error;
-- all of worker $9, and only what its leases still cover.
-- (`is not distinct from` keeps the planner off the index on owner, which also has all it finished.)
insert into tasker.attempts (task_id, started_at, failed_at, retry_at, worker, step, attempt, error)
select e.task_id, e.started_at, e.failed_at, e.retry_at, $9, e.step, e.attempt, e.error::json
from unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[], $7::bigint[],
    $8::text[]) as e (task_id, lease, step, attempt, started_at, failed_at, retry_at, error)
join tasker.runs r on r.task_id = e.task_id and r.owner is not distinct from $9 and r.lease = e.lease
on conflict (task_id, step, attempt) do nothing
