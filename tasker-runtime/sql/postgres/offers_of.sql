-- read what is offered of the tasks $1
select task_id, step, handler, offered_at, taker
from tasker.offers
where task_id = any ($1)
order by task_id, step
