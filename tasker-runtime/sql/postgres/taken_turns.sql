-- read which tasks of the keys $1 have their turn, and are not over
-- (`offset 0` has the planner look up one after the other.)
select g.key, t.uuid
from unnest($1::text[]) as k (key)
cross join lateral (
    select *
    from tasker.turns
    where key = k.key
      and state = 1
    offset 0
) g
join tasker.runs r on r.task_id = g.task_id
join tasker.tasks t on t.id = g.task_id
where r.finished_at is null
order by g.task_id
