-- find out when the next task of queue $1 is due that was not at $2
-- The queue is in the order of priorities first: the next of each is found by itself.
with recursive levels (priority) as (
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
)
select min((
    select r.run_at
    from tasker.runs r
    where r.owner is null
      and r.run_at <> 9223372036854775807
      and r.queue = $1
      and r.priority = levels.priority
      and r.run_at > $2
    order by r.run_at
    limit 1
))
from levels
