-- read how far step $2 of task $1 got
select cast(cursor as text), items, cast(partial as text)
from tasker.checkpoints
where task_id = $1
  and step = $2
