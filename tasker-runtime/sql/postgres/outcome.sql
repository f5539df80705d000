-- read where the task $1 stands and, once it is complete (10), the results of its steps $2
select t.template_id, r.state, r.cause, s.step, s.result::text
from tasker.tasks t
join tasker.runs r on r.task_id = t.id
left join tasker.steps s on s.task_id = t.id and s.step = any ($2::bigint[]) and r.state = 10
where t.uuid = $1
