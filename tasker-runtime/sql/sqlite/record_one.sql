-- append one result unless the step has one
-- Task $1 under lease $2 of worker $3; step $4, attempt $5, kind $6, started $7, finished $8, result $9.
-- A result that record.sql refuses, such as one that is nested too deeply, is refused here as well.
insert into steps (task_id, started_at, finished_at, worker, step, attempt, kind, result)
select task_id, $7, $8, $3, $4, $5, $6, iif(json_valid($9), $9, json($9))
from runs
where task_id = $1
  and owner = $3
  and lease = $2
on conflict (task_id, step) do nothing
