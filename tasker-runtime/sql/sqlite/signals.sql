-- read what was sent to the tasks $1, in the order it arrived
select task_id, number, name, payload, sent_at
from signals
where task_id in (select value from json_each($1))
order by task_id, number
