-- read which steps worker $1 has lent
select task_id, step
from tasker.offers
where owner = $1
