-- find out when the first task of each queue $1 is due
-- A queue is in the order of priorities first: the first of each is found by itself.
select q.queue, (
    with recursive levels (priority) as (
        select (
            select r.priority
            from tasker.runs r
            where r.owner is null
              and r.run_at <> 9223372036854775807
              and r.queue = q.queue
            order by r.priority desc
            limit 1
        )
        union all
        select (
            select r.priority
            from tasker.runs r
            where r.owner is null
              and r.run_at <> 9223372036854775807
              and r.queue = q.queue
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
          and r.queue = q.queue
          and r.priority = levels.priority
        order by r.run_at
        limit 1
    ))
    from levels
)
from unnest($1::text[]) as q (queue)
