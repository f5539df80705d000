-- ask that the tasks which are not over and were started by the tasks $1 follow the command $3, at $2, where they go with these
insert into tasker.commands (task_id, created_at, command)
select c.child_id, $2, $3::json
from tasker.children c
where c.parent_id = any ($1)
  and c.ended = 0
  and c.cascades = 1
