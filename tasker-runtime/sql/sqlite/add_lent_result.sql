-- append the result of a lent step
-- Task $1, step $2, attempt $3, worker $4, started $5, finished $6, result $7; one that is there stays.
insert into steps (task_id, step, attempt, worker, started_at, finished_at, result)
values ($1, $2, $3, $4, $5, $6, $7)
on conflict (task_id, step) do nothing
