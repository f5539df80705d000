-- read which steps worker $1 has on loan
select task_id, step
from tasker.offers
where taker = $1
