-- read which of the tasks $1 are not over
select t.uuid
from tasker.tasks t
join tasker.runs r on r.task_id = t.id
where t.uuid = any ($1::uuid[])
  and r.finished_at is null
