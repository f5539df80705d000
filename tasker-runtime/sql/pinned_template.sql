-- find the template that the task $1 started with, and what it is called as far as it is kept
select t.template_id, p.namespace, p.name, p.version
from tasker.tasks t
left join tasker.templates p on p.id = t.template_id
where t.uuid = $1
