-- read the task $1
select t.id, t.uuid, t.template_id, t.correlation_id, t.created_at, cast(t.context as text), r.state, r.run_at,
    r.owner, r.lease, r.finished_at, r.cause, r.queue, r.priority, p.namespace, p.name, p.version,
    cast(t.origin as text), t.parent_id
from tasker.tasks t
join tasker.runs r on r.task_id = t.id
join tasker.templates p on p.id = t.template_id
where t.uuid = $1
