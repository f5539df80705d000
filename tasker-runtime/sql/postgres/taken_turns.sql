-- read which tasks of the keys $1 have their turn, and are not over
select g.key, t.uuid
from tasker.turns g
join tasker.runs r on r.task_id = g.task_id
join tasker.tasks t on t.id = g.task_id
where g.key = any ($1)
  and g.state = 1
  and r.finished_at is null
order by g.task_id
