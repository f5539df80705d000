-- append rows to the table of the floor measurement
insert into tasker.bench_floor (task_id, started_at, finished_at, worker, step, attempt, result)
select e.task_id, e.started_at, e.finished_at, 1, e.step, e.attempt, e.result::json
from unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[], $7::text[])
    as e (task_id, lease, step, attempt, started_at, finished_at, result)
