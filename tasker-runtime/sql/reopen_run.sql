-- take up again a task that was complete
-- Task $1 is due at $2, in the state $3. No row: it is not complete, which is the state $4.
update tasker.runs
set state = $3,
    run_at = $2,
    owner = null,
    finished_at = null,
    cause = null,
    takeovers = 0
where task_id = $1
  and state = $4
