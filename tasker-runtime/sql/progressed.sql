-- note that task $1 has moved on under lease $2, so that its earlier holders' deaths count no more
update tasker.runs
set takeovers = 0
where task_id = $1
  and lease = $2
