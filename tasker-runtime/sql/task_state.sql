-- read the state of task $1
select r.state
from tasker.tasks t
join tasker.runs r on r.task_id = t.id
where t.uuid = $1
