-- read where the task $1 stands, and the results of its steps $2 once it is complete
-- Complete is the state $3.
select t.template_id, r.state, r.cause, s.step, s.result, r.owner
from tasks t
join runs r on r.task_id = t.id
left join steps s on s.task_id = t.id and s.step in (select value from json_each($2)) and r.state = $3
where t.uuid = $1
