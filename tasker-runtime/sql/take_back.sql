-- free the tasks of a worker that is gone
-- What worker $1 held is due again at $2.
update tasker.runs
set owner = null,
    run_at = $2,
    takeovers = takeovers + 1
where owner = $1
  and finished_at is null
