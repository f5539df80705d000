-- note that tasks moved on, so that the deaths of their earlier holders count no more
-- $1 [task, lease].
update runs
set takeovers = 0
from jsonb_each($1) e
where runs.task_id = e.value ->> 0
  and runs.lease = e.value ->> 1
