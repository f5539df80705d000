-- take offered steps
-- Worker $1 takes at most $3 of those whose handlers are among $2 and, where $4 is 1, whose queues are among
-- $5; unless it was given up: nobody would ever offer them again then.
update offers
set taker = $1
where (task_id, step) in (
    select task_id, step
    from offers
    where taker is null
      and exists (select 1 from workers where id = $1 and stopped_at is null)
      and handler in (select value from json_each($2))
      and ($4 = 0 or queue in (select value from json_each($5)))
    order by offered_at
    limit $3
)
returning task_id, step, attempt, lease, owner
