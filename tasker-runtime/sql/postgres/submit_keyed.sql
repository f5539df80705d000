-- add the tasks whose idempotency keys were not used before, and their places in the queue
-- $1 uuid, $2 correlation id, $3 template, $4 context, $5 tags, $6 created, $7 due, $8 priority, $9 queue,
-- $10 whether they are held from the start, $11 namespace, $12 template, $13 key, $14 digest of the input
-- $15 worker that holds them then, or null; one that was given up holds nothing
-- $16 how long to wait for a transaction that is about to use one of the keys; keys are used in their order,
-- so that two who wait never wait for each other
-- Of each task that was added its place among them, its number and whether it is held.
with patience as materialized (
    select set_config('lock_timeout', $16, true) as set
), facts as materialized (
    select nextval('tasker.tasks_id_seq') as id, f.*
    from patience
    cross join unnest($1::uuid[], $2::uuid[], $3::bigint[], $4::text[], $5::text[], $6::bigint[], $7::bigint[],
        $8::bigint[], $9::text[], $10::bigint[], $11::text[], $12::text[], $13::text[], $14::text[])
        with ordinality as f (uuid, correlation_id, template_id, context, tags, created_at, run_at, priority,
            queue, hold, namespace, template, key, digest, place)
), used as (
    insert into tasker.idempotency_keys (namespace, template, key, task_uuid, input_digest, created_at)
    select namespace, template, key, uuid, digest, created_at
    from facts
    order by namespace, template, key, place
    on conflict (namespace, template, key) do nothing
    returning task_uuid
), fresh as materialized (
    -- Looked up in a table that is hashed once, however many there are.
    select *
    from facts
    where key is null
       or uuid in (select task_uuid from used)
), holder as materialized (
    select id
    from tasker.workers
    where id = $15
      and stopped_at is null
    for share
), added as (
    insert into tasker.tasks (id, uuid, template_id, correlation_id, created_at, context, tags)
    overriding system value
    select id, uuid, template_id, correlation_id, created_at, context::json, tags::json
    from fresh
), queued as (
    insert into tasker.runs (task_id, run_at, priority, queue, owner, lease)
    select f.id, f.run_at, f.priority, f.queue, h.id, (h.id is not null)::integer
    from fresh f
    left join holder h on f.hold = 1
)
select f.place - 1, f.id, (h.id is not null)::integer
from fresh f
left join holder h on f.hold = 1
