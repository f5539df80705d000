-- read the failed attempts at steps, pair by pair: $1 task, $2 step
-- (`offset 0` has the planner look up one pair after the other.)
select a.task_id, a.step, a.attempt, a.started_at, a.failed_at, a.retry_at, a.reopened, a.error::text, a.round
from unnest($1::bigint[], $2::bigint[]) as w (task_id, step)
cross join lateral (
    select *
    from tasker.attempts
    where task_id = w.task_id
      and step = w.step
    order by attempt
    offset 0
) as a
