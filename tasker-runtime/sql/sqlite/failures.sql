-- read the failed attempts of the tasks $1
select task_id, step, attempt, started_at, failed_at, retry_at, reopened, error, round
from attempts
where task_id in (select value from json_each($1))
order by task_id, step, attempt
