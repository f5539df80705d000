-- add tasks and their places in the queue
-- $1 uuid, $2 correlation id, $3 template, $4 context, $5 tags, $6 created, $7 due, $8 priority, $9 queue,
-- $10 whether they are held from the start
-- $11 worker that holds them then, or null; one that was given up holds nothing, and takes the lease it thinks
-- it has for its own: nobody else may get one of that number
-- Of each task its place among them, its number and whether it is held.
with holder as materialized (
    select id
    from tasker.workers
    where id = $11
      and stopped_at is null
    for share
), facts as materialized (
    select nextval('tasker.tasks_id_seq') as id, f.*
    from unnest($1::uuid[], $2::uuid[], $3::bigint[], $4::text[], $5::text[], $6::bigint[], $7::bigint[],
        $8::bigint[], $9::text[], $10::bigint[]) with ordinality
        as f (uuid, correlation_id, template_id, context, tags, created_at, run_at, priority, queue, hold, place)
), added as (
    insert into tasker.tasks (id, uuid, template_id, correlation_id, created_at, context, tags)
    overriding system value
    select id, uuid, template_id, correlation_id, created_at, context::json, tags::json
    from facts
), queued as (
    insert into tasker.runs (task_id, run_at, priority, queue, owner, lease)
    select f.id, f.run_at, f.priority, f.queue, h.id, (f.hold = 1 and $11::bigint is not null)::integer
    from facts f
    left join holder h on f.hold = 1
)
select f.place - 1, f.id, (h.id is not null)::integer
from facts f
left join holder h on f.hold = 1
