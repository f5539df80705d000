-- give the next in the lines of the keys $1, which are locked, their turns
-- Their rows are 0 and a queue with the time from which it has work, or 1 and the key of the limit that comes next.
-- (`offset 0` has the planner look up one after the other, and `is not distinct from` keeps it off the indexes that have
-- everything that waits.)
with over as (
    update tasker.turns g
    set state = 3
    from unnest($1::text[]) as k (key)
    cross join lateral (
        select task_id, slot
        from tasker.turns
        where key = k.key
          and state = 1
        offset 0
    ) h
    cross join lateral (
        select 1
        from tasker.runs
        where task_id = h.task_id
          and finished_at is not null
        offset 0
    ) r
    where g.task_id = h.task_id
      and g.slot = h.slot
), line as materialized (
    select g.*, t.taken, row_number() over (partition by g.key order by g.priority desc, g.task_id) as place
    from unnest($1::text[]) as k (key)
    cross join lateral (
        select count(*) as taken, (
            select most
            from tasker.turns
            where key = k.key
              and state = 0
            order by priority desc, task_id
            limit 1
        ) as most
        from (
            select task_id
            from tasker.turns
            where key = k.key
              and state = 1
            offset 0
        ) h
        cross join lateral (
            select 1
            from tasker.runs
            where task_id = h.task_id
              and finished_at is null
            offset 0
        ) r
    ) t
    cross join lateral (
        select g.task_id, g.slot, g.key, g.most, g.priority, g.due_at
        from tasker.turns g
        join tasker.runs r on r.task_id = g.task_id
        where g.key = k.key
          and g.state = 0
          and r.finished_at is null
        order by g.priority desc, g.task_id
        limit greatest(t.most - t.taken, 0)
    ) g
), given as (
    update tasker.turns g
    set state = 1
    from line l
    where g.task_id = l.task_id
      and g.slot = l.slot
      -- It may have been cancelled meanwhile.
      and g.state is not distinct from 0
      and l.place + l.taken <= l.most
    returning g.task_id, g.slot, g.due_at
), next as (
    update tasker.turns g
    set state = 0
    from given
    where g.task_id = given.task_id
      and g.slot = given.slot + 1
      and g.state = 2
    returning g.key
), due as (
    update tasker.runs r
    set run_at = given.due_at,
        cause = null
    from given
    where r.task_id = given.task_id
      and r.run_at is not distinct from 9223372036854775807
      and r.state = 0
      and r.owner is null
      and r.finished_at is null
      and not exists (
          select 1
          from tasker.turns n
          where n.task_id = given.task_id
            and n.slot = given.slot + 1
      )
    returning r.queue, given.due_at
)
select 0, queue, min(due_at) from due group by queue
union all
select distinct 1, key, 0::bigint from next
