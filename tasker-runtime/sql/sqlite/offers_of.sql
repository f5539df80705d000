-- read what is offered of the tasks $1
select task_id, step, handler, offered_at, taker
from offers
where task_id in (select value from json_each($1))
order by task_id, step
