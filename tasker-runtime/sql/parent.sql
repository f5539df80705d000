-- read the task that started task $1, and for which of its steps
select t.uuid, c.step, c.item, t.template_id
from tasker.children c
join tasker.tasks t on t.id = c.parent_id
where c.child_id = $1
