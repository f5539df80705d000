-- take offered steps
-- Worker $1 takes at most $3 of those offered for the target $2, the oldest first; unless it was given up:
-- nobody would ever offer them again then. Those that $4 takers died over are left to their holder.
-- One whose attempt is recorded was written again while it came back: it is on offer no more.
with alive as materialized (
    select id
    from tasker.workers
    where id = $1
      and stopped_at is null
    for share
), open as materialized (
    select task_id, step, attempt
    from tasker.offers
    where taker is null
      and exists (select 1 from alive)
      and target = $2
      and deaths < $4
    order by offered_at
    limit $3
    for update skip locked
), over as materialized (
    select open.task_id, open.step
    from open
    where exists (select 1 from tasker.steps s where s.task_id = open.task_id and s.step = open.step)
       or exists (
           select 1
           from tasker.attempts a
           where a.task_id = open.task_id
             and a.step = open.step
             and a.attempt >= open.attempt
       )
), dropped as (
    delete from tasker.offers o
    using over
    where o.task_id = over.task_id
      and o.step = over.step
)
update tasker.offers o
set taker = $1
from open
where o.task_id = open.task_id
  and o.step = open.step
  and not exists (select 1 from over where over.task_id = open.task_id and over.step = open.step)
returning o.task_id, o.step, o.attempt, o.lease, o.owner
