-- list tasks, newest first
-- At most $4 before the task with number $3, in state $1 and of namespace $2 where these are not null.
select t.id, t.uuid, t.created_at, r.state, r.run_at, r.finished_at, r.cause, p.namespace, p.name, p.version
from tasker.tasks t
join tasker.runs r on r.task_id = t.id
join tasker.templates p on p.id = t.template_id
where (cast($1 as bigint) is null or r.state = $1)
  and (cast($2 as text) is null or p.namespace = $2)
  and t.id < $3
order by t.id desc
limit $4
