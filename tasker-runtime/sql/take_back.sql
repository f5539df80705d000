-- free the tasks of a worker that is gone
-- What worker $1 held is due again at $2, pending (0) unless it is being rolled back (4).
update tasker.runs
set owner = null,
    run_at = $2,
    state = case when state = 4 then 4 else 0 end,
    takeovers = takeovers + 1
where owner = $1
  and finished_at is null
