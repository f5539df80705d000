-- set tasks aside
-- $1 [task, lease], all of worker $2, at $3, for the reason $4 and with the detail $5.
insert into dead_letters (task_id, created_at, reason, detail)
select r.task_id, $3, $4, $5
from jsonb_each($1) e
cross join runs r on r.task_id = e.value ->> 0 and r.owner = $2 and r.lease = e.value ->> 1
where true
on conflict (task_id) do update
set created_at = excluded.created_at,
    reason = excluded.reason,
    detail = excluded.detail,
    resolved_at = null
