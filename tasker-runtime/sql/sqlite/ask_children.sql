-- ask that the tasks which are not over and were started by the tasks $1 follow the command $3, at $2, where they go with these
insert into commands (task_id, created_at, command)
select c.child_id, $2, $3
from children c
where c.parent_id in (select value from json_each($1))
  and c.ended = 0
  and c.cascades = 1
