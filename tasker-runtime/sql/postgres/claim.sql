-- take tasks from the queue
-- Worker $3 takes at most $4 tasks of queue $1 that are due at $2, unless it was given up: nobody would
-- ever free what it took then. The lock keeps it from being given up meanwhile.
-- The queue is in the order of priorities first: what is due of each is found by itself, so that what is not
-- costs nothing. What is due at no time by itself is not in the index.
with recursive alive as materialized (
    select id
    from tasker.workers
    where id = $3
      and stopped_at is null
    for share
), levels (priority) as (
    select (
        select priority
        from tasker.runs
        where owner is null
          and run_at <> 9223372036854775807
          and queue = $1
        order by priority desc
        limit 1
    )
    union all
    select (
        select r.priority
        from tasker.runs r
        where r.owner is null
          and r.run_at <> 9223372036854775807
          and r.queue = $1
          and r.priority < levels.priority
        order by r.priority desc
        limit 1
    )
    from levels
    where levels.priority is not null
), due as (
    select of_level.task_id
    from levels
    cross join lateral (
        select r.task_id
        from tasker.runs r
        where r.owner is null
          and r.run_at <> 9223372036854775807
          and exists (select 1 from alive)
          and r.queue = $1
          and r.priority = levels.priority
          and r.run_at <= $2
        order by r.run_at, r.task_id
        limit $4
        for update skip locked
    ) of_level
    limit $4
), taken as (
    update tasker.runs r
    set owner = $3,
        lease = r.lease + 1,
        cause = null
    from due
    where r.task_id = due.task_id
    returning r.task_id, r.lease, r.takeovers, r.state
)
select taken.task_id, taken.lease, taken.takeovers, t.uuid, t.template_id, t.correlation_id, t.created_at,
    t.context::text, taken.state, (t.parent_id is not null)::integer
from taken
join tasker.tasks t on t.id = taken.task_id
