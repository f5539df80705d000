-- append a failed attempt of a lent step
-- Task $1, step $2, attempt $3, worker $4, started $5, failed $6, next attempt $7 (null: for good), error $8.
insert into tasker.attempts (task_id, step, attempt, worker, started_at, failed_at, retry_at, error)
values ($1, $2, $3, $4, $5, $6, $7, $8::json)
on conflict (task_id, step, attempt) do nothing
