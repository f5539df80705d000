-- append rows to the table of the floor measurement
insert into bench_floor (task_id, started_at, finished_at, worker, step, attempt, result)
select e.value ->> 0, e.value ->> 4, e.value ->> 5, 1, e.value ->> 2, e.value ->> 3, e.value -> 6
from jsonb_each($1) e
