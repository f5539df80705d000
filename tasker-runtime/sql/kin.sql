-- read the tasks that task $1 started, at most $2
select c.step, c.item, c.attempt, t.uuid, r.state, r.owner, p.namespace
from tasker.children c
join tasker.tasks t on t.id = c.child_id
join tasker.runs r on r.task_id = c.child_id
join tasker.templates p on p.id = t.template_id
where c.parent_id = $1
order by c.step, c.item, c.attempt
limit $2
