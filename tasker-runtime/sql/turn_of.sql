-- read what the task $1 is in line for, and how many of those who wait are before it, 1,000 at most
-- (`limit` has the planner look up the rows of the task.)
select g.key, g.most, (
    select count(*)
    from (
        select 1
        from tasker.turns o
        where o.key = g.key
          and o.state = 0
          and (o.priority > g.priority or (o.priority = g.priority and o.task_id < g.task_id))
        limit 1000
    ) before_it
)
from (
    select *
    from tasker.turns
    where task_id = $1
    order by slot
    limit 8
) g
where g.state = 0
