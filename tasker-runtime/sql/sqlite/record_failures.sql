-- append failed attempts
-- $1 [task, lease, step, attempt, started, failed, next attempt (null: for good), error]; all of worker $2,
-- and only what its leases still cover.
insert into attempts (task_id, started_at, failed_at, retry_at, worker, step, attempt, error)
select e.value ->> 0, e.value ->> 4, e.value ->> 5, e.value ->> 6, $2, e.value ->> 2, e.value ->> 3, e.value -> 7
from jsonb_each($1) e
cross join runs r on r.task_id = e.value ->> 0 and r.owner = $2 and r.lease = e.value ->> 1
where true
on conflict (task_id, step, attempt) do nothing
