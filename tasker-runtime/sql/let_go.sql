-- give back a task that its holder knows nothing of
-- Task $1 under lease $2 of worker $3, due at $4.
update tasker.runs
set owner = null,
    run_at = $4
where task_id = $1
  and lease = $2
  and owner = $3
  and finished_at is null
