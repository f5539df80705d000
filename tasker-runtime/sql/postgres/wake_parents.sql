-- have those of the tasks $1 go on at $2 that wait, in the state $3, or are blocked, in the state $4, and that nobody holds
-- They are in the state $5 then. Returns their queues. What was set aside stays so.
update tasker.runs
set state = $5,
    run_at = $2,
    cause = null
where task_id = any ($1)
  -- (`coalesce` keeps the planner off the indexes on what nobody holds.)
  and coalesce(owner, -1) = -1
  and finished_at is null
  and (state = $3 or state = $4 and not exists (
      select 1 from tasker.dead_letters d where d.task_id = runs.task_id and d.resolved_at is null
  ))
returning queue
