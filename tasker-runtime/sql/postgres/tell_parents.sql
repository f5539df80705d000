-- ask the holders of those of the tasks $1 that somebody holds to follow the command $3, at $2, unless they are asked already
-- (`coalesce` keeps the planner off the index on what is held.)
insert into tasker.commands (task_id, created_at, command)
select r.task_id, $2, $3::text::json
from tasker.runs r
where r.task_id = any ($1)
  and coalesce(r.owner, -1) <> -1
  and r.finished_at is null
  and not exists (select 1 from tasker.commands c where c.task_id = r.task_id and c.command::text = $3::text)
