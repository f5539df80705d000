-- append results and end or give back tasks
-- Results: $1 task, $2 lease, $3 step, $4 attempt, $5 started, $6 finished, $7 result.
-- Ends: $8 task, $9 lease, $10 state, $11 due (null: the task is over), $12 finished, $13 cause.
-- All of worker $14, and only what its leases still cover; returns how many of each that were.
-- A result that is there already refuses the whole statement: then they are added one by one.
-- (`is not distinct from` keeps the planner off the index on owner, which has all it holds.)
-- One lock for all leases: who takes a worker's tasks locks its row against this, so that what this writes is
-- durable before they are anybody else's, or is not written.
with alive as materialized (
    select id
    from tasker.workers
    where id = $14
      and stopped_at is null
    for key share
), added as (
    insert into tasker.steps (task_id, started_at, finished_at, worker, step, attempt, result)
    select e.task_id, e.started_at, e.finished_at, $14, e.step, e.attempt, e.result::json
    from unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[], $7::text[])
        as e (task_id, lease, step, attempt, started_at, finished_at, result)
    join tasker.runs r on r.task_id = e.task_id and r.owner is not distinct from $14 and r.lease = e.lease
    where exists (select 1 from alive)
    returning 1
), ended as (
    update tasker.runs r
    set state = n.state,
        run_at = coalesce(n.run_at, r.run_at),
        owner = case when n.run_at is null then r.owner end,
        finished_at = n.finished_at,
        cause = n.cause
    from unnest($8::bigint[], $9::bigint[], $10::bigint[], $11::bigint[], $12::bigint[], $13::text[])
        as n (task_id, lease, state, run_at, finished_at, cause)
    where r.task_id = n.task_id and r.owner is not distinct from $14 and r.lease = n.lease
      and r.finished_at is null
    returning 1
)
select (select count(*) from added), (select count(*) from ended)
