-- take up again a task that was complete
-- Task $1 is due at $2, in the state $3. No row: it is not complete, which is the state $4.
update tasker.runs
set state = $3,
    -- One that was lined up anew waits for its turn.
    run_at = case
        when exists (select 1 from tasker.turns where task_id = $1 and state in (0, 2)) then 9223372036854775807
        else $2
    end,
    owner = null,
    finished_at = null,
    cause = null,
    takeovers = 0
where task_id = $1
  and state = $4
