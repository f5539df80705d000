-- read why task $1 was set aside
select reason
from tasker.dead_letters
where task_id = $1
  and resolved_at is null
