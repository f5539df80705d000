-- end or give back one task
-- Task $1 under lease $2 of worker $3: state $4, due $5 (null: the task is over), finished $6, cause $7.
update tasker.runs
set state = $4,
    run_at = coalesce($5, run_at),
    owner = case when $5 is null then owner end,
    finished_at = $6,
    cause = $7
where task_id = $1
  and owner = $3
  and lease = $2
  and finished_at is null
