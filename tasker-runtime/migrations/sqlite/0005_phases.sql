-- Whether somebody holds a task is said by its owner alone; its state says the phase it is in, and nothing that
-- changes when it is taken or given back. Older processes that are still running may go on writing in_progress,
-- which means the same as pending.

drop view step_states;

-- The numbers of the states by name.
create table task_states (
    code integer primary key,
    name text not null unique
) strict;
insert into task_states (code, name)
values
    (0, 'pending'),
    (1, 'in_progress'),
    (2, 'waiting'),
    (3, 'blocked_by_failures'),
    (4, 'compensating'),
    (5, 'paused'),
    (10, 'complete'),
    (11, 'error'),
    (12, 'cancelled'),
    (13, 'compensated');

create table runs_checked (
    task_id integer primary key,
    run_at integer not null,
    owner integer,
    finished_at integer,
    lease integer not null default 0 check (lease >= 0),
    state integer not null default 0 check (state between 0 and 5 or state between 10 and 13),
    priority integer not null default 0,
    takeovers integer not null default 0 check (takeovers >= 0),
    queue text not null,
    cause text,
    check ((finished_at is not null) = (state >= 10)),
    check (finished_at is null or owner is not null)
) strict;
insert into runs_checked (task_id, run_at, owner, finished_at, lease, state, priority, takeovers, queue, cause)
select r.task_id, r.run_at, r.owner, r.finished_at, r.lease,
    case s.name when 'in_progress' then (select code from task_states where name = 'pending') else r.state end,
    r.priority, r.takeovers, r.queue, r.cause
from runs r
left join task_states s on s.code = r.state
order by r.task_id;
drop table runs;
alter table runs_checked rename to runs;

-- What may become due by itself: what waits for an operator is due never, and costs a look at the queue nothing.
create index runs_queue on runs (queue, priority desc, run_at, task_id)
    where owner is null and run_at <> 9223372036854775807;

create table steps_checked (
    task_id integer not null,
    started_at integer not null,
    finished_at integer not null,
    worker integer not null,
    step integer not null,
    attempt integer not null,
    kind integer not null default 0 check (kind between 0 and 2),
    result text not null,
    primary key (task_id, step)
) strict;
insert into steps_checked (task_id, started_at, finished_at, worker, step, attempt, kind, result)
select task_id, started_at, finished_at, worker, step, attempt, kind, result
from steps
order by task_id, step;
drop table steps;
alter table steps_checked rename to steps;

create table attempts_checked (
    task_id integer not null,
    started_at integer not null,
    failed_at integer not null,
    retry_at integer,
    worker integer not null,
    step integer not null,
    attempt integer not null check (attempt > 0),
    reopened integer not null default 0,
    error text not null,
    primary key (task_id, step, attempt)
) strict;
insert into attempts_checked (task_id, started_at, failed_at, retry_at, worker, step, attempt, reopened, error)
select task_id, started_at, failed_at, retry_at, worker, step, attempt, reopened, error
from attempts
order by task_id, step, attempt;
drop table attempts;
alter table attempts_checked rename to attempts;

-- Every step of every task by name, for people who read the database; the engine does not use it.
-- A state stands here where the rows alone can tell it. Of a task that goes on, the rest is open: pending,
-- ready, just called, or on a branch that is not taken. Of a task that is over, the rest was not run.
create view step_states as
with running as (
    -- What processes say they have had running for longer than a heartbeat.
    select a.value ->> 'task' as task, a.value ->> 'step' as step, min(a.value ->> 'since') as since
    from workers w
    cross join json_each(w.activity) a
    where w.stopped_at is null
    group by 1, 2
),
numbers as (
    -- The steps of the template, and of batches and rollbacks what something is recorded of. A number has
    -- the place of its step in the template in 14 bits, then that of the batch, and says in bit 30 that it is
    -- what undoes the step.
    select t.id as task_id, j.key as number
    from tasks t
    join templates p on p.id = t.template_id
    cross join json_each(p.content, '$.steps') j
    union all
    select task_id, step from steps where step > 16383
    union all
    select distinct f.task_id, f.step
    from attempts f
    where f.step > 16383
      and not exists (select 1 from steps s where s.task_id = f.task_id and s.step = f.step)
),
named as (
    select m.task_id, m.number, t.uuid, p.namespace, p.name as template,
        p.content ->> ('$.steps[' || (m.number & 16383) || '].type') as type,
        iif(m.number & 1073741824, 'undo ', '')
            || (p.content ->> ('$.steps[' || (m.number & 16383) || '].name'))
            || iif((m.number & 1073741823) >> 14, printf('_%03d', (m.number & 1073741823) >> 14), '') as name
    from numbers m
    join tasks t on t.id = m.task_id
    join templates p on p.id = t.template_id
),
gathered as (
    select n.*, r.state as task_state, r.finished_at as task_finished_at, s.kind,
        s.started_at as step_started_at, s.finished_at as step_finished_at,
        a.attempt, a.started_at as attempt_started_at, a.failed_at, a.retry_at, a.reopened,
        a.error ->> 'code' as code, g.since,
        (select count(*) from attempts f where f.task_id = n.task_id and f.step = n.number) as failed
    from named n
    join runs r on r.task_id = n.task_id
    left join steps s on s.task_id = n.task_id and s.step = n.number
    left join attempts a on a.task_id = n.task_id and a.step = n.number and a.attempt = (
        select max(f.attempt) from attempts f where f.task_id = n.task_id and f.step = n.number
    )
    left join running g on g.task = n.uuid and g.step = n.name
),
timed as (
    select *,
        coalesce(step_started_at, since, attempt_started_at) as started,
        coalesce(step_finished_at, iif(since is null, failed_at, null)) as finished
    from gathered
)
select
    uuid as task_id,
    namespace,
    template,
    name as step,
    case
        when kind = 0 then 'complete'
        when kind = 1 then 'resolved_manually'
        when kind = 2 then 'skipped'
        when since is not null and task_finished_at is null then 'in_progress'
        when attempt is not null and retry_at is null and not reopened then 'error'
        when task_finished_at is not null and attempt is not null then 'cancelled'
        -- In a complete task, what has no result was skipped; a worker has none of its own.
        when task_state = (select code from task_states where name = 'complete') and type is not 'batch_worker' then 'skipped'
        when task_state = (select code from task_states where name = 'complete') and exists (
            select 1
            from steps i
            where i.task_id = timed.task_id
              and i.step > 16383
              and (i.step & 16383) = timed.number
        ) then 'complete'
        when task_finished_at is not null then 'not_run'
        when retry_at > (julianday('now') - 2440587.5) * 86400000000 and not reopened then 'waiting_for_retry'
        else 'open'
    end as state,
    failed + iif(kind = 0, 1, 0) as attempts,
    strftime('%Y-%m-%dT%H:%M:%S', started / 1000000, 'unixepoch') || printf('.%06dZ', started % 1000000) as started_at,
    strftime('%Y-%m-%dT%H:%M:%S', finished / 1000000, 'unixepoch') || printf('.%06dZ', finished % 1000000) as finished_at,
    iif(kind is null, code, null) as error_code
from timed
order by timed.task_id, number
