-- take offered steps
-- Worker $1 takes at most $3 of those offered for the target $2, the oldest first; unless it was given up:
-- nobody would ever offer them again then.
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
      and target = $2
    order by offered_at
    limit $3
    for update skip locked
) as open
where o.task_id = open.task_id
  and o.step = open.step
returning o.task_id, o.step, o.attempt, o.lease, o.owner
