-- Steps that go round. round: the attempt ended the round of this number, and error has what the next one is called
-- with; null: it failed. What is recorded of earlier rounds is deleted.
alter table attempts add column round integer check (round > 0);
drop view step_states;

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
        a.attempt, a.started_at as attempt_started_at, a.failed_at, a.retry_at, a.reopened, a.round,
        iif(a.round is null, a.error ->> 'code', null) as code, g.since,
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
        when retry_at > (julianday('now') - 2440587.5) * 86400000000 and not reopened
            then iif(round is null, 'waiting_for_retry', 'waiting')
        else 'open'
    end as state,
    max(failed, coalesce(attempt, 0)) + iif(kind = 0, 1, 0) as attempts,
    strftime('%Y-%m-%dT%H:%M:%S', started / 1000000, 'unixepoch') || printf('.%06dZ', started % 1000000) as started_at,
    strftime('%Y-%m-%dT%H:%M:%S', finished / 1000000, 'unixepoch') || printf('.%06dZ', finished % 1000000) as finished_at,
    iif(kind is null, code, null) as error_code
from timed
order by timed.task_id, number
