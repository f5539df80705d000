-- list the tasks that were set aside and not taken up since, newest first
select t.uuid, p.namespace, p.name, d.created_at, d.reason
from tasker.dead_letters d
join tasker.tasks t on t.id = d.task_id
join tasker.templates p on p.id = t.template_id
where d.resolved_at is null
order by d.created_at desc
limit $1
