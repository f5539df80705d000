-- make sure that worker $3 holds task $1 under lease $2 until the transaction ends
select task_id
from tasker.runs
where task_id = $1
  and lease = $2
  and owner = $3
for share
