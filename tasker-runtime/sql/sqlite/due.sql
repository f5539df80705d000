-- find out when the first task of each queue $1 is due
-- A queue is in the order of priorities first: the first of each is found by itself.
select q.value, (
    with recursive levels (priority) as (
        select (
            select r.priority
            from runs r
            where r.owner is null
              and r.run_at <> 9223372036854775807
              and r.queue = q.value
            order by r.priority desc
            limit 1
        )
        union all
        select (
            select r.priority
            from runs r
            where r.owner is null
              and r.run_at <> 9223372036854775807
              and r.queue = q.value
              and r.priority < levels.priority
            order by r.priority desc
            limit 1
        )
        from levels
        where levels.priority is not null
    )
    select min((
        select r.run_at
        from runs r
        where r.owner is null
          and r.run_at <> 9223372036854775807
          and r.queue = q.value
          and r.priority = levels.priority
        order by r.run_at
        limit 1
    ))
    from levels
)
from json_each($1) q
