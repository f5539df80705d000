-- read which steps worker $1 has lent
-- The last column is 1 where nobody has a step and $2 takers died over it: no further one may take it.
select task_id, step, case when taker is null and deaths >= $2 then 1 else 0 end
from tasker.offers
where owner = $1
