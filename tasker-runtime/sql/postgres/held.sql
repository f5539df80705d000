-- ask which leases still hold
-- $1 task, $2 lease; the tasks that worker $3 holds under them.
select r.task_id
from unnest($1::bigint[], $2::bigint[]) as e (task_id, lease)
join tasker.runs r on r.task_id = e.task_id and r.owner is not distinct from $3 and r.lease = e.lease
