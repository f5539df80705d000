-- read the results of steps: $1 [task, step]
select s.task_id, s.step, s.kind, s.attempt, s.started_at, s.finished_at, s.result
from jsonb_each($1) w
cross join steps s on s.task_id = w.value ->> 0 and s.step = w.value ->> 1
