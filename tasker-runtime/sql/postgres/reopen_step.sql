-- allow the failed step $2 of task $1 a new round of attempts
update tasker.attempts
set reopened = true
where task_id = $1
  and step = $2
  and retry_at is null
