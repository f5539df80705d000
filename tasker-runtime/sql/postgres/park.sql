-- park events of subscription $1, which is locked, or note that they are dead letters
-- $2 positions, $3 tasks, $4 attempts, $5 next times (null: never), $6 whether an operator asked for it, $7 errors.
insert into tasker.parked (subscription_id, position, task_id, attempts, next_at, redelivered, error)
select $1, e.position, e.task_id, e.attempts, e.next_at, e.redelivered, e.error::json
from unnest($2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[], $7::text[])
    as e (position, task_id, attempts, next_at, redelivered, error)
on conflict (subscription_id, position) do update
set attempts = excluded.attempts, next_at = excluded.next_at, redelivered = excluded.redelivered,
    error = excluded.error
