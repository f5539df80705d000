-- park events of subscription $1, which is locked, or note that they are dead letters
-- $2 [position, task, attempts, next time (null: never), whether an operator asked for it, error].
insert into parked (subscription_id, position, task_id, attempts, next_at, redelivered, error)
select $1, e.value ->> 0, e.value ->> 1, e.value ->> 2, e.value ->> 3, e.value ->> 4, e.value ->> 5
from json_each($2) e
where true
on conflict (subscription_id, position) do update
set attempts = excluded.attempts, next_at = excluded.next_at, redelivered = excluded.redelivered,
    error = excluded.error
