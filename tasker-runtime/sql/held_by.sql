-- read which tasks worker $1 holds
select task_id, lease
from tasker.runs
where owner = $1
  and finished_at is null
