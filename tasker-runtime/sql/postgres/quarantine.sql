-- set tasks aside
-- $1 task, $2 lease, all of worker $3, at $4, for the reason $5 and with the detail $6.
-- The lock keeps the worker from being given up until this is durable.
with alive as materialized (
    select id
    from tasker.workers
    where id = $3
      and stopped_at is null
    for key share
)
insert into tasker.dead_letters (task_id, created_at, reason, detail)
select r.task_id, $4, $5, $6::json
from unnest($1::bigint[], $2::bigint[]) as e (task_id, lease)
join tasker.runs r on r.task_id = e.task_id and r.owner is not distinct from $3 and r.lease = e.lease
where exists (select 1 from alive)
on conflict (task_id) do update
set created_at = excluded.created_at,
    reason = excluded.reason,
    detail = excluded.detail,
    resolved_at = null
