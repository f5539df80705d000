-- find command $2 of task $1, which stays until this transaction ends
select id
from tasker.commands
where task_id = $1
  and command::text = $2
for key share
