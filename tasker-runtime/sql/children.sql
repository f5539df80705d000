-- read the tasks that step $2 of task $1 started, item by item, the last attempt last
select c.item, c.attempt, c.child_id, t.uuid, r.state, r.owner, r.finished_at, r.cause, t.template_id
from tasker.children c
left join tasker.tasks t on t.id = c.child_id
left join tasker.runs r on r.task_id = c.child_id
where c.parent_id = $1
  and c.step = $2
order by c.item, c.attempt
