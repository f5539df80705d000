-- free the tasks of a worker that is gone
-- What worker $1 held is due again at $2; $3 is 1 where it died over them.
update tasker.runs
set owner = null,
    run_at = $2,
    takeovers = takeovers + $3
where owner = $1
  and finished_at is null
