-- count a death less of a worker that was taken for dead and lives
-- $1 [task, lease it held it under]. Who has held it since may have moved it on, and then no death counts.
update runs
set takeovers = takeovers - 1
from jsonb_each($1) e
where runs.task_id = e.value ->> 0
  and runs.lease >= e.value ->> 1
  and runs.takeovers > 0
  and runs.finished_at is null
