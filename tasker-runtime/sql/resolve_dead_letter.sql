-- note that an operator took up the task $1 at $2 that was set aside
update tasker.dead_letters
set resolved_at = $2
where task_id = $1
  and resolved_at is null
