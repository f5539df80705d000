-- drop offers of worker $1 whose attempts are recorded
-- One that was written again while it came back is on offer for nothing.
delete from tasker.offers
where owner = $1
  and taker is null
  and (
    exists (select 1 from tasker.steps s where s.task_id = offers.task_id and s.step = offers.step)
    or exists (
        select 1
        from tasker.attempts a
        where a.task_id = offers.task_id
          and a.step = offers.step
          and a.attempt >= offers.attempt
    )
  )
