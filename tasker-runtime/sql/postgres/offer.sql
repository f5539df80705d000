-- offer steps to other processes
-- $1 task, $2 lease, $3 step, $4 attempt, $5 offered, $6 handler, $7 queue, $8 target; all of worker $9, and
-- only what its leases still cover. One that is written again, because nobody knows whether it was, may have
-- come back meanwhile: what is recorded already is offered no more.
-- (`is not distinct from` keeps the planner off the index on owner, which has all it holds.)
-- The lock keeps the worker from being given up until this is durable: who claims its tasks drops what it offers.
-- What comes back while this waits for its old offer to go is found by whoever takes it.
with alive as materialized (
    select id
    from tasker.workers
    where id = $9
      and stopped_at is null
    for key share
)
insert into tasker.offers (task_id, lease, step, attempt, offered_at, handler, queue, target, owner)
select o.task_id, o.lease, o.step, o.attempt, o.offered_at, o.handler, o.queue, o.target, $9
from unnest(
    $1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[], $6::text[], $7::text[], $8::text[]
) as o (task_id, lease, step, attempt, offered_at, handler, queue, target)
join tasker.runs r on r.task_id = o.task_id and r.owner is not distinct from $9 and r.lease = o.lease
where exists (select 1 from alive)
  and not exists (select 1 from tasker.steps s where s.task_id = o.task_id and s.step = o.step)
  and not exists (
    select 1
    from tasker.attempts a
    where a.task_id = o.task_id
      and a.step = o.step
      and a.attempt >= o.attempt
)
on conflict (task_id, step) do nothing
