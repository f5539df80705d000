-- find command $2 of task $1, which stays until this transaction ends
select id
from commands
where task_id = $1
  and command = $2
