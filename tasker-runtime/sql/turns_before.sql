-- read which tasks before the task $2 are in line for the key $1 (0) or have their turn (1), oldest first
select g.task_id, g.state
from tasker.turns g
join tasker.runs r on r.task_id = g.task_id
where g.key = $1
  and g.state in (0, 1)
  and r.finished_at is null
  and g.task_id < $2
order by g.task_id
