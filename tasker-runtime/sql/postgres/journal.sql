-- read the journals of the tasks $1
select task_id, step, kind, attempt, started_at, finished_at, result::text
from tasker.steps
where task_id = any ($1)
order by task_id, step
