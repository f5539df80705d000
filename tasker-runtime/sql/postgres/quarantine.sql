-- set a task aside
-- Task $1 under lease $2 of worker $3, at $4, for the reason $5 and with the detail $6.
insert into tasker.dead_letters (task_id, created_at, reason, detail)
select task_id, $4, $5, $6::json
from tasker.runs
where task_id = $1
  and owner = $3
  and lease = $2
on conflict (task_id) do update
set created_at = excluded.created_at,
    reason = excluded.reason,
    detail = excluded.detail,
    resolved_at = null
