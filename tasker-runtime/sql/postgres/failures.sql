-- read the failed attempts of the tasks $1
select task_id, step, attempt, started_at, failed_at, retry_at, reopened, error::text, round
from tasker.attempts
where task_id = any ($1)
order by task_id, step, attempt
