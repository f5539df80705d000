-- offer steps to other processes
-- $1 [task, lease, step, attempt, offered, handler, queue, target]; all of worker $2, and only what its leases
-- still cover. One that is written again, because nobody knows whether it was, may have come back meanwhile:
-- what is recorded already is offered no more.
insert into offers (task_id, lease, step, attempt, offered_at, handler, queue, target, owner)
select o.value ->> 0, o.value ->> 1, o.value ->> 2, o.value ->> 3, o.value ->> 4, o.value ->> 5,
       o.value ->> 6, o.value ->> 7, $2
from jsonb_each($1) o
cross join runs r on r.task_id = o.value ->> 0 and r.owner = $2 and r.lease = o.value ->> 1
where not exists (select 1 from steps s where s.task_id = o.value ->> 0 and s.step = o.value ->> 2)
  and not exists (
    select 1
    from attempts a
    where a.task_id = o.value ->> 0
      and a.step = o.value ->> 2
      and a.attempt >= o.value ->> 3
)
on conflict (task_id, step) do nothing
