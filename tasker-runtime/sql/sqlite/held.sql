-- ask which leases still hold
-- $1 [task, lease]; the tasks that worker $2 holds under them.
select r.task_id
from jsonb_each($1) e
cross join runs r on r.task_id = e.value ->> 0 and r.owner = $2 and r.lease = e.value ->> 1
