-- read what was sent to the tasks $1, in the order it arrived
select task_id, number, name, payload::text, sent_at
from tasker.signals
where task_id = any ($1)
order by task_id, number
