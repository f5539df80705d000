-- read how far the tasks $1 are: what changes whenever something is recorded of one of them
select t.uuid, r.state, r.owner, r.run_at, r.finished_at,
    (select count(*) from tasker.steps s where s.task_id = t.id),
    -- What ends a round takes the place of the round before.
    (select count(*) + coalesce(max(a.failed_at), 0) from tasker.attempts a where a.task_id = t.id)
from tasker.tasks t
join tasker.runs r on r.task_id = t.id
where t.uuid = any($1::uuid[])
