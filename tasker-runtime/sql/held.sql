-- ask whether a lease still holds
-- A row: worker $3 holds task $1 under lease $2.
select 1
from tasker.runs
where task_id = $1
  and owner = $3
  and lease = $2
