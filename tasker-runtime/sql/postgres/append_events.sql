-- append what steps came to, with the events that tell of it
-- Results: $1 task, $2 lease, $3 step, $4 attempt, $5 kind, $6 started, $7 finished, $8 result.
-- Failures: $9 task, $10 lease, $11 step, $12 attempt, $13 started, $14 failed, $15 next attempt (null: for
-- good), $16 error, $17 null; or what ended a round: $15 next round, $16 what that is called with, $17 its number.
-- Of worker $18, as holder or as taker of an offer, which ends; null: nobody holds the tasks, and their rows are
-- locked. Beside each stands $19. Returns what that covers, and whether it is new; what is recorded already stays.
-- Events: $20 task, $21 lease, $22 step, $23 attempt, $24 whether it failed (1) or has a result (0), $25 place among
-- the events of the attempt, $26 when it ended, $27 mode, $28 outcome, $29 name, $30 payload, $31 why it cannot be
-- published (null: it can), $32 what exactly. They go with what is new alone.
-- Each goes on counting where the log ends for its task. Of two who record for one task at once the second finds its
-- number taken, and the whole statement is refused: it is to be sent again, and sees then what the first one wrote.
-- The shared lock is taken before the first position is: who reads the log waits for those that had the lock when
-- the position was given out, and for nobody else.
-- The lock keeps the worker from being given up until this is durable; one that was given up has no right. For an
-- operator (0 beside the entry) the row of the task is locked, which does the same.
with alive as materialized (
    select id
    from tasker.workers
    where id = $18
      and $19::bigint <> 0
      and stopped_at is null
    for key share
), named as (
    select * from unnest($1::bigint[], $2::bigint[], $3::bigint[]) as e (task_id, lease, step)
    union all
    select * from unnest($9::bigint[], $10::bigint[], $11::bigint[]) as e (task_id, lease, step)
), loans as (
    delete from tasker.offers o
    using named n
    where o.task_id = n.task_id
      and o.step = n.step
      and o.lease = n.lease
      and o.taker = $18
      -- Who took the task over may not have dropped its offers yet.
      and exists (select 1 from tasker.runs r where r.task_id = o.task_id and r.lease = o.lease)
    returning o.task_id, o.step
), results as materialized (
    select e.*
    from unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[], $7::bigint[],
        $8::text[]) as e (task_id, lease, step, attempt, kind, started_at, finished_at, result)
    join tasker.runs r on r.task_id = e.task_id
        and r.lease = e.lease
        and (r.owner is not distinct from $18 or $18::bigint is null and r.finished_at is not null
            or (e.task_id, e.step) in (select task_id, step from loans))
    where $18::bigint is null or $19::bigint = 0 or exists (select 1 from alive)
), failures as materialized (
    select e.*
    from unnest($9::bigint[], $10::bigint[], $11::bigint[], $12::bigint[], $13::bigint[], $14::bigint[],
        $15::bigint[], $16::text[], $17::bigint[])
        as e (task_id, lease, step, attempt, started_at, failed_at, retry_at, error, round)
    join tasker.runs r on r.task_id = e.task_id
        and r.lease = e.lease
        and (r.owner is not distinct from $18 or $18::bigint is null and r.finished_at is not null
            or (e.task_id, e.step) in (select task_id, step from loans))
    where $18::bigint is null or $19::bigint = 0 or exists (select 1 from alive)
), added as (
    insert into tasker.steps (task_id, started_at, finished_at, worker, step, attempt, kind, result)
    select task_id, started_at, finished_at, $19, step, attempt, kind, result::json
    from results
    on conflict (task_id, step) do nothing
    returning task_id, step
), failed as (
    insert into tasker.attempts (task_id, started_at, failed_at, retry_at, worker, step, attempt, error, round)
    select task_id, started_at, failed_at, retry_at, $19, step, attempt, error::json, round
    from failures
    on conflict (task_id, step, attempt) do nothing
    returning task_id, step, attempt
), lock as materialized (
    select pg_advisory_xact_lock_shared(1413567339, 1702261358)
), told as materialized (
    select e.*
    from unnest($20::bigint[], $21::bigint[], $22::bigint[], $23::bigint[], $24::bigint[], $25::bigint[],
        $26::bigint[], $27::bigint[], $28::bigint[], $29::text[], $30::text[], $31::text[], $32::text[])
        with ordinality as e (task_id, lease, step, attempt, failed, place, at, mode, outcome, name, payload, reason,
        detail, line)
    where e.failed = 0 and (e.task_id, e.step) in (select task_id, step from added)
       or e.failed = 1 and (e.task_id, e.step, e.attempt) in (select task_id, step, attempt from failed)
), logged as (
    insert into tasker.events (task_id, seq, at, step, attempt, place, mode, outcome, name, payload)
    select t.task_id,
        coalesce((select max(l.seq) from tasker.events l where l.task_id = t.task_id), 0)
            + row_number() over (partition by t.task_id order by t.line),
        t.at, t.step, t.attempt, t.place, t.mode, t.outcome, t.name, t.payload::json
    from told t
    cross join (select count(*) from lock) locked
    where t.reason is null
    order by t.line
), letters as (
    insert into tasker.event_letters (task_id, at, step, attempt, place, mode, outcome, name, reason, detail, payload)
    select task_id, at, step, attempt, place, mode, outcome, name, reason, detail, payload::json
    from told
    where reason is not null
)
select r.task_id, r.step, (exists (select 1 from added a where a.task_id = r.task_id and a.step = r.step))::int
from results r
union all
select task_id, step, 1 from failures
