-- append what steps came to
-- $1 [task, lease, step, attempt, kind, started, finished, result]
-- $2 [task, lease, step, attempt, started, failed, next attempt (null: for good), error, null], or what ended a round:
-- [task, lease, step, attempt, started, ended, next round, what that is called with, number of the round]
-- Of worker $3, as holder or as taker of an offer, which ends; null: nobody holds the tasks. Beside each stands
-- $4. Returns what that covers; what is recorded already stays.
insert into steps (task_id, started_at, finished_at, worker, step, attempt, kind, result)
select e.value ->> 0, e.value ->> 5, e.value ->> 6, $4, e.value ->> 2, e.value ->> 3, e.value ->> 4, e.value -> 7
from jsonb_each($1) e
cross join runs r on r.task_id = e.value ->> 0
    and r.lease = e.value ->> 1
    and (r.owner is $3 or $3 is null and r.finished_at is not null
        or exists (select 1 from offers o where o.task_id = r.task_id and o.step = e.value ->> 2 and o.taker = $3
            and o.lease = r.lease))
where true
on conflict (task_id, step) do nothing;
insert into attempts (task_id, started_at, failed_at, retry_at, worker, step, attempt, error, round)
select e.value ->> 0, e.value ->> 4, e.value ->> 5, e.value ->> 6, $4, e.value ->> 2, e.value ->> 3, e.value -> 7,
    e.value ->> 8
from jsonb_each($2) e
cross join runs r on r.task_id = e.value ->> 0
    and r.lease = e.value ->> 1
    and (r.owner is $3 or $3 is null and r.finished_at is not null
        or exists (select 1 from offers o where o.task_id = r.task_id and o.step = e.value ->> 2 and o.taker = $3
            and o.lease = r.lease))
where true
on conflict (task_id, step, attempt) do nothing;
with named as (
    select value ->> 0 as task_id, value ->> 1 as lease, value ->> 2 as step from jsonb_each($1)
    union all
    select value ->> 0, value ->> 1, value ->> 2 from jsonb_each($2)
)
select n.task_id, n.step
from named n
cross join runs r on r.task_id = n.task_id
    and r.lease = n.lease
    and (r.owner is $3 or $3 is null and r.finished_at is not null
        or exists (select 1 from offers o where o.task_id = r.task_id and o.step = n.step and o.taker = $3
            and o.lease = r.lease));
delete from offers
where (task_id, step) in (
    select o.task_id, o.step
    from (
        select value ->> 0 as task_id, value ->> 1 as lease, value ->> 2 as step from jsonb_each($1)
        union all
        select value ->> 0, value ->> 1, value ->> 2 from jsonb_each($2)
    ) n
    cross join offers o on o.task_id = n.task_id and o.step = n.step and o.lease = n.lease and o.taker = $3
    cross join runs r on r.task_id = o.task_id and r.lease = o.lease
)
