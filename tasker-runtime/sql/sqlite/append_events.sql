-- append what steps came to, with the events that tell of it
-- $1 [task, lease, step, attempt, kind, started, finished, result]
-- $2 [task, lease, step, attempt, started, failed, next attempt (null: for good), error, null], or what ended a round:
-- [task, lease, step, attempt, started, ended, next round, what that is called with, number of the round]
-- Of worker $3, as holder or as taker of an offer, which ends; null: nobody holds the tasks. Beside each stands
-- $4. Returns what that covers, and whether it is new; what is recorded already stays.
-- $5 [task, lease, step, attempt, whether it failed (1) or has a result (0), place among the events of the attempt,
-- when it ended, mode, outcome, name, payload, why it cannot be published (null: it can), what exactly]
-- The events go with what is new alone, so they come first. Each goes on counting where the log ends for its task.
insert into events (task_id, seq, at, step, attempt, place, mode, outcome, name, payload)
select e.value ->> 0,
    coalesce((select max(l.seq) from events l where l.task_id = e.value ->> 0), 0)
        + row_number() over (partition by e.value ->> 0 order by e.key),
    e.value ->> 6, e.value ->> 2, e.value ->> 3, e.value ->> 5, e.value ->> 7, e.value ->> 8, e.value ->> 9,
    e.value -> 10
from jsonb_each($5) e
cross join runs r on r.task_id = e.value ->> 0
    and r.lease = e.value ->> 1
    and (r.owner is $3 or $3 is null and r.finished_at is not null
        or exists (select 1 from offers o where o.task_id = r.task_id and o.step = e.value ->> 2 and o.taker = $3
            and o.lease = r.lease))
where e.value ->> 11 is null
  and iif(e.value ->> 4 = 0,
    not exists (select 1 from steps s where s.task_id = e.value ->> 0 and s.step = e.value ->> 2),
    not exists (select 1 from attempts a where a.task_id = e.value ->> 0 and a.step = e.value ->> 2
        and a.attempt = e.value ->> 3))
order by e.key;
insert into event_letters (task_id, at, step, attempt, place, mode, outcome, name, reason, detail, payload)
select e.value ->> 0, e.value ->> 6, e.value ->> 2, e.value ->> 3, e.value ->> 5, e.value ->> 7, e.value ->> 8,
    e.value ->> 9, e.value ->> 11, e.value ->> 12, e.value -> 10
from jsonb_each($5) e
cross join runs r on r.task_id = e.value ->> 0
    and r.lease = e.value ->> 1
    and (r.owner is $3 or $3 is null and r.finished_at is not null
        or exists (select 1 from offers o where o.task_id = r.task_id and o.step = e.value ->> 2 and o.taker = $3
            and o.lease = r.lease))
where e.value ->> 11 is not null
  and iif(e.value ->> 4 = 0,
    not exists (select 1 from steps s where s.task_id = e.value ->> 0 and s.step = e.value ->> 2),
    not exists (select 1 from attempts a where a.task_id = e.value ->> 0 and a.step = e.value ->> 2
        and a.attempt = e.value ->> 3));
with named as (
    select value ->> 0 as task_id, value ->> 1 as lease, value ->> 2 as step, 1 as result from jsonb_each($1)
    union all
    select value ->> 0, value ->> 1, value ->> 2, 0 from jsonb_each($2)
)
select n.task_id, n.step,
    n.result = 0 or not exists (select 1 from steps s where s.task_id = n.task_id and s.step = n.step)
from named n
cross join runs r on r.task_id = n.task_id
    and r.lease = n.lease
    and (r.owner is $3 or $3 is null and r.finished_at is not null
        or exists (select 1 from offers o where o.task_id = r.task_id and o.step = n.step and o.taker = $3
            and o.lease = r.lease));
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
