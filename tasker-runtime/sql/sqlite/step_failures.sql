-- read the failed attempts at steps: $1 [task, step]
select a.task_id, a.step, a.attempt, a.started_at, a.failed_at, a.retry_at, a.reopened, a.error, a.round
from jsonb_each($1) w
cross join attempts a on a.task_id = w.value ->> 0 and a.step = w.value ->> 1
order by a.task_id, a.step, a.attempt
