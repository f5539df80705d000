-- add the tasks whose idempotency keys were not used before, and their places in the queue
-- $1 [uuid, correlation id, template, context, tags, created, due, priority, queue, whether they are held from
-- the start, namespace, template, key, digest of the input]
-- $2 worker that holds them then, or null; one that was given up holds nothing
-- $3 is how long to wait for other transactions, of which there are none beside the one that writes
-- Of each task that was added its place among them, its number and whether it is held.
insert into idempotency_keys (namespace, template, key, task_uuid, input_digest, created_at)
select value ->> 10, value ->> 11, value ->> 12, value ->> 0, value ->> 13, value ->> 5
from jsonb_each($1)
where $3 is not null
on conflict (namespace, template, key) do nothing;
insert into tasks (uuid, template_id, correlation_id, created_at, context, tags)
select f.value ->> 0, f.value ->> 2, f.value ->> 1, f.value ->> 5, f.value -> 3, f.value ->> 4
from jsonb_each($1) f
cross join idempotency_keys k on k.namespace = f.value ->> 10
    and k.template = f.value ->> 11
    and k.key = f.value ->> 12
    and k.task_uuid = f.value ->> 0;
insert into runs (task_id, run_at, priority, queue, owner, lease)
select t.id, f.value ->> 6, f.value ->> 7, f.value ->> 8, h.id, h.id is not null
from jsonb_each($1) f
cross join tasks t on t.uuid = f.value ->> 0
left join workers h on h.id = $2 and h.stopped_at is null and f.value ->> 9 = 1;
select f.key, t.id, h.id is not null
from jsonb_each($1) f
cross join tasks t on t.uuid = f.value ->> 0
left join workers h on h.id = $2 and h.stopped_at is null and f.value ->> 9 = 1
