-- list tasks, newest first
-- Of the $2 tasks before number $1 at most $9 that are, where these are not null, in the phases $3 to
-- $10 and held or not as $11 says, of namespace $4,
-- of template $5, created at $6 or later and before $7, with the correlation id $8, with a step whose last attempt
-- failed with the code $12 and that has no result, and not over where $13 is 1.
-- (Whether there is such a step is asked of one task after the other: a table of all such steps would be as large as
-- the history.)
select t.id, t.uuid, t.created_at, r.state, r.run_at, r.finished_at, r.cause, p.namespace, p.name, p.version,
    r.queue, r.priority, t.correlation_id, r.owner, p.id
from (
    select id
    from tasker.tasks
    where id < $1
    order by id desc
    limit $2
) as latest
join tasker.tasks t on t.id = latest.id
join tasker.runs r on r.task_id = t.id
join tasker.templates p on p.id = t.template_id
where (cast($3 as bigint) is null or r.state between $3 and $10)
  and (cast($11 as bigint) is null or case when r.owner is null then 0 else 1 end = $11)
  and (cast($4 as text) is null or p.namespace = $4)
  and (cast($5 as text) is null or p.name = $5)
  and (cast($6 as bigint) is null or t.created_at >= $6)
  and (cast($7 as bigint) is null or t.created_at < $7)
  and (cast($8 as text) is null or cast(t.correlation_id as text) = $8)
  and ($13 = 0 or r.finished_at is null)
  and (cast($12 as text) is null or (
      select 1
      from tasker.attempts a
      where a.task_id = t.id
        and a.round is null
        and a.error ->> 'code' = $12
        and not exists (
            select 1
            from tasker.attempts l
            where l.task_id = a.task_id
              and l.step = a.step
              and l.attempt > a.attempt
        )
        and not exists (
            select 1
            from tasker.steps s
            where s.task_id = a.task_id
              and s.step = a.step
        )
      limit 1
  ) = 1)
order by t.id desc
limit $9
