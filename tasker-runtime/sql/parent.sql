-- read the task that started task $1, for which of its steps, and its template
select t.uuid, (select c.step from tasker.children c where c.child_id = own.id), t.template_id
from tasker.tasks own
join tasker.tasks t on t.id = own.parent_id
where own.id = $1
