-- append results and end or give back tasks
-- $1 [task, lease, step, attempt, started, finished, result]
-- $2 [task, lease, state, due (null: the task is over), finished, cause]
-- All of worker $3, and only what its leases still cover; the counts say how many of each that were.
-- A result that is there already refuses the whole script: then they are added one by one.
-- (The `+` keeps the planner off the index on owner, which has all it holds.)
insert into steps (task_id, started_at, finished_at, worker, step, attempt, result)
select e.value ->> 0, e.value ->> 4, e.value ->> 5, $3, e.value ->> 2, e.value ->> 3, e.value -> 6
from jsonb_each($1) e
cross join runs r on r.task_id = e.value ->> 0 and r.owner = $3 and r.lease = e.value ->> 1;
select changes();
update runs
set state = n.value ->> 2,
    run_at = coalesce(n.value ->> 3, run_at),
    owner = iif(n.value ->> 3 is null, owner, null),
    finished_at = n.value ->> 4,
    cause = n.value ->> 5
from jsonb_each($2) n
where runs.task_id = n.value ->> 0
  and +runs.owner = $3
  and runs.lease = n.value ->> 1
  and runs.finished_at is null;
select changes()
