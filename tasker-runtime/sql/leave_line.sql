-- let the task $1, which is over, wait for no turn any more
update tasker.turns
set state = 3
where task_id = $1
  and state in (0, 2)
