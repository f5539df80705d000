-- count the signals that settled one of the steps $2 of task $1
select count(*)
from tasker.steps
where task_id = $1
  and step = any ($2)
  and kind = 0
  and attempt > 0
