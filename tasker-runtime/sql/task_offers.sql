-- read what is offered of task $1
select step, handler, offered_at, taker
from tasker.offers
where task_id = $1
order by step
