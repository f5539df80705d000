-- find a task that is not over and began with another content of version $3 of template $1/$2 than that of digest $4
select 1
from tasker.templates p
join tasker.tasks t on t.template_id = p.id
join tasker.runs r on r.task_id = t.id
where p.namespace = $1
  and p.name = $2
  and p.version = $3
  and p.digest <> $4
  and r.finished_at is null
limit 1
