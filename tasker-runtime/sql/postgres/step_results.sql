-- read the results of steps, pair by pair: $1 task, $2 step
-- (`offset 0` has the planner look up one pair after the other.)
select s.task_id, s.step, s.kind, s.attempt, s.started_at, s.finished_at, s.result::text
from unnest($1::bigint[], $2::bigint[]) as w (task_id, step)
cross join lateral (
    select *
    from tasker.steps
    where task_id = w.task_id
      and step = w.step
    offset 0
) as s
