-- count a death less of a worker that was taken for dead and lives
-- $1 task, $2 lease it held it under. Who has held it since may have moved it on, and then no death counts.
update tasker.runs r
set takeovers = r.takeovers - 1
from unnest($1::bigint[], $2::bigint[]) as e (task_id, lease)
where r.task_id = e.task_id
  and r.lease >= e.lease
  and r.takeovers > 0
  and r.finished_at is null
