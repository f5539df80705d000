-- read which of the tasks $1 are not over
select t.uuid
from tasks t
join runs r on r.task_id = t.id
where t.uuid in (select value from json_each($1))
  and r.finished_at is null
