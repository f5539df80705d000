-- move a task that nobody holds
-- Task $1: state $2, due $3, owner $4 (0: the task is over), finished $5, cause $6.
update tasker.runs
set state = $2,
    run_at = $3,
    owner = $4,
    finished_at = $5,
    cause = $6,
    takeovers = 0
where task_id = $1
  and owner is null
