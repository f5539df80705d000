-- take up again a task that was complete
-- Task $1 is due at $2. No row: it is not complete.
update tasker.runs
set state = 0,
    run_at = $2,
    owner = null,
    finished_at = null,
    cause = null,
    takeovers = 0
where task_id = $1
  and state = 10
