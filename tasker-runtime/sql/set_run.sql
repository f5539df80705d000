-- move a task that nobody holds
-- Task $1: state $2, due $3, owner $4 (0: the task is over), finished $5, cause $6.
update tasker.runs
set state = $2,
    -- One that has not had its turn yet waits for it.
    run_at = case
        when exists (select 1 from tasker.turns where task_id = $1 and state in (0, 2)) then 9223372036854775807
        else $3
    end,
    owner = $4,
    finished_at = $5,
    cause = $6,
    takeovers = 0,
    -- Something may be recorded of it although nobody has claimed it yet: its first claim is to read that.
    lease = case when lease = 0 then 1 else lease end
where task_id = $1
  and owner is null
