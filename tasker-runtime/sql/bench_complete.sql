-- count the tasks of queue $1 in state $2
select count(*)
from tasker.runs
where queue = $1
  and state = $2
