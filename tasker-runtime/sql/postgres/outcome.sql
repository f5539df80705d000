-- read where the task $1 stands, and the results of its steps $2 once it is complete
-- Complete is the state $3.
select t.template_id, r.state, r.cause, s.step, s.result::text, r.owner
from tasker.tasks t
join tasker.runs r on r.task_id = t.id
left join tasker.steps s on s.task_id = t.id and s.step = any ($2::bigint[]) and r.state = $3
where t.uuid = $1
