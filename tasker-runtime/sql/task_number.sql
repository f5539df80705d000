-- read the number of task $1
select id
from tasker.tasks
where uuid = $1
