-- list tasks, newest first
-- At most $4 before the task with number $3, of namespace $2 where that is not null, in the phases $1 to $5,
-- held where $6 is 1 and by nobody where it is 0.
select t.id, t.uuid, t.created_at, r.state, r.run_at, r.finished_at, r.cause, p.namespace, p.name, p.version, r.owner
from tasker.tasks t
join tasker.runs r on r.task_id = t.id
join tasker.templates p on p.id = t.template_id
where r.state between $1 and $5
  and (cast($6 as bigint) is null or case when r.owner is null then 0 else 1 end = $6)
  and (cast($2 as text) is null or p.namespace = $2)
  and t.id < $3
order by t.id desc
limit $4
