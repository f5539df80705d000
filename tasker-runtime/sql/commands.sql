-- read the commands for tasks that worker $1 or nobody holds, or that are over
select c.id, c.task_id, cast(c.command as text), r.owner, r.finished_at, t.uuid, r.state, c.audit_id,
    r.lease, t.template_id
from tasker.commands c
join tasker.runs r on r.task_id = c.task_id
join tasker.tasks t on t.id = c.task_id
where r.owner = $1
   or r.owner is null
   or r.finished_at is not null
order by c.id
