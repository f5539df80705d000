-- take offered steps
-- Worker $1 takes at most $3 of those whose handlers are among $2 and, where $4 is 1, whose queues are among
-- $5; unless it was given up: nobody would ever offer them again then.
with alive as materialized (
    select id
    from tasker.workers
    where id = $1
      and stopped_at is null
    for share
)
update tasker.offers o
set taker = $1
from (
    select task_id, step
    from tasker.offers
    where taker is null
      and exists (select 1 from alive)
      and handler = any ($2)
      and ($4 = 0 or queue = any ($5))
    order by offered_at
    limit $3
    for update skip locked
) as open
where o.task_id = open.task_id
  and o.step = open.step
returning o.task_id, o.step, o.attempt, o.lease, o.owner
