-- add tasks and their places in the queue
-- $1 [uuid, correlation id, template, context, tags, created, due, priority, queue, whether they are held from
-- the start]
-- $2 worker that holds them then, or null; one that was given up holds nothing, and takes the lease it thinks
-- it has for its own: nobody else may get one of that number
-- Of each task its place among them, its number and whether it is held.
insert into tasks (uuid, template_id, correlation_id, created_at, context, tags)
select value ->> 0, value ->> 2, value ->> 1, value ->> 5, value -> 3, value ->> 4
from jsonb_each($1);
insert into runs (task_id, run_at, priority, queue, owner, lease)
select t.id, f.value ->> 6, f.value ->> 7, f.value ->> 8,
    iif($2 is not null and f.value ->> 9, (select id from workers where id = $2 and stopped_at is null), null),
    $2 is not null and f.value ->> 9
from jsonb_each($1) f
cross join tasks t on t.uuid = f.value ->> 0;
select f.key, t.id,
    iif($2 is not null and f.value ->> 9, exists (select 1 from workers where id = $2 and stopped_at is null), 0)
from jsonb_each($1) f
cross join tasks t on t.uuid = f.value ->> 0
