-- count the tasks that step $2 of task $1 started and that are not over
select count(*)
from tasker.children
where parent_id = $1
  and step = $2
  and ended = 0
