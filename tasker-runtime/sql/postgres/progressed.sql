-- note that tasks moved on, so that the deaths of their earlier holders count no more
-- $1 task, $2 lease.
update tasker.runs r
set takeovers = 0
from unnest($1::bigint[], $2::bigint[]) as e (task_id, lease)
where r.task_id = e.task_id
  and r.lease = e.lease
