-- read which workers made the attempts at the steps of task $1, the last attempt of each step last
select step, attempt, worker
from tasker.steps
where task_id = $1
union all
select step, attempt, worker
from tasker.attempts
where task_id = $1
order by step, attempt
