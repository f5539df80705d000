-- delete what is recorded of earlier rounds of steps: $1 task, $2 step, $3 the attempt that ended the last one
delete from tasker.attempts a
using unnest($1::bigint[], $2::bigint[], $3::bigint[]) as e (task_id, step, attempt)
where a.task_id = e.task_id
  and a.step = e.step
  and a.attempt < e.attempt
  -- Where that was recorded, and not refused.
  and exists (
    select 1
    from tasker.attempts l
    where l.task_id = e.task_id
      and l.step = e.step
      and l.attempt = e.attempt
      and l.round is not null
  )
