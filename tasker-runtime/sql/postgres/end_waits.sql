-- let failed steps that wait for their next attempt wait until $5 at the longest
-- $1 task, $2 lease, $3 step, of worker $4; null: nobody holds the tasks, and their rows are locked.
update tasker.attempts a
set retry_at = $5
from unnest($1::bigint[], $2::bigint[], $3::bigint[]) as e (task_id, lease, step)
join tasker.runs r on r.task_id = e.task_id
    and r.lease = e.lease
    and (r.owner is not distinct from $4 or $4::bigint is null and r.finished_at is not null)
where a.task_id = e.task_id
  and a.step = e.step
  and a.retry_at > $5
