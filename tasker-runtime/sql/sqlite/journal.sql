-- read the journals of the tasks $1
select task_id, step, kind, attempt, started_at, finished_at, result
from steps
where task_id in (select value from json_each($1))
order by task_id, step
