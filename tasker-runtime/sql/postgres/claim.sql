-- take tasks from the queue
-- Worker $3 takes at most $4 tasks of queue $1 that are due at $2, unless it was given up: nobody would
-- ever free what it took then. They are in progress (1); what is being rolled back (4) stays so. The lock keeps it from being given up meanwhile.
with alive as materialized (
    select id
    from tasker.workers
    where id = $3
      and stopped_at is null
    for share
), due as (
    select task_id
    from tasker.runs
    where owner is null
      and exists (select 1 from alive)
      and queue = $1
      and run_at <= $2
    order by priority desc, run_at, task_id
    limit $4
    for update skip locked
), taken as (
    update tasker.runs r
    set owner = $3,
        lease = r.lease + 1,
        state = case when r.state = 4 then 4 else 1 end,
        cause = null
    from due
    where r.task_id = due.task_id
    returning r.task_id, r.lease, r.takeovers
)
select taken.task_id, taken.lease, taken.takeovers, t.uuid, t.template_id, t.correlation_id, t.created_at,
    t.context::text
from taken
join tasker.tasks t on t.id = taken.task_id
