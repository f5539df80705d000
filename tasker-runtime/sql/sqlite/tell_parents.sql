-- ask the holders of those of the tasks $1 that somebody holds to follow the command $3, at $2, unless they are asked already
insert into commands (task_id, created_at, command)
select r.task_id, $2, $3
from runs r
where r.task_id in (select value from json_each($1))
  and r.owner is not null
  and r.finished_at is null
  and not exists (select 1 from commands c where c.task_id = r.task_id and c.command = $3)
