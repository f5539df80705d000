-- move a task that nobody holds
-- Task $1: state $2, due $3, owner $4 (0: the task is over), finished $5, cause $6.
update tasker.runs
set state = $2,
    run_at = $3,
    owner = $4,
    finished_at = $5,
    cause = $6,
    takeovers = 0,
    -- Something may be recorded of it although nobody has claimed it yet: its first claim is to read that.
    lease = case when lease = 0 then 1 else lease end
where task_id = $1
  and owner is null
