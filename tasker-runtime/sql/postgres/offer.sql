-- offer steps to other processes
-- $1 task, $2 lease, $3 step, $4 attempt, $5 offered, $6 handler, $7 queue; all of worker $8, and only what
-- its leases still cover.
-- (`is not distinct from` keeps the planner off the index on owner, which has all it holds.)
insert into tasker.offers (task_id, lease, step, attempt, offered_at, handler, queue, owner)
select o.task_id, o.lease, o.step, o.attempt, o.offered_at, o.handler, o.queue, $8
from unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[], $6::text[], $7::text[])
    as o (task_id, lease, step, attempt, offered_at, handler, queue)
join tasker.runs r on r.task_id = o.task_id and r.owner is not distinct from $8 and r.lease = o.lease
on conflict (task_id, step) do nothing
