-- Steps that go round. round: the attempt ended the round of this number, and error has what the next one is called
-- with; null: it failed. What is recorded of earlier rounds is deleted.
alter table tasker.attempts
    add column round integer check (round > 0);
drop view tasker.step_states;

-- Every step of every task by name, for people who read the database; the engine does not use it.
-- A state stands here where the rows alone can tell it. Of a task that goes on, the rest is open: pending,
-- ready, just called, or on a branch that is not taken. Of a task that is over, the rest was not run.
create view tasker.step_states as
with running as (
    -- What processes say they have had running for longer than a heartbeat.
    select a ->> 'task' as task, a ->> 'step' as step, min((a ->> 'since')::bigint) as since
    from tasker.workers w
    cross join lateral json_array_elements(w.activity) a
    where w.stopped_at is null
    group by 1, 2
)
select
    t.uuid as task_id,
    p.namespace,
    p.name as template,
    n.name as step,
    case
        when s.kind = 0 then 'complete'
        when s.kind = 1 then 'resolved_manually'
        when s.kind = 2 then 'skipped'
        when g.since is not null and r.finished_at is null then 'in_progress'
        when a.attempt is not null and a.retry_at is null and not a.reopened then 'error'
        when r.finished_at is not null and a.attempt is not null then 'cancelled'
        -- In a complete task, what has no result was skipped; a worker has none of its own.
        when r.state = (select code from tasker.task_states where name = 'complete') and n.type is distinct from 'batch_worker' then 'skipped'
        when r.state = (select code from tasker.task_states where name = 'complete') and exists (
            select 1
            from tasker.steps i
            where i.task_id = t.id
              and i.step > 16383
              and (i.step & 16383) = n.number
        ) then 'complete'
        when r.finished_at is not null then 'not_run'
        when a.retry_at > extract(epoch from clock_timestamp()) * 1000000 and not a.reopened
            then case when a.round is null then 'waiting_for_retry' else 'waiting' end
        else 'open'
    end as state,
    coalesce(greatest(a.failed, a.attempt), 0) + case when s.kind = 0 then 1 else 0 end as attempts,
    timestamptz 'epoch' + coalesce(s.started_at, g.since, a.started_at) * interval '1 microsecond' as started_at,
    timestamptz 'epoch'
        + coalesce(s.finished_at, case when g.since is null then a.failed_at end) * interval '1 microsecond'
        as finished_at,
    case when s.kind is null then a.code end as error_code
from tasker.tasks t
join tasker.runs r on r.task_id = t.id
join tasker.templates p on p.id = t.template_id
cross join lateral (
    -- The steps of the template, and of batches and rollbacks what something is recorded of. A number has
    -- the place of its step in the template in 14 bits, then that of the batch, and says in bit 30 that it is
    -- what undoes the step.
    select m.number,
        p.content -> 'steps' -> (m.number & 16383) ->> 'type' as type,
        case when m.number & 1073741824 = 0 then '' else 'undo ' end
            || (p.content -> 'steps' -> (m.number & 16383) ->> 'name')
            || case
                when m.batch = 0 then ''
                else '_' || lpad(m.batch::text, greatest(3, length(m.batch::text)), '0')
            end as name
    from (
        select number, (number & 1073741823) >> 14 as batch
        from (
            select (e.place - 1)::integer as number
            from json_array_elements(p.content -> 'steps') with ordinality e (content, place)
            union
            select step from tasker.steps where task_id = t.id
            union
            select step from tasker.attempts where task_id = t.id
        ) numbers
    ) m
) n
left join tasker.steps s on s.task_id = t.id and s.step = n.number
left join lateral (
    select f.attempt, f.started_at, f.failed_at, f.retry_at, f.reopened, f.round,
        -- `->>` fails for a text with a character that this database or PostgreSQL has no place for, wherever in
        -- the error it is.
        case
            when f.round is not null then null
            when strpos(f.error::text, '\u') > 0 then substring(f.error::text from '"code":\s*"((?:[^"\\]|\\.)*)"')
            else f.error ->> 'code'
        end as code,
        count(*) over () as failed
    from tasker.attempts f
    where f.task_id = t.id
      and f.step = n.number
    order by f.attempt desc
    limit 1
) a on true
left join running g on g.task = t.uuid::text and g.step = n.name
order by t.id, n.number
