-- settle a step by hand
-- Step $2 of task $1 at $3, kind $4, result $5; a result that is there already stays.
insert into steps (task_id, step, started_at, finished_at, worker, attempt, kind, result)
values ($1, $2, $3, $3, 0, 0, $4, $5)
on conflict (task_id, step) do nothing
