-- read which steps worker $1 has on loan, and the lease each was offered under
select task_id, step, lease
from tasker.offers
where taker = $1
