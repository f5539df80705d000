-- append one result unless the step has one
-- Task $1 under lease $2 of worker $3; step $4, attempt $5, kind $6, started $7, finished $8, result $9.
insert into tasker.steps (task_id, started_at, finished_at, worker, step, attempt, kind, result)
select task_id, $7, $8, $3, $4, $5, $6, $9::json
from tasker.runs
where task_id = $1
  and owner = $3
  and lease = $2
on conflict (task_id, step) do nothing
