-- read the phase and the holder of task $1
select r.state, r.owner
from tasker.tasks t
join tasker.runs r on r.task_id = t.id
where t.uuid = $1
